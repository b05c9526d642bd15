"""Checks a configuration without starting anything: `python -m core.config [headway.toml]`."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from core import settings
from core.config.reading import USUAL, read


def main(arguments: list[str]) -> int:
    path = Path(arguments[0] if arguments else os.environ.get("HEADWAY_CONFIG") or USUAL)
    try:
        found = settings.read({**os.environ, "HEADWAY_CONFIG": ""})
        config = read(replace(found, config=path), os.environ)
    except settings.SettingError as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    tiles = "the usual tiles" if config.tiles is None else f"tiles: {len(config.tiles)}"
    others = ("targets", "alerts", "channels")
    sys.stdout.write(
        f"{path} is good ({tiles}, {', '.join(f'{name}: {len(getattr(config, name))}' for name in others)})\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
