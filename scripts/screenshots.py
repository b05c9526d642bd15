"""Takes the README's pictures from the demo: docs/screenshot-light.png and -dark.png. `make screenshots` calls it."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.shots import shoot  # noqa: E402

FILLED_S = 130
"""By then the charts have all their points, and the trends something to compare with."""
WATCH_EVERY_S = 5
BUSY = ("--rate", "20", "--no-history")


def main() -> int:
    token, port = secrets.token_hex(16), _free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="hw-") as folder:
        env = os.environ | {"PORT": str(port), "HEADWAY_DATA": f"{folder}/data", "HEADWAY_TOKEN": token}
        log = (Path(folder) / "log").open("w")
        demo = subprocess.Popen([sys.executable, "scripts/demo.py"], cwd=ROOT, env=env, stdout=log, stderr=log)
        more = [sys.executable, "demo/feeder.py", "--url", url, "--token", token, *BUSY]
        feeder = subprocess.Popen(more, cwd=ROOT, stdout=log, stderr=log)
        try:
            print(f"The demo runs for {FILLED_S} s before its pictures are taken")
            _watch(url, token)
            shoot(url, token, Path(folder) / "shots", {"observability": "/dashboard/observability"})
        finally:
            for process in (feeder, demo):
                process.terminate()
                process.wait(60)
        for scheme in ("light", "dark"):
            taken = Path(folder) / "shots" / f"observability-{scheme}-1440.png"
            shutil.copyfile(taken, ROOT / "docs" / f"screenshot-{scheme}.png")
    return 0


def _watch(url: str, token: str) -> None:
    """Ask for the page again and again, as somebody who looks on does."""
    page = urllib.request.Request(f"{url}/dashboard/observability", headers={"Authorization": f"Bearer {token}"})
    end = time.monotonic() + FILLED_S
    while time.monotonic() < end:
        time.sleep(WATCH_EVERY_S)
        with urllib.request.urlopen(page, timeout=10) as answer:
            answer.read()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
