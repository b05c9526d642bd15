"""The demo's kinds of work. Each reads real files in stages, tells how far it is, and raises what it trips over."""

from __future__ import annotations

import collections
import gzip
import hashlib
import io
import json
import re
import struct
import tarfile
import zlib
from pathlib import Path
from typing import Any

from demo import material
from demo.reporting import Report
from demo.tally import Orders

FAULTS = (OSError, EOFError, ValueError, zlib.error)
"""What a file can do to the work that reads it."""

Result = dict[str, Any]


def archive(report: Report, folder: Path, out: Path) -> Result:
    """Check every file of `folder` against its checksums, and pack them. Raises ValueError on a wrong checksum."""
    report.stage("walk", 2, f"Reading {material.SUMS}")
    wanted = [line.split("  ", 1) for line in (folder / material.SUMS).read_text("utf-8").splitlines()]
    report.pause(0.5)

    report.stage("hash", 5, f"Checking {len(wanted)} files")
    contents: list[tuple[str, bytes]] = []
    for done, (checksum, name) in enumerate(wanted, 1):
        data = (folder / name).read_bytes()
        found = hashlib.sha256(data).hexdigest()
        if found != checksum:
            raise ValueError(f"{name}: its checksum is {found[:12]}…, the list says {checksum[:12]}…")
        contents.append((name, data))
        report.progress(5 + 45 * done / len(wanted), f"{done} of {len(wanted)} files match")
        report.pause(0.12)

    report.stage("compress", 50, f"Packing {_size(sum(len(data) for _, data in contents))}")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=6) as tar:
        for done, (name, data) in enumerate(contents, 1):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
            report.progress(50 + 40 * done / len(contents), f"{done} of {len(contents)} files packed")
            report.pause(0.1)

    report.stage("verify", 90, "Reading the archive back")
    packed.seek(0)
    with tarfile.open(fileobj=packed, mode="r:gz") as tar:
        entries = len(tar.getmembers())
    report.pause(0.4)

    report.stage("write", 96)
    (out / f"{folder.name}.tar.gz").write_bytes(packed.getvalue())
    raw = sum(len(data) for _, data in contents)
    return {"files": entries, "bytes": raw, "packed_bytes": len(packed.getvalue()),
            "ratio": round(raw / len(packed.getvalue()), 2)}  # fmt: skip


def thumbs(report: Report, picture: Path, out: Path) -> Result:
    """Scale a PGM down to three PNGs. Raises ValueError when the picture has fewer pixels than it says."""
    report.stage("read", 5)
    data = picture.read_bytes()
    header = re.match(rb"P5\n(\d+) (\d+)\n255\n", data)
    if not header:
        raise ValueError("not a grey PGM picture")
    width, height = int(header[1]), int(header[2])
    pixels = memoryview(data)[header.end() :]
    if len(pixels) < width * height:
        raise ValueError(f"the picture ends after {len(pixels):,} of {width * height:,} pixels")
    report.pause(0.15)

    written: Result = {}
    for done, step in enumerate((2, 4, 8)):
        report.stage("scale", 20 + 25 * done, f"{width // step} × {height // step}")
        rows = [b"\0" + bytes(pixels[y * width : (y + 1) * width : step]) for y in range(0, height, step)]
        png = _png(len(rows[0]) - 1, len(rows), b"".join(rows))
        (out / f"{picture.stem}-{width // step}.png").write_bytes(png)
        written[f"{width // step}px_bytes"] = len(png)
        report.pause(0.3)
    report.stage("write", 95, f"{len(written)} pictures")
    return written


def reports(report: Report, texts: Path, out: Path) -> Result:
    """Count the words of all texts in a folder. Raises UnicodeDecodeError, which names the byte."""
    report.stage("walk", 1)
    files = sorted(texts.iterdir())
    report.pause(0.5)
    words: collections.Counter[str] = collections.Counter()

    report.stage("count", 2, f"{len(files)} texts")
    for done, path in enumerate(files, 1):
        try:
            words.update(re.findall(r"[^\W\d_]{4,}", path.read_text("utf-8").casefold()))
        except UnicodeDecodeError as error:
            raise ValueError(f"{path.name} is not UTF-8: {error.reason} at byte {error.start}") from error
        report.progress(2 + 90 * done / len(files), f"{done} of {len(files)} texts, {len(words):,} different words")
        report.pause(0.6)

    report.stage("sort", 93, f"{len(words):,} different words")
    top = words.most_common(100)
    report.pause(0.8)
    report.stage("write", 97)
    (out / f"{texts.name}.json").write_text(json.dumps(dict(top)), "utf-8")
    return {"texts": len(files), "words": words.total(), "different": len(words), "most_common": top[0][0]}


def intake(report: Report, delivery: Path, out: Path) -> Result:
    """Unpack a delivery of orders and add them up. Raises EOFError when the file is not all there."""
    report.stage("unpack", 5, delivery.name)
    data = b""
    with gzip.open(delivery) as packed:
        while chunk := packed.read(32_768):
            data += chunk
            report.progress(min(60, 5 + len(data) / 12_000), f"{_size(len(data))} unpacked")
            report.pause(0.2)

    report.stage("check", 62)
    lines = data.splitlines()
    items = cents = tracked = 0
    customers, episodes = set[str](), set[str]()
    for number, line in enumerate(lines, 1):
        order = json.loads(line)
        items, cents = items + order["items"], cents + order["cents"]
        customers.add(order["customer"])
        if order["tracked"]:
            tracked += 1
            episodes.add(order["episode"])
        if number % 400 == 0:
            report.progress(62 + 30 * number / len(lines), f"{number:,} of {len(lines):,} orders")
            report.pause(0.2)

    report.stage("write", 94)
    (out / f"{delivery.name}.sums").write_text(f"{len(lines)} {items} {cents}\n", "utf-8")
    report.pause(0.3)
    report.took_in(Orders(len(lines), tracked, frozenset(customers), frozenset(episodes)))
    return {"orders": len(lines), "customers": len(customers), "items": items, "value": round(cents / 100, 2)}


def _png(width: int, height: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 6)) + chunk(b"IEND", b"")


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
