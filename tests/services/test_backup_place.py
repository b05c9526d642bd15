"""What a restore made takes the place of what was there: all of it, or none."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from services.backup_place import in_place

NAMES = ("appendonlydir", "archive.sqlite3", "archive.sqlite3-wal")


def told(folder: Path) -> dict[str, str]:
    return {str(one.relative_to(folder)): one.read_text() for one in folder.rglob("*") if one.is_file()}


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    data, made = tmp_path / "data", tmp_path / "data" / ".restore-1"
    for folder, word in ((data, "old"), (made, "new")):
        (folder / "appendonlydir").mkdir(parents=True)
        (folder / "appendonlydir" / "aof").write_text(word)
        (folder / "archive.sqlite3").write_text(word)
    (data / "archive.sqlite3-wal").write_text("old")
    (data / "token").write_text("stays")
    return data, made


def test_what_was_made_takes_the_place_of_what_was_there(folders: tuple[Path, Path]):
    data, made = folders
    with in_place(made, data, NAMES):
        pass
    made.rename(data.parent / "gone")
    assert told(data) == {"appendonlydir/aof": "new", "archive.sqlite3": "new", "token": "stays"}
    assert told(data.parent / "gone" / "before-restore") == {
        "appendonlydir/aof": "old", "archive.sqlite3": "old", "archive.sqlite3-wal": "old",
    }  # fmt: skip


@pytest.mark.parametrize("kind", [OSError(errno.EBUSY, "Device or resource busy"), KeyboardInterrupt()])
@pytest.mark.parametrize("at", range(7))
def test_whichever_move_fails_all_is_as_it_was(
    kind: BaseException, at: int, folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
):
    data, made = folders
    before, rename, moves = told(data), Path.rename, list[Path]()

    def fail_once(source: Path, target: Path) -> Path:
        moves.append(source)
        if len(moves) == at:
            raise kind
        return rename(source, target)

    monkeypatch.setattr(Path, "rename", fail_once)
    with pytest.raises(type(kind)), in_place(made, data, NAMES):
        if not at:  # all was moved
            raise kind
    assert len(moves) >= at
    assert told(data) == before and not (data / "before-restore").exists()


def test_what_could_not_be_put_back_is_not_touched(folders: tuple[Path, Path]):
    data, made = folders
    (data / "before-restore").mkdir()
    (data / "before-restore" / "archive.sqlite3").write_text("the only one")
    before = told(data)
    with pytest.raises(FileExistsError), in_place(made, data, NAMES):
        pass
    assert told(data) == before
