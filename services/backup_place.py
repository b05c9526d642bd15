"""What was made beside the data folder's own takes its place: all of it, or none."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

FORMER = "before-restore"


@contextmanager
def in_place(made: Path, data: Path, names: Sequence[str]) -> Iterator[None]:
    """What `made` holds by these names is in `data`, and what `data` held goes with the folder `made`.

    Where the moving or the block fails, all is back where it was. Raises OSError, before anything moves where `data` still holds
    what an earlier call could not put back.
    """
    former = data / FORMER
    with ExitStack() as undo:
        former.mkdir(mode=0o700)
        undo.callback(former.rmdir)
        for source, target in ((data, former), (made, data)):
            for name in names:
                if os.path.lexists(source / name):
                    (source / name).rename(target / name)
                    undo.callback((target / name).rename, source / name)
        yield
        former.rename(made / FORMER)
        undo.pop_all()
