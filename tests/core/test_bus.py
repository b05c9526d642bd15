"""The bus and how streams join it, on a real store, with one partition and with several."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from core import bus as bus_module
from core import event_reader, keys, positions, streams
from core.backlog import Frame
from core.bus import Bus
from core.event_log import Entry, EventLog, Lost
from core.event_reader import Readers
from core.hub import HEARTBEAT_S, Hub
from core.metrics import REGISTRY
from core.positions import Id
from core.queued import QueuedClient
from core.store import Store
from core.streams import Opening, Source, States
from tests.conftest import Valkey, wait_until

DECODERS = {"e": bytes.decode}


class Heard:
    """Notes all that the bus tells."""

    def __init__(self) -> None:
        self.values: list[str] = []
        self.told: list[tuple[str, ...]] = []

    def entries(self, entries: Sequence[Entry]) -> None:
        self.values += [entry.value for entry in entries]

    def gap(self, since: str, until: str) -> None:
        self.told.append(("gap", since, until))

    def degraded(self, reason: str, since: float) -> None:
        self.told.append(("degraded", reason))

    def recovered(self, reason: str, since: float) -> None:
        self.told.append(("recovered", reason))


class Plant:
    """A store, a bus that reads it, and a hub that its entries are published to."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.bus, self.hub, self.heard = Bus(store, DECODERS), Hub(most_clients=100), Heard()
        self.readers = Readers(self.bus)
        self.bus.listen(self.heard)
        self.bus.listen(self)

    def entries(self, entries: Sequence[Entry]) -> None:
        self.hub.publish({"all": [frame(entry) for entry in entries]}, entries[-1].serial)

    def gap(self, since: str, until: str) -> None: ...
    def degraded(self, reason: str, since: float) -> None: ...
    def recovered(self, reason: str, since: float) -> None: ...

    def add(self, *values: object, partition: int = 0) -> None:
        for value in values:
            self.store.raw.xadd(keys.EVENTS.at(partition), {"e": str(value)})

    def start(self) -> Plant:
        self.readers.start()
        assert self.bus.wait_for(None, 10)
        return self

    def stream(self, said: str | None = None) -> tuple[QueuedClient, Callable[[], list[str]]]:
        """A client that came with a last id, and what it got up to now, without the greeting."""
        source = Source(("all",), missed=frame)
        client = QueuedClient(self.hub, "sse", source.channels, source.limit)
        Opening(self.bus, self.hub, source, said).run(client)
        got: list[str] = []

        def now() -> list[str]:
            got.extend(one.data.decode() for one in client._backlog.take(10**9))
            return [text.split("data: ")[1].strip() for text in got if "event:" not in text]

        return client, now


def open_streams() -> float | None:
    """As the metrics tell it."""
    return REGISTRY.get_sample_value("headway_stream_clients", {"transport": "sse"})


def frame(entry: Entry) -> Frame:
    return Frame(f"id: {entry.position}\ndata: {entry.value}\n\n".encode(), keep=True)


@pytest.fixture(params=[1, 3])
def plant(request: pytest.FixtureRequest, valkey_url: str) -> Iterator[Plant]:
    store = Store(valkey_url, request.param)
    store.redis.flushall()
    one = Plant(store)
    yield one
    one.readers.stop()
    store.close()


def test_what_is_added_is_heard_in_order(plant: Plant) -> None:
    plant.start().add(1, 2, 3)
    wait_until(lambda: plant.heard.values == ["1", "2", "3"])


def test_what_was_there_before_is_in_memory_and_told_to_nobody(plant: Plant) -> None:
    plant.add(1, 2, 3)
    plant.start().add(4)
    wait_until(lambda: plant.heard.values == ["4"])
    start = (positions.START,) * plant.store.partitions
    assert [entry.value for entry in plant.bus.recent(start) or []] == ["1", "2", "3", "4"]


def test_an_entry_that_is_none_of_ours_is_passed_by(plant: Plant) -> None:
    plant.start()
    plant.store.raw.xadd(keys.EVENTS.at(0), {"e": b"\xff"})
    plant.store.raw.xadd(keys.EVENTS.at(0), {"other": b"x"})
    plant.add("good")
    wait_until(lambda: plant.heard.values == ["good"])


def test_memory_is_bounded_and_the_store_knows_the_rest(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus_module, "KEPT", 20)
    monkeypatch.setattr(event_reader, "KEPT", 20)
    plant.add("first")
    plant.start()
    begun = positions.text(plant.bus.position or ())
    for n in range(60):
        plant.add(n, partition=n % plant.store.partitions)
    wait_until(lambda: len(plant.heard.values) == 60)
    assert plant.bus.recent(positions.parse(begun, plant.store.partitions) or ()) is None
    _, got = plant.stream(begun)
    assert sorted(map(int, got())) == list(range(60))


def test_who_comes_back_at_any_event_gets_exactly_the_rest(plant: Plant) -> None:
    plant.start()
    client, got = plant.stream()
    for n in range(30):
        plant.add(n, partition=n % plant.store.partitions)
    wait_until(lambda: len(plant.heard.values) == 30)
    wait_until(lambda: len(client._backlog) > 30)
    ids = [one.data.decode().split("\n")[0].removeprefix("id: ") for one in list(client._backlog.frames)[1:]]
    order = got()
    for at, said in enumerate(ids):
        again, rest = plant.stream(said)
        assert rest() == order[at + 1 :]
        again.close()
    client.close()


def test_what_many_come_back_for_is_made_once_for_all_of_them(plant: Plant) -> None:
    plant.start()
    for n in range(30):
        plant.add(n, partition=n % plant.store.partitions)
    wait_until(lambda: len(plant.heard.values) == 30)
    entries = plant.bus.recent((positions.START,) * plant.store.partitions) or []
    given: list[Entry] = []
    source = Source(("all",), missed=lambda entry: given.append(entry) or frame(entry))
    client = QueuedClient(plant.hub, "sse", source.channels, source.limit)
    Opening(plant.bus, plant.hub, source, entries[9].position).run(client)
    assert len(given) == 20 and all(one is entry for one, entry in zip(given, entries[10:], strict=True))


def test_who_comes_from_a_process_that_stood_elsewhere_is_told_by_its_own_way(plant: Plant) -> None:
    plant.start()
    for n in range(12):
        plant.add(n, partition=n % plant.store.partitions)
    wait_until(lambda: len(plant.heard.values) == 12)
    entries = plant.bus.recent((positions.START,) * plant.store.partitions) or []
    # There the last partition had come to its third entry, and the others to none.
    ahead = [entry for entry in entries if entry.partition == plant.store.partitions - 1][2].id
    said = (*((positions.START,) * (plant.store.partitions - 1)), ahead)
    client, got = plant.stream(positions.text(said))
    ids = [one.data.decode().split("\n")[0].removeprefix("id: ") for one in list(client._backlog.frames)[1:]]
    rest = [entry.value for entry in entries if entry.id > said[entry.partition]]
    assert got() == rest
    for at, id in enumerate(ids):
        assert plant.stream(id)[1]() == rest[at + 1 :]


def test_with_several_readers_no_event_is_lost_or_doubled_while_many_come_and_go(plant: Plant) -> None:
    plant.start()
    seen: list[str] = []
    last: str | None = positions.text(plant.bus.position or ())
    for n in range(120):
        plant.add(n, partition=n % plant.store.partitions)
        client, _ = plant.stream(last)
        for one in client._backlog.take(10**9):
            text = one.data.decode()
            if text.startswith("id: ") or "\nid: " in text:
                last = text.partition("id: ")[2].split("\n")[0]
            if "event:" not in text:
                seen.append(text.split("data: ")[1].strip())
        client.close()
    wait_until(lambda: len(plant.heard.values) == 120)
    _, rest = plant.stream(last)
    assert sorted(map(int, seen + rest())) == list(range(120))


def test_a_position_of_another_store_is_a_gap(plant: Plant) -> None:
    plant.add(1)
    plant.start()
    said = positions.text(((1, 1),) * plant.store.partitions)
    client, _ = plant.stream(said)
    names = [one.data.decode().split("\n")[0] for one in client._backlog.frames]
    assert names == ["event: connected", "event: gap"]


def test_trimmed_entries_are_a_gap(plant: Plant) -> None:
    plant.add(*range(5))
    log = EventLog(plant.store, DECODERS)
    (first, *_), _, _ = log.tail(0, 10)
    others = (positions.START,) * (plant.store.partitions - 1)
    log.check((first.id, *others))
    plant.store.raw.xtrim(keys.EVENTS.at(0), maxlen=2, approximate=False)
    with pytest.raises(Lost):
        log.check((first.id, *others))


def test_an_emptied_store_is_noticed_while_nothing_comes(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_reader, "BLOCK_MS", 50)
    plant.add(1)
    plant.start()
    plant.store.redis.flushall()
    wait_until(lambda: [told[0] for told in plant.heard.told] == ["gap"])
    plant.add("after")
    wait_until(lambda: plant.heard.values == ["after"])


def test_a_store_that_is_away_is_told_once_and_that_it_is_back(
    own_valkey: Callable[..., Valkey], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_reader, "DEGRADED_AFTER_S", 0.0)
    valkey = own_valkey("--appendonly", "yes")
    store = Store(valkey.url)
    plant = Plant(store).start()
    plant.add(1)
    wait_until(lambda: plant.heard.values == ["1"])
    valkey.stop()
    wait_until(lambda: plant.bus.away)
    valkey.start()
    wait_until(lambda: [told[0] for told in plant.heard.told] == ["degraded", "recovered"])
    plant.add(2)
    wait_until(lambda: plant.heard.values == ["1", "2"])
    plant.readers.stop()
    store.close()


def test_who_comes_while_the_store_is_away_hears_that_it_is_back_and_its_states_once(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant.add("before")
    client, opening = waiting(plant, monkeypatch, plant.bus.log.tail(0, 1)[2])
    plant.bus.fail(0, "gone", 1.0)
    wait_until(lambda: b"degraded" in bytes_of(client))
    plant.bus.recover(0)
    plant.start()
    opening.join(20)
    got = bytes_of(client)
    assert (got.count(b"data: state"), got.count(b"event: degraded"), got.count(b"event: recovered")) == (1, 1, 1)
    assert b"data: before" not in got


def test_a_store_that_comes_back_as_another_while_a_client_waits_is_a_gap(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, opening = waiting(plant, monkeypatch, (7, 7))
    plant.start()
    opening.join(20)
    got = bytes_of(client)
    assert (got.count(b"event: gap"), got.count(b"data: present")) == (1, 1)


def test_who_comes_before_the_store_ever_answered_is_told_that_it_missed_something(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "BUS_WAIT_S", 0.05)
    monkeypatch.setattr(streams, "STORE_PAUSE_S", 0.01)
    source = Source(("all",), missed=frame, present=lambda: States([Frame(b"data: present\n\n", keep=True)]))
    client = QueuedClient(plant.hub, "sse", source.channels, source.limit)
    opening = threading.Thread(target=Opening(plant.bus, plant.hub, source, None).run, args=(client,))
    plant.bus.fail(0, "gone", 1.0)
    opening.start()
    wait_until(lambda: b"degraded" in bytes_of(client))
    plant.add("stored before the bus began")
    plant.bus.recover(0)
    plant.start()
    opening.join(20)
    plant.add("after")
    wait_until(lambda: b"data: after" in bytes_of(client))
    got = bytes_of(client)
    assert got.index(b"event: gap") < got.index(b"data: present") < got.index(b"data: after")


def test_who_waits_for_a_store_that_is_away_asks_it_for_nothing(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "BUS_WAIT_S", 0.05)
    monkeypatch.setattr(streams, "STORE_PAUSE_S", 0.01)
    tries: list[object] = []
    asked: list[object] = []
    reaches, check = plant.bus.reaches, plant.bus.log.check
    monkeypatch.setattr(plant.bus, "reaches", lambda since: tries.append(since) or reaches(since))
    monkeypatch.setattr(plant.bus.log, "check", lambda since: asked.append(since) or check(since))
    source = Source(("all",), missed=frame)
    said = positions.text(((7, 7),) * plant.store.partitions)
    client = QueuedClient(plant.hub, "sse", source.channels, source.limit)
    opening = threading.Thread(target=Opening(plant.bus, plant.hub, source, said).run, args=(client,))
    plant.bus.fail(0, "gone", 1.0)
    opening.start()
    wait_until(lambda: len(tries) > 3)
    assert not asked
    plant.bus.recover(0)
    plant.start()
    opening.join(20)
    assert asked and b"event: gap" in bytes_of(client)


def test_one_listener_that_fails_keeps_nothing_from_the_others(
    plant: Plant, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_reader, "BLOCK_MS", 50)

    def fail(*_: object) -> None:
        raise RuntimeError("a fault of its own")

    for call in ("entries", "gap", "degraded", "recovered"):
        monkeypatch.setattr(plant.heard, call, fail)
    plant.bus.listen(after := Heard())
    plant.start().add(1, 2)
    wait_until(lambda: after.values == ["1", "2"])
    plant.bus.fail(0, "gone", 1.0)
    plant.bus.recover(0)
    plant.store.redis.flushall()
    wait_until(lambda: [told[0] for told in after.told] == ["degraded", "recovered", "gap"])
    assert "Heard can't take what came" in caplog.text


def waiting(plant: Plant, monkeypatch: pytest.MonkeyPatch, at: Id) -> tuple[QueuedClient, threading.Thread]:
    """A client whose states are of a moment that the bus has yet to come to, and what brings it in."""
    monkeypatch.setattr(streams, "BUS_WAIT_S", 0.05)
    monkeypatch.setattr(streams, "STORE_PAUSE_S", 0.01)
    position = (at, *(positions.START for _ in range(plant.store.partitions - 1)))
    states = States([Frame(b"data: state\n\n", keep=True)], position)
    present = States([Frame(b"data: present\n\n", keep=True)])
    source = Source(("all",), states=states, missed=frame, present=lambda: present)
    client = QueuedClient(plant.hub, "sse", source.channels, source.limit)
    opening = threading.Thread(target=Opening(plant.bus, plant.hub, source, None).run, args=(client,))
    opening.start()
    wait_until(lambda: b"data: state" in bytes_of(client))
    return client, opening


def bytes_of(client: QueuedClient) -> bytes:
    return b"".join(one.data for one in list(client._backlog.frames))


def test_a_client_that_may_no_longer_listen_is_let_go_at_its_beat(plant: Plant) -> None:
    plant.start()
    client, got = plant.stream()
    other, _ = plant.stream()
    got()
    client.allowed = lambda: False
    for _ in range(HEARTBEAT_S - 1):  # within the interval, whatever a second is worth
        plant.hub.beat()
    assert (client.open, other.open, plant.hub.listeners("all")) == (False, True, 1)
    assert any(b"keepalive" in one.data for one in other._backlog.frames)
    assert open_streams() == 1


def test_a_client_that_takes_nothing_is_let_go(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant.start()
    client, _ = plant.stream()
    monkeypatch.setattr("core.queued.STALL_S", -1.0)
    plant.hub.beat()
    assert not client.open and plant.hub.names() == []


def test_a_beat_that_fails_is_not_the_last(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    hub, beats = Hub(most_clients=10), list[int]()

    def beat() -> None:
        beats.append(1)
        raise RuntimeError("a client's fault")

    monkeypatch.setattr(hub, "beat", beat)
    hub.start()
    wait_until(lambda: len(beats) > 1)
    hub.stop()
    assert "A beat of the streams failed" in caplog.text


def test_a_closed_client_leaves_nothing_behind(plant: Plant) -> None:
    plant.start()
    client, _ = plant.stream()
    chunks: Any = client.stream()
    assert b"event: connected" in next(chunks)
    chunks.close()
    assert not client.open and open_streams() == 0
