"""What of a broker's jobs may not be stored: hidden by the name of its field, or by what it looks like, before anything is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import translate
from typing import Any

from core.config import Logs, Masking
from core.settings import Settings
from services.brokers.pickled_values import CUT, DEEPEST, clean
from services.log_redaction import HIDDEN, SECRET_NAME, redactor

MOST_TEXT = 15_900
"""Characters of a text: of a longer one its middle is left out, since a traceback says most at its end."""
HEAD, TAIL = 4_000, 11_800
MOST_LOOKED_AT = 8 * MOST_TEXT
"""Of a longer text half of that at each end."""
SLACK = 4_096
"""So much is left out where it was cut before it was looked at, since half a secret may stand there."""
MOST_TITLE = 300
_VALUE = r"(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s,;&)\]}]+)"


class Mask:
    """A broker's. The rules of `[logs]` hold for it too: the same secrets stand in its texts."""

    def __init__(self, masking: Masking, settings: Settings, logs: Logs) -> None:
        rules = Logs(redact=(*logs.redact, *masking.patterns), redact_secrets=masking.secrets)
        self._hide = redactor(rules, settings).hide
        self._secrets = masking.secrets
        self._arguments = masking.arguments
        self._fields = _either(masking.fields)
        self._named = _named(masking.fields)

    def text(self, text: str) -> str:
        """A description, a message or a traceback as it may be stored, at most 16,000 characters."""
        if len(text) <= MOST_LOOKED_AT:
            return _shortened(self._shown(text))
        head, tail = self._shown(text[: MOST_LOOKED_AT // 2]), self._shown(text[-MOST_LOOKED_AT // 2 :])
        return _joined(head[:-SLACK][:HEAD], len(text) - HEAD - TAIL, tail[SLACK:][-TAIL:])

    def _shown(self, text: str) -> str:
        text = self._hide(clean(text))
        return text if self._named is None else self._named.sub(lambda found: f"{found[1]}{HIDDEN}", text)

    def value(self, value: Any, name: str = "", deep: int = 0) -> Any:
        """What JSON can hold, as it may be stored; `name` is the field that it stands in."""
        if name and value is not None and self.hides(name):
            return HIDDEN
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping | list | tuple) and deep >= DEEPEST:
            return CUT
        if isinstance(value, Mapping):
            return {clean(str(key)): self.value(each, str(key), deep + 1) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(each, "", deep + 1) for each in value]
        return value

    def call(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """`args` and `kwargs` for a job's metadata, those that there are; none where arguments are not to be stored."""
        if not self._arguments:
            return {}
        found = {"args": self.value(args), "kwargs": self.value(kwargs)}
        return {name: value for name, value in found.items() if value}

    def result(self, result: Any) -> Any:
        """What a job answered; None where that is not to be stored."""
        return self.value(result, "result") if self._arguments else None

    def title(self, function: str | None, description: str | None = None) -> str | None:
        """A job's description, by its engine or its user, else its function. The arguments behind a function's name go where they are
        not to be stored."""
        if not description:
            return function
        if not self._arguments and "(" in description and (function is None or description.startswith(f"{function}(")):
            return function or clean(description.partition("(")[0][:MOST_TITLE])
        shown = self.text(description)
        return shown if len(shown) <= MOST_TITLE else f"{shown[:MOST_TITLE]}{CUT}"

    def hides(self, name: str) -> bool:
        """Whether a field of this name is hidden."""
        if self._secrets and SECRET_NAME.search(name):
            return True
        return self._fields is not None and self._fields.fullmatch(name) is not None


def _either(fields: Sequence[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(map(translate, fields)), re.I) if fields else None


def _named(fields: Sequence[str]) -> re.Pattern[str] | None:
    """Finds `name=value` and `'name': value` in texts, where a name is one of `fields`."""
    if not fields:
        return None
    words = (re.escape(field).replace(r"\*", r"\w*").replace(r"\?", r"\w") for field in fields)
    return re.compile(rf"((?<!\w)(?:{'|'.join(words)})[\"']?\s*[=:]\s*){_VALUE}", re.I)


def _shortened(text: str) -> str:
    """Without its middle where it is long."""
    return text if len(text) <= MOST_TEXT else _joined(text[:HEAD], len(text) - HEAD - TAIL, text[-TAIL:])


def _joined(head: str, cut: int, tail: str) -> str:
    return f"{head}\n[{cut:,} characters were cut]\n{tail}"
