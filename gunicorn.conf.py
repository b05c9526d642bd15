"""How gunicorn serves Headway. `gunicorn` in this folder is all it takes; settings come from the environment."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from signal import SIG_DFL, SIGTERM, signal
from typing import Any

chdir = str(Path(__file__).parent)
sys.path.insert(0, chdir)

from core import logs, master  # noqa: E402

settings = master.settings()

wsgi_app = "app:create_app()"
bind = master.bind()
workers = settings.web_concurrency
worker_class = "core.worker.Worker"
worker_connections = 1000
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108  a heartbeat must not wait for a disk
keepalive = 15
graceful_timeout = 7
control_socket_disable = True

# Whom to trust is HEADWAY_TRUSTED_HOPS' to say, in the program.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
limit_request_line = 8190
limit_request_field_size = 16_380  # a Last-Event-ID of 10 kB is garbage that still gets an answer in the stream

logger_class = logs.Log
accesslog = "-"
access_log_format = logs.ACCESS

reload = settings.dev
# Named, since a module that could not be imported is not among those that are loaded.
rooms = [
    "*.py",
    "*.toml",
    "core/scripts/*.lua",
    *(f"{room}/**/*.py" for room in ("core", "services", "panels", "routes")),
]
reload_extra_files = rooms if settings.dev else []

on_starting = master.on_starting
on_reload = master.on_reload
when_ready = master.when_ready
on_exit = master.on_exit


def post_fork(_arbiter: Any, _worker: Any) -> None:
    gc.disable()  # what is imported stays: looking through it again and again takes a seventh of a start
    signal(SIGTERM, SIG_DFL)  # until the worker has its own handler it would inherit the master's, and overhear an end
    if settings.dev:
        master.forget_modules()


def post_worker_init(worker: Any) -> None:
    from core import process  # not before gevent's patch

    process.begin(worker)
    gc.freeze()
    gc.enable()


def worker_exit(_arbiter: Any, _worker: Any) -> None:
    if process := sys.modules.get("core.process"):  # gunicorn's master calls this too, for a worker that is gone
        process.end()
