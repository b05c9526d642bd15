"""Where reports go: said in code, or by the environment, which is read at the first report."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

TIMEOUT_S = 3.0


@dataclass(frozen=True)
class Settings:
    """`source` is that of log lines which name none. `fault` says why nothing can be reported; None where all is well."""

    scheme: str = "http"
    host: str = ""
    port: int | None = None
    path: str = ""
    token: str | None = field(default=None, repr=False)
    agent: str = "default"
    source: str = "python"
    timeout_s: float = TIMEOUT_S
    fault: str | None = None

    @property
    def shown(self) -> str:
        """The site's address without anything secret."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}{f':{self.port}' if self.port else ''}{self.path}"


def read(
    url: str | None = None,
    token: str | None = None,
    agent: str | None = None,
    timeout: float | None = None,
    env: Mapping[str, str] = os.environ,
) -> Settings:
    """What is given, else HEADWAY_URL and HEADWAY_INGEST_TOKEN or HEADWAY_TOKEN. Never raises: see `Settings.fault`."""
    url = (env.get("HEADWAY_URL") if url is None else url) or ""
    token = (env.get("HEADWAY_INGEST_TOKEN") or env.get("HEADWAY_TOKEN") if token is None else token) or None
    others = {
        "agent": agent or "default",
        "source": env.get("HEADWAY_SOURCE") or program() or "python",
        "timeout_s": TIMEOUT_S if timeout is None else max(0.0, timeout),
    }
    try:
        parts = urlsplit(url.strip())
        found = Settings(parts.scheme, parts.hostname or "", parts.port, parts.path.rstrip("/"), token, **others)  # type: ignore[arg-type]
    except ValueError:
        return Settings(fault="HEADWAY_URL is no address, such as http://127.0.0.1:8000", **others)  # type: ignore[arg-type]
    fault = _fault(url, found)
    return Settings(fault=fault, **others) if fault else found  # type: ignore[arg-type]


def program() -> str:
    """The program's name; '' where it has none."""
    path = Path(sys.argv[0] if sys.argv else "")
    if path.name == "__main__.py":
        return path.parent.name
    return "" if path.name in ("-c", "-m") else path.name


def _fault(url: str, found: Settings) -> str | None:
    if not url:
        return "HEADWAY_URL is not set; it is the site's address, such as http://127.0.0.1:8000"
    if found.scheme not in ("http", "https") or not found.host or not f"{found.host}{found.path}".isprintable():
        return "HEADWAY_URL is no http:// or https:// address, such as http://127.0.0.1:8000"
    if found.token and not (found.token.isascii() and found.token.isprintable() and " " not in found.token):
        return "the token holds characters that no token has"
    return None
