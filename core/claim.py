"""A data folder belongs to one running Headway at a time."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import IO

LOCK = "headway.lock"


class FolderRefused(Exception):
    """The data folder can't be used; the text says why in one line."""


class FolderInUse(FolderRefused):
    """Another Headway has it."""


class Claim:
    """Holds `folder` until the process ends, however it ends.

    A POSIX record lock: children that were forked do not hold it on, as they would with `flock`, so it is free as soon
    as its holder is gone. It is lost when any handle of the file is closed, so nothing else here may open the file.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.file: IO[str] = (folder / LOCK).open("a+")
        except OSError as error:
            raise FolderRefused(f"HEADWAY_DATA ({str(folder)!r}) can't be written to: {error.strerror}") from error
        try:
            fcntl.lockf(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = self._holder()
            self.file.close()
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise FolderRefused(f"HEADWAY_DATA ({str(folder)!r}) can't be locked: {error.strerror}") from error
            raise FolderInUse(
                f"HEADWAY_DATA ({str(folder)!r}) is in use by another Headway{holder}: "
                "stop that one, or give this one a folder of its own, for example HEADWAY_DATA=data-2"
            ) from error
        self.file.truncate(0)
        self.file.write(str(os.getpid()))
        self.file.flush()

    def _holder(self) -> str:
        self.file.seek(0)
        pid = self.file.read(20).strip()
        return f" (pid {pid})" if pid.isdigit() else ""
