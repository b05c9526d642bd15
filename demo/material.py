"""What the demo works on: copies of Python's own sources, pictures and deliveries, some of them spoiled on purpose.

Nothing here pretends: a spoiled file is spoiled on disk, and the work finds out by itself.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import shutil
import sysconfig
from pathlib import Path
from typing import Any

SOURCES = Path(sysconfig.get_path("stdlib"))
PACKAGES = ("asyncio", "collections", "concurrent", "email", "html", "http", "importlib", "json", "logging", "unittest",
            "urllib", "wsgiref", "xml")  # fmt: skip
SUMS = "SHA256SUMS"
WIDTH, HEIGHT = 640, 400


def packages() -> list[str]:
    """Those packages of the standard library that this Python has as source."""
    return [name for name in PACKAGES if any((SOURCES / name).rglob("*.py"))]


def folder(into: Path, name: str, chance: random.Random) -> Path:
    """A copy of a package with a list of checksums. One in nine lacks a file, one in nine has a byte that changed."""
    target = into / f"{name}-{chance.randrange(16**6):06x}"
    shutil.copytree(SOURCES / name, target, ignore=shutil.ignore_patterns("__pycache__", "test*"))
    files = sorted(path for path in target.rglob("*.py") if path.stat().st_size)
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(target)}" for path in files]
    (target / SUMS).write_text("\n".join(lines) + "\n", encoding="utf-8")
    fate = chance.randrange(9)
    unlucky = chance.choice(files)
    if fate == 0:
        unlucky.unlink()
    elif fate == 1:
        data = bytearray(unlucky.read_bytes())
        data[len(data) // 2] ^= 1
        unlucky.write_bytes(data)
    return target


def texts(into: Path, chance: random.Random, count: int) -> Path:
    """A folder of `count` texts in UTF-8; in one of six folders one text is in Latin-1."""
    target = into / f"texts-{chance.randrange(16**6):06x}"
    target.mkdir()
    found = sorted(SOURCES.glob("*.py"))
    for path in chance.sample(found, min(count, len(found))):
        shutil.copyfile(path, target / path.with_suffix(".txt").name)
    if chance.randrange(6) == 0:
        names = sorted(target.iterdir())
        names[len(names) * 2 // 3].write_bytes("A café kept its menu in an older encoding.\n".encode("latin-1") * 40)
    return target


def picture(into: Path, chance: random.Random) -> Path:
    """A grey picture (PGM) of soft waves; one in ten is cut short, as by a camera that lost power."""
    target = into / f"frame-{chance.randrange(16**6):06x}.pgm"
    across, down = chance.randrange(1, 7), chance.randrange(1, 7)
    row = bytes((x * across * 255 // WIDTH) & 255 for x in range(WIDTH))
    pixels = b"".join(row[y * down % WIDTH :] + row[: y * down % WIDTH] for y in range(HEIGHT))
    if chance.randrange(10) == 0:
        pixels = pixels[: len(pixels) * chance.randrange(20, 90) // 100]
    target.write_bytes(b"P5\n%d %d\n255\n" % (WIDTH, HEIGHT) + pixels)
    return target


class Names:
    """Names that come again and again, and now and then a new one."""

    def __init__(self, chance: random.Random, kind: str, share_of_new: float) -> None:
        self._chance = chance
        self._kind = kind
        self._share_of_new = share_of_new
        self._known: list[str] = []

    def draw(self) -> str:
        if not self._known or self._chance.random() < self._share_of_new:
            self._known.append(f"{self._kind}-{self._chance.randrange(16**10):010x}")
        return self._chance.choice(self._known)


class Shop:
    """Who orders, and what there is to be ordered."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._customers = Names(chance, "customer", 0.02)
        self._episodes = Names(chance, "episode", 0.002)

    def order(self, number: int) -> dict[str, Any]:
        chance = self._chance
        return {"order": number, "customer": self._customers.draw(), "episode": self._episodes.draw(),
                "tracked": chance.random() < 0.3, "items": chance.randrange(1, 9), "cents": chance.randrange(99, 99999)}  # fmt: skip


class Delivery:
    """Orders as gzipped NDJSON from a sender that is sometimes still writing, and sometimes never finishes."""

    def __init__(self, into: Path, chance: random.Random, shop: Shop | None = None) -> None:
        shop = shop or Shop(chance)
        self.path = into / f"orders-{chance.randrange(16**6):06x}.ndjson.gz"
        orders = (shop.order(number) for number in range(chance.randrange(500, 4000)))
        self._whole = gzip.compress(b"".join(json.dumps(order).encode() + b"\n" for order in orders), 6)
        fate = chance.randrange(8)
        self._finishes = fate != 0
        cut = len(self._whole) * 2 // 3 if fate < 3 else len(self._whole)
        self.path.write_bytes(self._whole[:cut])

    def time_passes(self) -> None:
        """The sender's next chance to write the rest."""
        if self._finishes:
            partial = self.path.with_suffix(".part")
            partial.write_bytes(self._whole)
            partial.replace(self.path)
