"""The folder of what is half made: whoever is killed leaves one behind, and the next one removes it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from services.backup_draft import draft_folder
from tests.serving import ROOT

HOLD = """
import sys
from pathlib import Path
from services.backup_draft import draft_folder
with draft_folder(Path(sys.argv[1]), ".draft-") as folder:
    (folder / "half").write_bytes(b"x")
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_one_left_is_removed_and_nothing_else(tmp_path: Path):
    command = [sys.executable, "-c", HOLD, tmp_path]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        left = Path(other.stdout.readline().strip())
        (tmp_path / ".draft-of-mine").mkdir()
        (tmp_path / ".draft-link").symlink_to(left)
        with draft_folder(tmp_path, ".draft-") as folder:
            assert (left / "half").exists(), "somebody is at work in it"
        assert not folder.exists()
        other.kill()
    assert (left / "half").exists()
    with draft_folder(tmp_path, ".draft-"):
        assert not left.exists()
    assert {one.name for one in tmp_path.iterdir()} == {".draft-of-mine", ".draft-link"}
