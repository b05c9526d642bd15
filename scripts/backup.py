"""Backs up a site's store and archive into one file, while it runs, and restores them into one that is stopped.

    python -m scripts.backup create [--to PATH] [--without-archive]
    python -m scripts.backup check FILE
    python -m scripts.backup restore FILE [--force]

Which site is said by the environment, as for the site itself: REDIS_URL, DATABASE_URL, HEADWAY_DATA, HEADWAY_PARTITIONS.
`make backup` and `make restore` call it. docs/backup.md says what is in the file, and what is not.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from core.settings import SettingError, Settings, read
from services import backup_file, backup_restore, backup_service
from services.backup_end import Ended, end_when_asked
from services.backup_file import FileRefused, Manifest
from services.backup_service import BackupFailed

NICENESS = 10
"""The site goes first."""


def main(arguments: list[str] | None = None) -> int:
    asked = _parse(arguments)
    if asked.what == "restore" and not asked.file:  # make has no other way to say that FROM is missing
        sys.stderr.write("Headway: restore which file? For example make restore FROM=data/backups/headway-….zip\n")
        return 2
    end_when_asked()
    try:
        settings = read(os.environ)
        os.nice(NICENESS)
        return {"create": _create, "check": _check, "restore": _restore}[asked.what](settings, asked)
    except (BackupFailed, FileRefused, SettingError) as fault:
        sys.stderr.write(f"Headway: {fault}\n")
    except OSError as fault:
        sys.stderr.write(f"Headway: {fault.filename}: {fault.strerror}\n")
    except Ended as ended:
        sys.stderr.write(f"Headway: ended by {ended.name} before it was done; {ended.left}\n")
        raise
    return 1


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.backup", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(dest="what", required=True, metavar="create | check | restore")
    create = kinds.add_parser("create", help="copy the site while it runs")
    create.add_argument("--to", type=Path, help="a file, or a folder for one (backups in HEADWAY_DATA)")
    create.add_argument("--without-archive", action="store_true", help="the store alone, where the archive is away")
    kinds.add_parser("check", help="say whether a file is whole, and what it holds").add_argument("file", type=Path)
    restore = kinds.add_parser("restore", help="put a copy back into a site that is stopped")
    restore.add_argument("file")
    restore.add_argument("--force", action="store_true", help="replace what the site holds")
    return parser.parse_args(arguments)


def _create(settings: Settings, asked: argparse.Namespace) -> int:
    began = time.monotonic()
    usual = backup_service.usual_target(settings, time.time())
    target = usual if asked.to is None else asked.to / usual.name if asked.to.is_dir() else asked.to
    made = backup_service.create(settings, target, time.time(), with_archive=not asked.without_archive)
    _tell(
        f"Backed up to {made.path} ({made.size_bytes / 1e6:,.1f} MB, {time.monotonic() - began:,.1f} s)", made.manifest
    )
    if settings.token is None and (settings.data / "token").exists():
        print(
            f"  Not in it: the admin token ({settings.data / 'token'}). A new site makes its own, or gets HEADWAY_TOKEN."
        )
    return 0


def _check(_: Settings, asked: argparse.Namespace) -> int:
    with backup_file.Reader(asked.file) as file:
        _tell(f"{asked.file} is whole", file.manifest)
    return 0


def _restore(settings: Settings, asked: argparse.Namespace) -> int:
    began = time.monotonic()
    manifest = backup_restore.restore(settings, Path(asked.file), force=asked.force)
    _tell(f"Restored from {asked.file} ({time.monotonic() - began:,.1f} s)", manifest)
    print("  Start the site now.")
    return 0


def _tell(first: str, manifest: Manifest) -> None:
    print(first)
    print(f"  Made {manifest.made_at} by Headway {manifest.made_by}, of {manifest.store.server}")
    print(f"  {backup_service.summary(manifest)}")
    if manifest.archive_left_out:
        print("  The archive is not in it: a restore leaves the one alone that it finds.")
    if manifest.store.torn:
        print(
            f"  The store was read while it was written to, so that counts may differ a little: {manifest.store.torn}"
        )


if __name__ == "__main__":
    sys.exit(main())
