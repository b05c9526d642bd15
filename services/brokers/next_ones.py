"""Which jobs workers take next from a queue, as its engine's own lists have them at this moment: one command, or one for each priority."""

from __future__ import annotations

from core.config.brokers import Broker
from services.brokers.connections import asking, redis_of


def ids(broker: Broker, queue: str, most: int) -> list[str]:
    """Of the first ones, by their engine's ids; of a broker that `possible.keeps_lists`. Raises BrokerError."""
    return _of_rq(broker, queue, most) if broker.kind == "rq" else _of_celery(broker, queue, most)


def _of_rq(broker: Broker, queue: str, most: int) -> list[str]:
    from services.brokers import rq_keys  # late, as what it imports takes room in processes that follow no RQ

    client = redis_of(broker.address)
    try:
        with asking():
            found: list[bytes] = client.lrange(rq_keys.place(queue, "queued"), 0, most - 1)  # type: ignore[assignment]
    finally:
        client.connection_pool.disconnect()
    return [rq_keys.text(id) for id in found]


def _of_celery(broker: Broker, queue: str, most: int) -> list[str]:
    """A worker asks the list of each priority in turn, and takes from its end."""
    from services.brokers import celery_app, celery_lists, celery_messages

    client = redis_of(celery_app.redis_url(broker.address), broker.prefix)
    try:
        with asking(), client.pipeline(transaction=False) as pipe:
            for key in celery_lists.keys_of(queue):
                pipe.lrange(key, -most, -1)
            lists: list[list[bytes]] = pipe.execute()
    finally:
        client.connection_pool.disconnect()
    messages = (celery_messages.message_of(raw) for raws in lists for raw in reversed(raws))
    return [message.id for message in messages if message is not None and message.id is not None][:most]
