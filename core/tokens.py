"""The tokens that open the site: where the admin's comes from, and what a token that is shown allows.

Knows neither Flask nor Redis, so that the server may ask for the sign-in link before its workers are set up.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from core.settings import SettingError, Settings

Scope = Literal["admin", "read", "ingest", "metrics"]

TOKEN_BYTES = 32


def admin_token(settings: Settings) -> tuple[str, bool]:
    """The admin token, and whether it was made just now. Several processes that ask at once get the same.

    It is `HEADWAY_TOKEN`, or what stands in the file `token` of the data folder. Raises SettingError.
    """
    if settings.token:
        return settings.token, False
    path = settings.data / "token"
    try:
        made = not path.exists() and _make(path)
        return _read(path), made
    except OSError as error:
        raise SettingError(
            f"HEADWAY_DATA ({str(settings.data)!r}) can't keep the admin token: {error.strerror}, "
            "for example HEADWAY_DATA=data, or set HEADWAY_TOKEN"
        ) from error


def _make(path: Path) -> bool:
    """Write a new token beside `path` and link it there: whoever links first wins, and no one sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".token-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(TOKEN_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    return True


def _read(path: Path) -> str:
    token = path.read_bytes().strip()
    if len(token) < 8 or not token.isascii():
        raise SettingError(
            f"HEADWAY_DATA has a damaged {path.name} file, for example delete it and a new one is made, or set HEADWAY_TOKEN"
        )
    return token.decode("ascii")


def sign_in_link(settings: Settings) -> str:
    """Where to sign in. A token that Headway made itself stands behind `#`, which a browser sends to no one."""
    if not settings.auth:
        return f"{settings.address}/"
    if settings.token:
        return f"{settings.address}/login"
    return f"{settings.address}/login#token={quote(admin_token(settings)[0], safe='')}"


class Tokens:
    """What each token allows. Compares in constant time, whatever text it is given."""

    def __init__(self, settings: Settings) -> None:
        admin = admin_token(settings)[0] if settings.auth else secrets.token_urlsafe(TOKEN_BYTES)
        given: dict[Scope, str | None] = {
            "admin": admin,
            "read": settings.read_token,
            "ingest": settings.ingest_token,
            "metrics": settings.metrics_token,
        }
        self.secret = _stretched(admin)
        """Signs cookies: the same in every process, and another as soon as the admin token changes."""
        self._digests = [(scope, _digest(token)) for scope, token in given.items() if token]
        self.marks = {scope: self._mark(token) for scope, token in given.items() if token}
        """A short name for each token, from which it can't be guessed: it may stand in a key or a cookie."""

    def match(self, text: str) -> Scope | None:
        """What the token `text` allows; None when it is none of ours."""
        shown = _digest(text)
        found: Scope | None = None
        for scope, known in self._digests:
            if hmac.compare_digest(shown, known):
                found = scope
        return found

    def _mark(self, token: str) -> str:
        return hmac.new(self.secret, token.encode(), hashlib.sha256).hexdigest()[:20]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


@functools.lru_cache(maxsize=4)
def _stretched(token: str) -> bytes:
    # Slow on purpose: whoever holds a signed cookie could otherwise try out short admin tokens on it at leisure.
    return hashlib.scrypt(token.encode(), salt=b"headway session", n=2**14, r=8, p=1)
