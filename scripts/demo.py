"""Runs the site, the feeder beside it, and a Redis with RQ and Celery workers, and ends them together. `make demo` calls it."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "demo" / "headway.toml"
QUEUES = "DEMO_QUEUES"
"""Where the demo's RQ and Celery keep their jobs: an address that its headway.toml names."""
sys.path.insert(0, str(ROOT))

from core.config.reading import USUAL  # noqa: E402
from core.settings import SettingError, Settings, read  # noqa: E402
from core.tokens import admin_token  # noqa: E402


def main() -> int:
    try:
        settings = read(os.environ)
    except SettingError as error:
        sys.stderr.write(f"Headway can't start: {error}\n")
        return 1
    with tempfile.TemporaryDirectory(prefix="headway-queues-") as folder:
        return _run(settings, _configured(settings, Path(folder)))


def _run(settings: Settings, configured: dict[str, str]) -> int:
    # The feeder's many requests would push the sign-in link out of sight.
    quiet = ["--access-logfile", os.devnull]
    started = list[subprocess.Popen[bytes]]()
    if QUEUES in configured:  # first, so that the site finds them
        workers = [sys.executable, str(ROOT / "demo" / "queues" / "run.py")]
        started.append(subprocess.Popen(workers, cwd=ROOT, env=os.environ | {QUEUES: configured[QUEUES]}))
    env = os.environ | configured
    site = subprocess.Popen([str(Path(sys.executable).parent / "gunicorn"), *quiet], cwd=ROOT, env=env)
    started.append(site)

    def end(*_: object) -> None:
        for process in started:
            process.terminate()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    url = f"http://127.0.0.1:{settings.port}"
    if _answers(site, url):
        # By the environment: a process's arguments are shown to every user of the machine.
        secret = {"HEADWAY_TOKEN": admin_token(settings)[0]} if settings.auth else {}
        feeder = [sys.executable, str(ROOT / "demo" / "feeder.py"), "--url", url]
        started.append(subprocess.Popen(feeder, cwd=ROOT, env=os.environ | secret))
    code = site.wait()
    end()
    for process in started:
        process.wait()
    return code


def _configured(settings: Settings, folder: Path) -> dict[str, str]:
    """What lets the site take the demo's configuration, where there is no other; nothing where there is."""
    if settings.config is not None or (ROOT / USUAL).exists():
        return {}
    # So that the site may read its own /metrics, as those of an app of its own.
    token = settings.metrics_token or secrets.token_urlsafe(32)
    queues = f"unix://{folder / 'queues.sock'}"
    return {
        "HEADWAY_CONFIG": str(DEMO), "HEADWAY_METRICS_TOKEN": token, "DEMO_PORT": str(settings.port), QUEUES: queues
    }  # fmt: skip


def _answers(site: subprocess.Popen[bytes], url: str) -> bool:
    while site.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=2):
                return True
        except OSError:
            time.sleep(0.1)
    return False


if __name__ == "__main__":
    sys.exit(main())
