"""What is taken out of texts before they are stored."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class Redaction(Struct, frozen=True, forbid_unknown_fields=True):
    """A regular expression, and what stands in the place of what it finds."""

    pattern: Annotated[str, Meta(min_length=1, max_length=1_000)]
    replace: Annotated[str, Meta(max_length=100)] = "***"
