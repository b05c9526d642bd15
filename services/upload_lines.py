"""Lines out of blocks of bytes, none longer than a bound."""

from __future__ import annotations

from collections.abc import Iterator

from services.upload_limits import size_words


def lines(blocks: Iterator[bytes], most: int) -> Iterator[tuple[int, bytes | None]]:
    """Each line's number, from 1, and its bytes without the newline, or None where it is longer than `most`."""
    number, kept, too_long = 1, b"", False
    for block in blocks:
        *ended, rest = (kept + block).split(b"\n")
        for line in ended:
            yield number, None if too_long or len(line) > most else line
            number, too_long = number + 1, False
        # Of a line without an end only so much is kept as shows that it is too long.
        too_long = too_long or len(rest) > most
        kept = b"" if too_long else rest
    if kept or too_long:
        yield number, None if too_long else kept


def too_long(most: int) -> str:
    return f"is longer than {size_words(most)}, which is the most for a row"
