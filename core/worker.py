"""gunicorn's gevent worker, with an orderly end and no patience for connections that only wait."""

from __future__ import annotations

import errno
import traceback
from signal import SIG_IGN, SIGINT, SIGKILL, SIGQUIT, signal
from typing import Any, Literal

import gevent
from gevent import Timeout
from greenlet import greenlet
from gunicorn.util import make_fail_app
from gunicorn.workers.base_async import AsyncWorker
from gunicorn.workers.ggevent import GeventWorker

from core import draining
from core.parent import die_with

STALL_S = 30
"""How long a client may leave a piece of its answer untaken before its connection is closed."""
NOTICE_S = 0.5
"""How long a process that was told to end goes on as before, but for saying that it is not ready."""
DRAIN_S = 5
"""How long requests in flight may take once the worker was told to end; less than the master waits for it."""
CLOSE_IDLE_EVERY_S = 0.2


class Waiting(Timeout):
    """The time a connection may be idle or take over a request's head; its worker knows it as long as it runs."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(worker.cfg.keepalive, False)  # type: ignore[arg-type]  # False: end the block, raise nothing
        self.worker = worker

    def __enter__(self) -> Waiting:
        self.worker.waiting[gevent.getcurrent()] = self
        super().__enter__()
        return self

    def __exit__(self, *raised: Any) -> Literal[True] | None:
        self.worker.waiting.pop(gevent.getcurrent(), None)
        return super().__exit__(*raised)

    def end_now(self, connection: greenlet) -> None:
        """As if the time were over, unless a request comes first: leaving the block stops the timer either way."""
        self.timer.stop()
        self.timer.close()
        self.timer = gevent.get_hub().loop.timer(0.001)
        self.timer.start(self._on_expiration, connection, self)  # type: ignore[call-arg, attr-defined]


class Worker(GeventWorker):  # type: ignore[misc]
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.waiting: dict[greenlet, Waiting] = {}
        self.application: Any = None

    def init_process(self) -> None:
        die_with(self.ppid, SIGKILL)()
        self.cfg.set("graceful_timeout", DRAIN_S)
        super().init_process()

    def init_signals(self) -> None:
        super().init_signals()
        # A terminal's Ctrl-C reaches every process of the group; the master alone acts on it, and tells us by SIGTERM.
        signal(SIGINT, SIG_IGN)
        signal(SIGQUIT, self.handle_exit)

    def handle_exit(self, sig: int, frame: Any) -> None:
        if not draining.begun():
            draining.begin()
            gevent.spawn_later(NOTICE_S, super().handle_exit, sig, frame)

    def load_wsgi(self) -> None:
        from core.handover import handing_over  # what must not be imported before gevent's patch
        from core.patience import patient

        try:
            super().load_wsgi()
        except Exception:
            if not self.cfg.reload:
                raise
            # While developing, a program that can't be loaded shows why as a page, and the next change is tried.
            self.log.exception("The program could not be loaded")
            self.wsgi = make_fail_app(traceback.format_exc())
        self.application = self.wsgi
        self.wsgi = handing_over(patient(self.wsgi), self.log)

    def timeout_ctx(self) -> Waiting:
        return Waiting(self)

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        client.settimeout(STALL_S)  # gunicorn's own worker waits for ever
        AsyncWorker.handle(self, listener, client, addr)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> Any:
        try:
            return super().handle_request(listener_name, req, sock, addr)
        except TimeoutError as error:
            raise BrokenPipeError(errno.EPIPE, "the client takes nothing") from error

    def run(self) -> None:
        gevent.spawn(self._close_idle)
        super().run()

    def _close_idle(self) -> None:
        """Once this worker ends, connections that wait for a next request are closed: it waits for none of them."""
        while self.alive:
            gevent.sleep(CLOSE_IDLE_EVERY_S)
        while True:
            # A request that has arrived meanwhile is in flight: the pause lets its connection leave `waiting`.
            idle = list(self.waiting.items())
            gevent.sleep(CLOSE_IDLE_EVERY_S)
            for connection, timeout in idle:
                if self.waiting.get(connection) is timeout:
                    timeout.end_now(connection)
