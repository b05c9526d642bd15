"""Acting on Celery: by its remote control, its result backend, and, where its broker is a Redis, the lists that messages wait in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kombu.connection import Connection
from kombu.utils.uuid import uuid

from core.config.brokers import Broker
from core.site import Site
from services import queues_service
from services.brokers import (
    canceled_lately,
    celery_moving,
    celery_rabbitmq,
    celery_remote,
    paused_queues,
    possible,
    sent_again,
)
from services.brokers.action_model import ActionRefused, Changed, JobAction, QueueAction, Target, Unknown, WorkerChange
from services.brokers.celery_app import app_of, is_redis, results_prefix, results_url
from services.brokers.celery_moving import Waiting
from services.brokers.celery_outcomes import Outcome, Outcomes
from services.brokers.celery_queues import DEFAULT
from services.brokers.connections import asking, reaching
from services.brokers.mirror_texts import name_of

NOT_FOUND = 404
"""Of AMQP."""
NO_ANSWER = "No worker answered, so nobody would heed it."


class CeleryActions:
    def __init__(self, site: Site, broker: Broker) -> None:
        self._site, self._broker = site, broker
        self._app = app_of(broker)
        self._app.conf.update(task_send_sent_event=True)
        if not is_redis(broker.address):
            self._app.conf.broker_transport_options |= celery_rabbitmq.CONFIRMED
        results = results_url(broker)
        self._outcomes = Outcomes(self._app, results, results_prefix(broker)) if results else None

    def close(self) -> None:
        if self._outcomes is not None:
            self._outcomes.close()
        self._app.close()

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        with celery_remote.connected(self._app, self._broker.address) as connection:
            yield connection

    def on_job(self, action: JobAction, job: Target, to: str | None) -> str:
        outcome = self._outcome(job)
        if action == "retry":
            return self._retry(job, outcome)
        if action == "delete":
            return self._forget(job)
        if action == "cancel":
            with canceled_lately.once(self._site, self._broker.agent, job.id):
                return self._cancel(job)
        if action == "stop":
            return self._stop(job)
        return self._move(job, to if action == "move" else None)

    def expect_queue(self, queue: str) -> None:
        with self._connected() as connection:
            _expect(connection, queue)

    def on_queue(self, action: QueueAction, queue: str) -> str:
        if action == "pause":
            return self._pause(queue)
        if action == "resume":
            return self._resume(queue)
        with self._connected() as connection:
            gone = self._empty(connection, queue)
        return f"{gone:,} {'message that waited was' if gone == 1 else 'messages that waited were'} thrown away."

    def on_worker(self, change: WorkerChange, worker: str) -> str:
        with self._connected() as connection:
            told = celery_remote.stats(self._app, connection, worker)
            if change.action in ("grow", "shrink"):
                return self._resize(connection, change, worker, told)
            if change.action == "limit":
                return self._limit(connection, change, worker)
            if change.action == "events":
                celery_remote.told(self._app, connection, "enable_events", [worker])
                return "It tells of its tasks from now on, until it is started anew."
            self._app.control.shutdown(destination=[worker], connection=connection)
        return "It was told to end once its present tasks are done."

    def _outcome(self, job: Target) -> Outcome | None:
        """What its result says. Raises Changed where that is not what the caller saw."""
        if self._outcomes is None:
            return None
        with reaching():
            outcome = self._outcomes.of(job.id)
        if outcome is not None and not outcome.is_of(job.state):
            raise Changed(outcome.status.lower())
        return outcome

    def _retry(self, job: Target, outcome: Outcome | None) -> str:
        if self._outcomes is None:
            raise ActionRefused(
                "Celery keeps a task's arguments in its results: name their Redis as results of this broker."
            )
        if outcome is None:
            raise ActionRefused("Its result has expired or was forgotten, and with it its arguments.")
        if outcome.call is None:
            raise ActionRefused(
                "Its result holds no arguments: set result_extended = True in the app, for tasks to come."
            )
        name, args, kwargs = outcome.call
        queue = outcome.queue or job.queue or DEFAULT
        again, agent = uuid(), self._broker.agent
        if before := sent_again.claim(self._site, agent, job.id, again):
            raise ActionRefused(f"It was sent again a moment ago, as the new task {before}.")
        try:
            with self._connected() as connection:
                self._app.send_task(
                    name, args, kwargs, task_id=again, connection=connection, **self._sending(connection, queue)
                )
        except BaseException:
            sent_again.forget(self._site, agent, job.id)
            raise
        return f"It was sent again as the new task {again}."

    def _sending(self, connection: Connection, queue: str) -> dict[str, Any]:
        return {"queue": queue} if is_redis(self._broker.address) else celery_rabbitmq.sending(connection, queue)

    def _forget(self, job: Target) -> str:
        if self._outcomes is None:
            raise ActionRefused("Headway does not know where its result is: name its Redis as results of this broker.")
        with asking():
            if not self._outcomes.forget(job.id):
                raise ActionRefused("Celery holds no result of it any more.")
        return "Celery has forgotten its result. What Headway keeps of it stays."

    def _cancel(self, job: Target) -> str:
        with self._connected() as connection:
            found = (
                self._found(connection, job)
                if job.state == "queued" and job.queue and is_redis(self._broker.address)
                else None
            )
            if found is not None and not found.is_of_group and celery_moving.take(connection.default_channel, found):
                self._say_revoked(connection, job)
                return "It was taken out of its queue."
            if not celery_remote.told(self._app, connection, "revoke", enough=1, task_id=job.id, terminate=False):
                raise ActionRefused(f"{NO_ANSWER} It can be canceled while a worker runs.")
        return "Its workers were told to pass it over."

    def _say_revoked(self, connection: Connection, job: Target) -> None:
        """As a worker would who passes it over: in its result, for who waits for that, and as an event."""
        if self._outcomes is not None:
            with asking():
                self._outcomes.revoked(job.id)
        with self._app.events.Dispatcher(connection, hostname="headway", enabled=True) as dispatcher:
            dispatcher.send("task-revoked", uuid=job.id, terminated=False, signum=None, expired=False)

    def _stop(self, job: Target) -> str:
        if job.worker is None:
            raise ActionRefused("Nobody knows which worker has it.")
        with self._connected() as connection:
            pool = celery_remote.pool_of(celery_remote.stats(self._app, connection, job.worker))
            if pool not in possible.POOLS_OF_PROCESSES:
                raise ActionRefused(
                    f"A worker's pool of the kind {pool} can't end a task at work; one of the kind prefork can."
                )
            said = celery_remote.told(
                self._app, connection, "revoke", [job.worker], task_id=job.id, terminate=True, signal="SIGTERM"
            )
        if job.id not in str(said.get(job.worker)):
            raise Changed("no longer at work")
        return "Its worker was told to end it."

    def _move(self, job: Target, to: str | None) -> str:
        if job.queue is None:
            raise ActionRefused("Nobody knows which queue it waits in.")
        with self._connected() as connection:
            channel = connection.default_channel
            if to is not None:
                _expect(connection, to)
            if to == job.queue:
                raise ActionRefused("It is in that queue already.")
            found = self._found(connection, job)
            moved = found is not None and (
                celery_moving.to_front(channel, found) if to is None else celery_moving.move(channel, found, to)
            )
        if not moved:
            raise Changed("on its way to a worker")
        return "It is the next of its queue now." if to is None else f"It was moved to {to}."

    def _found(self, connection: Connection, job: Target) -> Waiting | None:
        return celery_moving.find(connection.default_channel, job.queue or "", job.id)

    def _pause(self, queue: str) -> str:
        with self._connected() as connection:
            said = celery_remote.told(self._app, connection, "active_queues")
            workers = _takers(said, queue)
            if not workers:
                self._check_known(connection, queue)
                raise ActionRefused("No worker that answered takes from this queue." if said else NO_ANSWER)
            paused_queues.remember(self._site, self._broker.agent, queue, workers)
            celery_remote.told(self._app, connection, "cancel_consumer", workers, queue=queue)
            # Once more: who says from now on that it takes from it was started anew.
            paused_queues.remember(self._site, self._broker.agent, queue, workers)
        return f"{_take(len(workers))} from it no longer, until it goes on here or they are started anew."

    def _empty(self, connection: Connection, queue: str) -> int:
        with _named(connection, queue) as channel:
            gone: int = channel.queue_purge(queue)
        if not gone and is_redis(self._broker.address) and not celery_moving.is_known(channel, queue):
            raise Unknown(_no_queue(queue))
        return gone

    def _resume(self, queue: str) -> str:
        workers = paused_queues.workers_of(self._site, self._broker.agent, queue)
        if not workers:
            with self._connected() as connection:
                self._check_known(connection, queue)
            raise ActionRefused("It was not paused here, so Headway knows no workers that should take from it.")
        with self._connected() as connection:
            said = celery_remote.told(self._app, connection, "add_consumer", workers, queue=queue)
        if not said:
            raise ActionRefused(
                "None of the workers that took from it answered. One that is started anew takes from it by itself."
            )
        paused_queues.forget(self._site, self._broker.agent, queue)
        return f"{_take(len(said))} from it again."

    def _check_known(self, connection: Connection, queue: str) -> None:
        """Raises Unknown where neither its broker nor Headway knows a queue: no worker listened to it, and no job named it."""
        if queues_service.one(self._site, self._broker.agent, name_of(queue) or "") is None:
            if is_redis(self._broker.address):
                is_there = celery_moving.is_known(connection.default_channel, queue)
            else:
                with _named(connection, queue) as channel:
                    is_there = bool(channel.queue_declare(queue=queue, passive=True))
            if not is_there:
                raise Unknown(_no_queue(queue))

    def _resize(self, connection: Connection, change: WorkerChange, worker: str, told: dict[str, Any]) -> str:
        pool = celery_remote.pool_of(told)
        if pool not in possible.POOLS_OF_PROCESSES:
            raise ActionRefused(possible.of_fixed_size(pool))
        size = _size(told["pool"])
        if change.action == "shrink" and size is not None and size <= change.amount:
            raise ActionRefused(f"Its pool has {size}: one at least has to be left. Shut it down instead.")
        celery_remote.told(self._app, connection, f"pool_{change.action}", [worker], n=change.amount)
        return f"Its pool was told to {change.action} by {change.amount}."

    def _limit(self, connection: Connection, change: WorkerChange, worker: str) -> str:
        celery_remote.told(
            self._app, connection, "rate_limit", [worker], task_name=change.task or "", rate_limit=change.rate or "0"
        )
        if not change.rate or change.rate == "0":
            return f"It does {change.task} without a limit now."
        return f"It does {change.task} at {change.rate} at most now."


@contextmanager
def _named(connection: Connection, queue: str) -> Iterator[Any]:
    """A channel to ask about a queue. Raises Unknown where RabbitMQ says that there is none."""
    try:
        yield connection.default_channel
    except connection.channel_errors as fault:
        if getattr(fault, "code", None) == NOT_FOUND:
            raise Unknown(_no_queue(queue)) from fault
        raise


def _expect(connection: Connection, queue: str) -> None:
    if not celery_moving.is_known(connection.default_channel, queue):
        raise ActionRefused(_no_queue(queue))


def _no_queue(queue: str) -> str:
    return f"There is no queue {queue[:200]!r}: nothing was ever sent to it."


def _takers(said: dict[str, Any], queue: str) -> list[str]:
    return sorted(
        worker
        for worker, queues in said.items()
        if isinstance(queues, list) and any(isinstance(one, dict) and one.get("name") == queue for one in queues)
    )


def _size(pool: dict[str, Any]) -> int | None:
    """How many tasks it does at a time; a prefork pool that grew tells of it by its processes alone."""
    processes, most = pool.get("processes"), pool.get("max-concurrency")
    return len(processes) if isinstance(processes, list) else most if isinstance(most, int) else None


def _take(workers: int) -> str:
    return "1 worker takes" if workers == 1 else f"{workers} workers take"
