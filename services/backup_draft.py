"""A folder for what is only half made. Whoever is killed leaves one behind, and the next one removes it."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.claim import LOCK, Claim, FolderRefused


@contextmanager
def draft_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder in `parent`, for its owner alone, that is gone once the block is over. Raises OSError, FolderRefused."""
    for left in parent.glob(f"{prefix}*"):
        _remove_where_left(left)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True) as name:
        claim = Claim(Path(name))
        try:
            yield Path(name)
        finally:
            claim.file.close()


def _remove_where_left(folder: Path) -> None:
    try:
        found = folder.lstat()
        # Nobody else's, in a folder where anybody may write, and nothing that was not made here.
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or not (folder / LOCK).is_file():
            return
        claim = Claim(folder)
    except (OSError, FolderRefused):  # it is gone by now, or somebody is at work in it
        return
    shutil.rmtree(folder, ignore_errors=True)
    claim.file.close()
