"""The project's gunicorn with none of Headway in it: for what Headway is measured beside."""

import runpy
from pathlib import Path

HOOKS = {"wsgi_app", "on_starting", "when_ready", "on_exit", "post_fork", "post_worker_init"}

ours = runpy.run_path(str(Path(__file__).parent.parent / "gunicorn.conf.py"))
globals().update(
    {name: value for name, value in ours.items() if name.islower() and name[0] != "_" and name not in HOOKS}
)
