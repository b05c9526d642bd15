"""From what was sent to what it says: gzip is unpacked as it streams, with a bound on how much may come out."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from services.upload_limits import CutOff, Limits, Refused, size_words

GZIP = b"\x1f\x8b"


def unpacked(chunks: Iterator[bytes], limits: Limits) -> Iterator[bytes]:
    """Blocks of at most `limits.block_bytes`, unpacked where the data is gzip. Raises Refused, CutOff."""
    first, chunks = _begin(chunks, len(GZIP))
    blocks = _gunzip(first, chunks, limits) if first.startswith(GZIP) else _plain(first, chunks, limits)
    total = 0
    for block in blocks:
        total += len(block)
        if total > limits.unpacked_bytes:
            raise Refused(
                "bomb",
                f"it holds more than {size_words(limits.unpacked_bytes)}, which is the most; split it into several files",
            )
        yield block


def _begin(chunks: Iterator[bytes], least: int) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes, `least` of them where there are so many, and the rest; an early end comes after them."""
    first = b""
    try:
        for chunk in chunks:
            first += chunk
            if len(first) >= least:
                break
    except CutOff as cut:
        return first, ending(cut)
    return first, chunks


def ending(cut: CutOff) -> Iterator[bytes]:
    """What follows the last bytes of a transfer that ended early: its CutOff, and nothing else."""
    raise cut
    yield b""  # type: ignore[unreachable]  # makes this an iterator


def _plain(first: bytes, chunks: Iterator[bytes], limits: Limits) -> Iterator[bytes]:
    for chunk in together(first, chunks):
        for start in range(0, len(chunk), limits.block_bytes):
            yield chunk[start : start + limits.block_bytes]


def _gunzip(first: bytes, chunks: Iterator[bytes], limits: Limits) -> Iterator[bytes]:
    member, members, packed, out = zlib.decompressobj(wbits=31), 1, 0, 0
    for chunk in together(first, chunks):
        packed += len(chunk)
        data = chunk
        while data:
            if member.eof:
                data = data.lstrip(b"\0")  # padding between or after members is allowed
                if not data:
                    break
                member, members = zlib.decompressobj(wbits=31), members + 1
                if members > limits.gzip_members:
                    raise Refused("bomb", f"it is packed in more than {limits.gzip_members:,} pieces; pack it as one")
            for block in _blocks(member, data, packed, limits.block_bytes):
                out += len(block)
                if out > limits.ratio_free_bytes and out > packed * limits.ratio:
                    raise Refused(
                        "bomb",
                        f"it unpacks to more than {limits.ratio} times its size, as job history never does; send it unpacked",
                    )
                yield block
            data = member.unused_data
    if not member.eof:
        raise CutOff("the gzip data ends before its end; pack it again and send it once more")


def _blocks(member: zlib._Decompress, data: bytes, packed: int, most: int) -> Iterator[bytes]:
    """All that `data` unpacks to within one gzip member, at most `most` bytes at once."""
    while True:
        try:
            block = member.decompress(data, most)
        except zlib.error as fault:
            where = f"within the first {size_words(packed)}"
            raise Refused(
                "damaged", f"its gzip data is damaged {where}; pack it again and send it once more"
            ) from fault
        if block:
            yield block
        data = member.unconsumed_tail
        if member.eof or (not data and len(block) < most):
            return


def together(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    """The bytes that were looked at and those behind them."""
    if first:
        yield first
    yield from rest
