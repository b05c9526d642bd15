"""Failures that differ only in details have one fingerprint, others have their own."""

from __future__ import annotations

import time

import pytest

from services import error_types, fingerprints

TRACE = """Traceback (most recent call last):
  File "/srv/app/releases/{release}/mail.py", line {line}, in send
    connect(host)
  File "/usr/lib/python3.11/{module}.py", line 12, in connect
    raise Lost(user)
mail.Lost: {said}"""


def of(said: str, release: str = "17", line: int = 3, module: str = "socket") -> str:
    error = TRACE.format(said=said, release=release, line=line, module=module)
    return fingerprints.of(error_types.of(error), error)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("no user 17", "no user 18,204.5"), ("no user 'ann'", "no user 'Zoë 🎬'"), ("at 0x7f00aa", "at 0xFFee01"),
        ("in /srv/a/17/x.mp4 no frames", "in /var/b/19/long name.mp4 no frames".replace("long name", "y")),
        ("job 1b4e28ba-2fa1-11d2-883f-0016d3cca427 gone", "job 00000000-0000-0000-0000-000000000000 gone"),
        ("commit deadbee1 is bad", "commit 0123456789abcdef is bad"), ("https://a.example/x?1: 503", "https://b.example/y: 502"),
        ("too  much", "too much"),
    ],
)  # fmt: skip
def test_details_do_not_tell_failures_apart(one: str, other: str) -> None:
    assert of(one) == of(other)


def test_a_new_release_of_the_same_code_fails_alike() -> None:
    assert of("x", release="17", line=3) == of("x", release="18", line=8)


def test_another_type_place_or_sentence_is_another_failure() -> None:
    found = {
        of("no user"), of("no host"), of("no user", module="ssl"), fingerprints.of("A", "x: y"), fingerprints.of("B", "x: y"),
        fingerprints.of(None, None), fingerprints.of("A", None), fingerprints.of(None, "it's won"), fingerprints.of(None, "it broke"),
    }  # fmt: skip
    assert len(found) == 9
    assert all(len(each) == 16 and int(each, 16) >= 0 for each in found)


def test_the_first_line_counts_where_frames_stand_below_it() -> None:
    first, second = (f'Lost: no user {n}\n\n  File "a.py", line {n}, in send\n    raise Lost' for n in (1, 2))
    assert fingerprints.of("Lost", first) == fingerprints.of("Lost", second)
    assert fingerprints.of("Lost", first) != fingerprints.of("Lost", first.replace("user", "host"))


@pytest.mark.parametrize(
    "hostile", ["'" * 16_000, "/a" * 8_000, "a:" * 8_000, "0" * 16_000, "\ud800", 'File "' * 3_000, "-".join(["abcdef12"] * 1_700),
                "  File \"x\", line 1, in " * 700, "http" * 4_000, "f" * 16_000]
)  # fmt: skip
def test_any_text_has_one_and_none_takes_long(hostile: str) -> None:
    begun = time.process_time()
    assert len(fingerprints.of(error_types.of(hostile), hostile)) == 16
    assert time.process_time() - begun < 1
