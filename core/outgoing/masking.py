"""Addresses as they may be shown: what is secret in them, and what would spoil a line, taken out."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

MASK = "***"
LONGEST = 200


def masked(url: str) -> str:
    """An address without its user, its password, the values of its query and its fragment, in printable ASCII."""
    url = re.sub(r"[^\x21-\x7e]", "", url)
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that can't be read"
    user, at, host = parts.netloc.rpartition("@")
    pairs = [pair.partition("=") for pair in parts.query.split("&")]
    query = "&".join(f"{name}={MASK}" if is_pair else MASK for name, is_pair, _ in pairs)
    shown = parts._replace(
        netloc=(MASK if user else "") + at + host, query=query if parts.query else "", fragment=""
    ).geturl()
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"
