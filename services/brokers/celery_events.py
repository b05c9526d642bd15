"""Events of tasks and workers, heard with Celery's own receiver in a thread of its own and kept until the follower takes them."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from core.config import Broker
from core.logs import printable
from services.brokers import celery_app, connections
from services.brokers.model import BrokerError

if TYPE_CHECKING:
    from celery.events import EventReceiver

log = logging.getLogger("headway.brokers")

MOST = 100_000
"""Events that wait to be taken; what comes beyond is lost, and counted."""
REFUSALS = {
    "AccessRefused": "its broker refused the user of its url: its password is wrong, or it may not do that",
    "NotAllowed": "its broker has no such virtual host, or its user may not use it",
    "ConnectionForced": "its broker closed the connection: it is being stopped, or somebody closed it there",
}
"""What RabbitMQ answers, by the names of the library's exceptions, which is loaded where it is used alone."""
WAIT_S = 0.25
"""It waits for events so long at a time."""
TURN_S = 0.02
"""After so long at work it lets others go on."""


class Events:
    """Listens from its making until `close`. `woken` is set as soon as there is something to take."""

    def __init__(self, broker: Broker, woken: threading.Event) -> None:
        self._broker = broker
        self._woken = woken
        self._waiting: deque[dict[str, Any]] = deque()
        self._receiver: EventReceiver | None = None
        self._ending = False
        self.since_s: float | None = None
        """Since when events are heard."""
        self.why: str | None = None
        """What ended the listening, to go on behind "because"."""
        self.lost = 0
        self._thread = threading.Thread(target=self._run, name="headway-celery-events", daemon=True)
        self._thread.start()

    def take(self, most: int) -> list[dict[str, Any]]:
        """What was heard since, oldest first."""
        waiting = self._waiting
        return [waiting.popleft() for _ in range(min(most, len(waiting)))]

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def close(self) -> None:
        self._ending = True
        if self._receiver is not None:
            self._receiver.should_stop = True

    def _run(self) -> None:
        try:
            self._listen()
        except Exception as fault:  # noqa: BLE001  whatever a transport raises: the follower is made anew, and says so
            if not self._ending:
                self.why = why(fault)
                log.info("Events of Celery are heard no more, because %s", printable(self.why))
                self._woken.set()

    def _listen(self) -> None:
        receiver_type = _receiver_type()
        app = celery_app.app_of(self._broker)
        with celery_app.connection_of(app) as connection:
            receiver = receiver_type(connection, app=app)
            receiver.connect_max_retries = 1
            receiver.gathered = self._gather
            receiver.begun = self._begun
            self._receiver = receiver
            receiver.should_stop = self._ending
            turn = time.monotonic()
            for _ in receiver.consume(limit=None, timeout=None, safety_interval=WAIT_S, wakeup=True):
                if time.monotonic() - turn > TURN_S:
                    time.sleep(0)
                    turn = time.monotonic()

    def _begun(self) -> None:
        self.since_s = time.time()

    def _gather(self, body: Any) -> None:
        now = time.time()
        for event in body if isinstance(body, list) else (body,):
            if not isinstance(event, dict):
                continue
            if len(self._waiting) >= MOST:
                self.lost += 1
                continue
            event["heard"] = now
            self._waiting.append(event)
        self._woken.set()


def why(fault: BaseException) -> str:
    """Why a broker can't be followed, in words that name no address."""
    if not isinstance(fault, BrokerError) and type(fault).__module__.startswith(("kombu", "amqp", "celery")):
        if (said := REFUSALS.get(type(fault).__name__)) is not None:
            return said
        cause = fault.__cause__ or fault.__context__
        if cause is not None and cause is not fault:
            return why(cause)
        return f"it can't be reached ({type(fault).__name__})"
    return connections.why(fault)


def _receiver_type() -> type[EventReceiver]:
    """Celery's receiver, handing on what came as it came: its own way of reckoning times shifts them by the zones' difference."""
    from celery.events import EventReceiver

    class Receiver(EventReceiver):  # type: ignore[misc]
        gathered: Any
        begun: Any
        turns = 0

        def _receive(self, body: Any, message: Any) -> None:
            self.gathered(body)

        def on_iteration(self) -> None:
            """Before each wait for events. Redis's transport subscribes in the first."""
            self.turns += 1
            if self.turns == 2:
                self.begun()

        def on_decode_error(self, message: Any, exc: Exception) -> None:
            message.ack()  # nothing of it is written anywhere

        def on_connection_error(self, exc: Exception, interval: float) -> None:
            """It is told of by who made it."""

    return Receiver
