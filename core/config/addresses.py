"""Whether Apprise can send to the channels' addresses, asked in a process of its own: gunicorn's master may not import it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec

from core.config.model import Config
from core.fields import FieldError

ROOT = Path(__file__).parents[2]
WITHIN_S = 60.0


def check_addresses(config: Config) -> None:
    """Takes half a second where there are channels, and nothing where there are none. Raises FieldError, which never holds an
    address."""
    if not config.channels:
        return
    # Only what names an address: it goes through a pipe, where no list of processes shows it.
    asked = {
        "channels": [{"name": channel.name, "url": channel.url} for channel in config.channels],
        "outgoing": {"schemes": list(config.outgoing.schemes)},
    }
    answer = subprocess.run(
        [sys.executable, "-m", "core.outlets"], input=msgspec.json.encode(asked), capture_output=True, cwd=ROOT,
        timeout=WITHIN_S, check=False,
    )  # fmt: skip
    try:
        fault = json.loads(answer.stdout)  # not by its exit code: gunicorn's master may overhear its end
    except ValueError:
        why = answer.stderr.decode(errors="replace").splitlines()[-1:] or ["it said nothing"]
        raise FieldError("channels", f"can't be checked: {why[0][:200]}") from None
    if fault is not None:
        raise FieldError(f"[[channels]] {config.channels[fault[0]].name}: url", fault[1])
