"""Secrets are taken out of log lines before they are stored: what looks like one, our own tokens, and what headway.toml names.

Most lines hold none, and are only asked whether they hold one of a few words. Each rule stands under the words that a line
has to hold for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from core.config import Logs
from core.metrics import LOG_REDACTIONS
from core.settings import Settings
from core.tokens import admin_token

HIDDEN = "***"
_SGR = r"(?:\x1b\[[0-9;:]*m)*"
_NAMES = (
    r"passw(?:or)?d|passwd|passphrase|pwd|secret|token|credentials?"
    r"|(?:api|access|secret|private|account|encryption|signing|auth)[_-]?key"
)

_NAMED = re.compile(
    rf"((?:{_NAMES}){_SGR}\\?[\"']?{_SGR}\s*{_SGR}(?:=>|[=:]){_SGR}\s*{_SGR}(?:(?:bearer|basic|token)\s+)?)"
    r"(\\?\"(?:[^\"\\]|\\[^\"])*\\?\"|'[^']*'|[\"']?[^\s\x1b,;&\"'<>)\]}]+)",
    re.I,
)
_AUTHORIZATION = re.compile(
    rf"(authorization{_SGR}\\?[\"']?{_SGR}\s*{_SGR}[=:]{_SGR}\s*{_SGR}\\?[\"']?(?:(?:basic|bearer|digest|token|apikey|negotiate)\s+)?)"
    r"([^\s\x1b\"'\\,;]+)",
    re.I,
)
_BEARER = re.compile(r"(\bbearer\s+)(?=[^\s\x1b]*\d)([A-Za-z0-9._~+/=-]{8,})", re.I)
_USERINFO = re.compile(r"(://)([^\s/?#\"'<>\x1b]+)(?=@)")
_SHAPES = re.compile(
    r"()((?<![\w-])(?:(?:AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|xox[abeprs]-[\w-]{10,}"
    r"|[rs]k_(?:live|test)_[A-Za-z0-9]{10,}|sk-[\w-]{20,}|AIza[\w-]{30,}|glpat-[\w-]{16,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*))"
)
_QUOTED = re.compile(r"(\\?[\"']).*\1", re.S)
_PEM = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----)(.+?)(?=-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S)

BUILT_IN: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...] = (
    (("private key-----",), _PEM),
    (("authorization",), _AUTHORIZATION),
    (("bearer",), _BEARER),
    (("://",), _USERINFO),
    (("akia", "asia", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "xox", "k_live", "k_test", "sk-", "aiza",
      "glpat-", "eyj"), _SHAPES),
    (("passw", "passphrase", "pwd", "secret", "token", "credential", "_key", "-key", "apikey", "accesskey", "privatekey",
      "accountkey", "encryptionkey", "signingkey", "authkey"), _NAMED),
)  # fmt: skip
"""By words in small letters: a pattern whose first group stays and whose second goes."""
SECRET_NAME = re.compile(rf"(?:{_NAMES}|authorization)\Z", re.I)
"""Finds the names whose values these patterns take out."""


class Redactor:
    """What is taken out on one site. `secrets` are texts that may stand nowhere."""

    def __init__(self, logs: Logs, secrets: Iterable[str]) -> None:
        self._own = [(re.compile(rule.pattern), rule.replace) for rule in logs.redact]
        self._secrets = tuple(secrets) if logs.redact_secrets else ()
        self._rules = BUILT_IN if logs.redact_secrets else ()

    def redact(self, text: str) -> str:
        """A log line with what may not be stored put out of sight; counted where there was any."""
        found = self.hide(text)
        if found != text:
            LOG_REDACTIONS.inc()
        return found

    def hide(self, text: str) -> str:
        """Any text with what may not be stored put out of sight."""
        found = text
        for secret in self._secrets:
            if secret in found:
                found = found.replace(secret, HIDDEN)
        if self._rules:
            small = found.lower()
            for words, pattern in self._rules:
                for word in words:
                    if word in small:
                        found = pattern.sub(_hide, found)
                        break
        for own, replace in self._own:
            # What stands there instead is text, whatever it holds.
            found = own.sub(lambda _, replace=replace: replace, found)  # type: ignore[misc]
        return found


def _hide(found: re.Match[str]) -> str:
    """What stays, and the quotes around what goes."""
    value = found[2]
    quoted = _QUOTED.fullmatch(value)
    return f"{found[1]}{quoted[1]}{HIDDEN}{quoted[1]}" if quoted else f"{found[1]}{HIDDEN}"


@lru_cache(maxsize=8)
def redactor(logs: Logs, settings: Settings) -> Redactor:
    """A site's own."""
    tokens = [settings.read_token, settings.ingest_token, settings.metrics_token]
    tokens.append(admin_token(settings)[0] if settings.auth else settings.token)
    return Redactor(logs, [token for token in tokens if token])
