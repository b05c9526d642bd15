"""Unpacking what was sent, within bounds."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from services.upload_bytes import unpacked
from services.upload_limits import LIMITS, CutOff, Refused
from tests.services.upload_files import packed, pieces

LINES = b"".join(b'{"id":"job-%d"}\n' % number for number in range(5000))


def cut_after(data: bytes) -> Iterator[bytes]:
    yield data
    raise CutOff("the line went dead")


@pytest.mark.parametrize("length", [1, 7, 4096, 1_000_000])
@pytest.mark.parametrize("members", [1, 3])
def test_gzip_is_unpacked_whatever_the_pieces(length: int, members: int) -> None:
    assert b"".join(unpacked(pieces(packed(LINES, members), length), LIMITS)) == LINES


def test_plain_bytes_pass_in_bounded_blocks() -> None:
    blocks = list(unpacked(iter([LINES * 10]), LIMITS))
    assert b"".join(blocks) == LINES * 10
    assert max(map(len, blocks)) <= LIMITS.block_bytes


def test_zero_bytes_behind_gzip_are_padding() -> None:
    assert b"".join(unpacked(pieces(packed(LINES) + b"\0" * 512), LIMITS)) == LINES


def test_other_bytes_behind_gzip_are_damage() -> None:
    with pytest.raises(Refused) as refused:
        list(unpacked(pieces(packed(LINES) + b"more"), LIMITS))
    assert refused.value.fault == "damaged"


def test_gzip_that_ends_early_is_cut_off_after_what_it_held() -> None:
    out = bytearray()
    with pytest.raises(CutOff, match="ends before its end"):
        for block in unpacked(pieces(packed(LINES)[:-100]), LIMITS):
            out += block
    assert LINES.startswith(out)
    assert out


def test_a_cut_in_the_first_byte_comes_through() -> None:
    with pytest.raises(CutOff, match="went dead"):
        list(unpacked(cut_after(b"\x1f"), LIMITS))


def test_a_flipped_bit_in_gzip_is_damage() -> None:
    data = bytearray(packed(LINES))
    data[-6] ^= 1
    with pytest.raises(Refused) as refused:
        list(unpacked(pieces(bytes(data)), LIMITS))
    assert refused.value.fault == "damaged"


def test_a_bomb_is_stopped_by_its_ratio_before_it_fills_memory() -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(b'{"id":"x"}\n' * 100_000) for _ in range(300)) + packer.flush()
    assert len(bomb) < 2_000_000  # it holds 330 MB
    tracemalloc.start()
    out = 0
    with pytest.raises(Refused, match="200 times") as refused:
        for block in unpacked(pieces(bomb, 65536), LIMITS):
            out += len(block)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused.value.fault == "bomb"
    assert out < 30_000_000
    assert peak < 3_000_000


def test_what_unpacks_to_more_than_the_limit_is_stopped_there() -> None:
    limits = replace(LIMITS, unpacked_bytes=30_000)
    out = 0
    with pytest.raises(Refused) as refused:
        for block in unpacked(pieces(packed(LINES)), limits):
            out += len(block)
    assert refused.value.fault == "bomb"
    assert out <= limits.unpacked_bytes


def test_a_chain_of_tiny_gzip_members_is_stopped() -> None:
    limits = replace(LIMITS, gzip_members=100)
    with pytest.raises(Refused, match="100 pieces"):
        list(unpacked(pieces(gzip.compress(b"") * 200), limits))
