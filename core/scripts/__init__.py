"""The Lua scripts that run inside the store, each whole or not at all.

A script is sent once and called by its hash; a store that forgot it (a restart) gets it again. In a script's text,
`@NAME@` stands for the suffix of the key of that name in `core.keys`, `-- part: NAME` for the text of `parts/NAME.lua`, and
`KEYS[1]` is always the partition's root.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import redis

from core import keys

_encode = msgspec.msgpack.Encoder().encode


class Scripts:
    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._scripts = {
            path.stem: client.register_script(_named(path)) for path in sorted(Path(__file__).parent.glob("*.lua"))
        }

    def run(self, name: str, partition: int, argument: Any, *blobs: bytes) -> Any:
        """Run a script in a partition. `argument` reaches it as MessagePack in `ARGV[1]`, `blobs` from `ARGV[2]` on: the
        store's reader of MessagePack knows no bytes. Raises redis-py's errors."""
        return self._scripts[name](keys=[keys.root(partition)], args=[_encode(argument), *blobs], client=self._client)


def _named(path: Path) -> str:
    def suffix(match: re.Match[str]) -> str:
        return keys.SCRIPT_KEYS[match[1]].suffix

    return re.sub(r"@([A-Z_]+)@", suffix, _whole(path))


def _whole(path: Path) -> str:
    def part(match: re.Match[str]) -> str:
        return (path.parent / "parts" / f"{match[1]}.lua").read_text(encoding="utf-8")

    return re.sub(r"^-- part: (\w+)$", part, path.read_text(encoding="utf-8"), flags=re.M)
