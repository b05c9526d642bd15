"""Payloads that RQ and Celery store, and those that somebody stores to do harm."""

from __future__ import annotations

import collections
import dataclasses
import enum
import json
import os
import pickle
import pickletools
import subprocess
import sys
import time
import uuid
import zlib
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from services.brokers import payloads
from services.brokers.payloads import Unreadable

ROOT = Path(__file__).parents[3]


@dataclasses.dataclass
class Invoice:
    number: int = 1


class Colour(enum.Enum):
    RED = "red"


class Runs:
    """Whose pickle runs code where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.mark),))


PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_values_come_out_as_they_went_in(protocol: int) -> None:
    told = [1, -2, 2**40, 2.5, "text", "żółć 🎉", None, True, False, [], {}, {"a": {"b": [1, [2]]}}]
    assert payloads.value(pickle.dumps(told, protocol)) == told


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_dates_ids_and_the_like_come_out_as_their_text(protocol: int) -> None:
    zoned = datetime(2026, 11, 22, 3, 4, 5, 678, timezone(timedelta(hours=-3, minutes=-30)))
    id = uuid.uuid4()
    told = [
        datetime(2026, 11, 22, 3, 4, 5), zoned, datetime(2026, 1, 2, tzinfo=UTC), date(2026, 1, 2), timedelta(1, 5), id, Decimal("1.50"),
        PurePosixPath("/a/b"), {3}, frozenset([4]), (5, 6), collections.OrderedDict(a=1), collections.Counter("aab"), b"abc", 2**80,
        float("inf"),
    ]  # fmt: skip
    assert payloads.value(pickle.dumps(told, protocol)) == [
        "2026-11-22T03:04:05", "2026-11-22T03:04:05.000678-03:30", "2026-01-02T00:00:00+00:00", "2026-01-02", "1 day, 0:00:05", str(id),
        "1.50", "/a/b", [3], [4], [5, 6], {"a": 1}, {"a": 2, "b": 1}, "<3 bytes>", str(2**80), "inf",
    ]  # fmt: skip


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_objects_of_any_other_class_come_out_as_its_name(protocol: int) -> None:
    told = payloads.value(pickle.dumps([Invoice(7), Colour.RED, Invoice, ValueError("no")], protocol))
    assert told[:3] == [f"<{__name__}.Invoice>", f"<{__name__}.Colour>", f"<{__name__}.Invoice>"]
    assert told[3].endswith(".ValueError>")


def test_no_module_that_a_payload_names_is_imported() -> None:
    script = (
        "import sys; from services.brokers import payloads;"
        "print(payloads.value(b'cantigravity\\nfly\\n(S\"x\"\\ntR.'), 'antigravity' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["<antigravity.fly>", "False"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_pickle_that_would_run_code_is_never_run(protocol: int, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    data = pickle.dumps(("app.send", None, (Runs(mark),), {}), protocol)
    call = payloads.rq_call(zlib.compress(data))
    assert call.function == "app.send"
    assert call.args == [f"<{os.mkdir.__module__}.mkdir>"]
    assert not mark.exists()
    pickle.loads(data)  # noqa: S301
    assert mark.exists(), "it would have"


DEEP = b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b"."
HARMFUL = {
    "a place in its memory that takes 32 GB": b"\x80\x04Nr\xff\xff\xff\xff0.",
    "a value at such a place that it does not hold": b"\x80\x04j\xff\xff\xff\xff.",
    "bytes of 8 exabytes": b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f",
    "text of 4 GB": b"\x80\x04X\xff\xff\xff\xffxx.",
    "a number of 2 GB": b"\x80\x04\x8b\xff\xff\xff\x7f.",
    "a number of a hundred thousand digits": b"I" + b"9" * 100_000 + b"\n.",
    "100,000 lists within one another": DEEP,
    "9,000 lists within one another": b"\x80\x04" + b"]" * 9_000 + b"a" * 8_999 + b".",
    "an object that lies elsewhere": b"\x80\x04Pelsewhere\n.",
    "a class by a number": b"\x80\x04\x82\x01.",
    "a buffer that lies elsewhere": b"\x80\x05\x97.",
    "values that are not there": b"\x80\x04a.",
    "a list without a beginning": b"\x80\x04l.",
    "a map of three": b"\x80\x04(NNNd.",
    "a class whose name is a list": b"\x80\x04]]\x93.",
    "no end": b"\x80\x04]",
    "nothing": b"",
    "nothing but an end": b".",
    "a date of one byte": b"\x80\x04cdatetime\ndatetime\nC\x01a\x85R.",
    "a date of nothing": b"\x80\x04cdatetime\ndatetime\n)R.",
    "an id of text": b"\x80\x04cuuid\nUUID\n)\x81}X\x03\x00\x00\x00intX\x01\x00\x00\x00xsb.",
    "a path of lists": b"\x80\x04cpathlib\nPosixPath\n(]]tR.",
    "text with an escape that is none": b"S'\\q'\n.",
    "text with half a character": b"\x80\x04V\\ud800\x00\n.",
}


@pytest.mark.parametrize("data", HARMFUL.values(), ids=HARMFUL.keys())
def test_a_payload_made_to_harm_takes_little_and_answers_json_or_why_not(data: bytes) -> None:
    began = time.process_time()
    try:
        told = payloads.value(data)
    except Unreadable as fault:
        assert str(fault).startswith("it ")
    else:
        json.dumps(told).encode()
        assert "\0" not in str(told)
        str(told).encode()
    assert time.process_time() - began < 2


def test_a_value_that_stands_in_another_many_times_takes_no_more_room() -> None:
    laughs: list[Any] = ["ha" * 1000]
    for _ in range(50):
        laughs = [laughs, laughs]
    itself: list[Any] = []
    itself.append(itself)
    for told in (laughs, itself, ["long" * 25_000] * 5_000, [{"k" * 100_000: 1}] * 1_000):
        assert len(json.dumps(payloads.value(pickle.dumps(told)))) < 400_000


def test_a_payload_that_unpacks_to_a_gigabyte_is_not_unpacked() -> None:
    bomb = zlib.compress(bytes(200_000_000))
    with pytest.raises(Unreadable, match="longer than 128 KiB"):
        payloads.rq_call(bomb)


def test_every_cut_and_every_changed_byte_of_a_pickle_is_read_or_refused() -> None:
    data = pickle.dumps(
        (
            "app.send",
            None,
            (1, "two", Invoice(), uuid.UUID(int=2**77 + 92), datetime(2026, 1, 2, tzinfo=UTC)),
            {"k": [1.5, None]},
        )
    )
    for at in range(len(data)):
        for broken in (
            data[:at],
            data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :],
            data[:at] + b"r" + data[at + 1 :],
        ):
            try:
                json.dumps(payloads.value(broken)).encode()
            except Unreadable:
                continue


def test_every_opcode_of_pickle_is_either_read_or_refused_in_words() -> None:
    for opcode in pickletools.opcodes:
        with pytest.raises(Unreadable):
            payloads.value(b"\x80\x04" + opcode.code.encode("latin-1"))


@pytest.mark.parametrize("protocol", [*PROTOCOLS, None], ids=str)
def test_a_call_is_read_of_either_of_rqs_serializers(protocol: int | None) -> None:
    told = ("app.tasks.send", None, ["a@example.com", 3], {"subject": "Hello"})
    data = json.dumps(told).encode() if protocol is None else pickle.dumps(told, protocol)
    for stored in (data, zlib.compress(data)):
        call = payloads.rq_call(stored)
        assert (call.function, call.args, call.kwargs) == ("app.tasks.send", ["a@example.com", 3], {"subject": "Hello"})


def test_a_method_goes_by_its_objects_class() -> None:
    call = payloads.rq_call(zlib.compress(pickle.dumps(("pay", Invoice(), (), {}))))
    assert call.function == f"{__name__}.Invoice.pay"


@pytest.mark.parametrize(
    "data", [b"{}", b"[1, 2]", b"no json", b"\xff\xfe", b"[" * 100_000, pickle.dumps({"a": 1}), b""]
)
def test_what_is_no_call_says_so(data: bytes) -> None:
    with pytest.raises(Unreadable, match=r"^it "):
        payloads.rq_call(data)


def test_meta_is_read_of_either_serializer() -> None:
    meta = {"progress": 40, "step": "sending"}
    assert payloads.rq_meta(pickle.dumps(meta)) == payloads.rq_meta(json.dumps(meta).encode()) == meta
    assert payloads.rq_meta(b"") == {}
    with pytest.raises(Unreadable, match="no map"):
        payloads.rq_meta(pickle.dumps([1]))
