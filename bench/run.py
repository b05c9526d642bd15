"""Runs the benches that are named, or all, and prints one table. Exits 1 when a promise is missed.

python -m bench.run [NAME …] [--jobs 1000000]
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time

from bench.rows import Row, table

BENCHES = (
    "memory",
    "instrumentation",
    "clients",
    "polls",
    "ingest",
    "streams",
    "tiles",
    "logs",
    "uploads",
    "charts",
    "archive",
    "history",
    "brokers",
    "scale",
)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures what Headway promises.")
    parser.add_argument(
        "names", nargs="*", metavar="bench", help=f"any of {', '.join(BENCHES)}; all when none is named"
    )
    parser.add_argument("--jobs", type=int, default=1_000_000, help="jobs in the large store (%(default)s)")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(BENCHES):
        parser.error(f"there is no bench {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    rows: list[Row] = []
    for name in asked.names or BENCHES:
        start = time.monotonic()
        module = importlib.import_module(f"bench.{name}")
        rows += module.run(asked.jobs) if name == "scale" else module.run()
        print(f"{name}: {time.monotonic() - start:.0f} s", file=sys.stderr)
    print(table(rows))
    return 1 if any(row.holds is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
