"""A real Headway whose services hang, fail and flap, and which is killed between sending and noting that it did."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from core import keys
from tests.conftest import Valkey, wait_until
from tests.services.channels import Receiver, receiver
from tests.serving import Server

API = "/api/v1/notifications"


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as one:
        yield one


@pytest.fixture
def other() -> Iterator[Receiver]:
    with receiver() as one:
        yield one


def told(path: Path, **channels: str) -> dict[str, str]:
    """The environment of a Headway with these channels."""
    tables = [f'[[channels]]\nname = "{name}"\nurl = "{url}"' for name, url in channels.items()]
    path.write_text("\n".join([*tables, '[outgoing]\nallow = ["127.0.0.1"]']))
    return {"HEADWAY_CONFIG": str(path)}


def state(one: Server, id: str) -> Any:
    return one.get(f"{API}/{id}").json()["state"]


def faults(one: Server) -> set[tuple[str, str]]:
    """What channels met, by their names."""
    items = one.get(f"{API}?limit=100").json()["items"]
    deliveries = [delivery for item in items for delivery in item["deliveries"]]
    return {(delivery["channel"], delivery["error"]) for delivery in deliveries if delivery["error"]}


def test_a_process_killed_between_sending_and_noting_it_makes_a_repeat_that_says_so(
    own_valkey: Callable[..., Valkey], server: Callable[..., Server], hook: Receiver, tmp_path: Path
) -> None:
    store = own_valkey()
    one = server(env={"REDIS_URL": store.url, **told(tmp_path / "headway.toml", ops=hook.url)}, workers=2)
    hook.hold = True
    id = one.post(API, json={"title": "once at least"}).json()["id"]
    (first,) = hook.wait_for(1)
    with redis.Redis(unix_socket_path=str(store.socket), decode_responses=True) as admin:
        leader = int(str(admin.get(keys.LEADER.at())).split(":")[1])
        os.kill(leader, signal.SIGKILL)
        hook.hold = False
        queue = keys.NOTIFICATION_QUEUE.at(0, "ops")
        assert (
            float(str(admin.zscore(queue, id))) > time.time() * 1000
        )  # the lease keeps it from the next leader for a while
        wait_until(
            lambda: str(admin.get(keys.LEADER.at()) or f":{leader}:").split(":")[1] != str(leader), what="an heir"
        )
        assert len(hook.came) == 1
        admin.zadd(queue, {id: 0}, xx=True)  # as if the lease were over
    second = hook.wait_for(2)[1]
    assert first.ids == second.ids == [id]
    assert "headway-may-be-repeated" not in first.headers
    assert second.headers["headway-may-be-repeated"] == "yes"
    wait_until(lambda: state(one, id) == "sent", what="that it is noted as sent")
    (delivery,) = one.get(f"{API}/{id}").json()["deliveries"]
    assert (delivery["tries"], delivery["may_be_repeated"]) == (2, True)
    assert "geheimnis" not in one.log() and "xyzzytoken" not in one.log()


def test_a_service_that_hangs_or_fails_holds_up_neither_the_senders_nor_the_other_channels(
    server: Callable[..., Server], hook: Receiver, other: Receiver, tmp_path: Path
) -> None:
    with receiver() as failing:
        failing.statuses = [500] * 1000
        hook.hold = True
        channels = {
            "hangs": hook.url,
            "works": other.url,
            "fails": failing.url,
            "inside": "json://127.0.0.2:1/xyzzytoken",
        }
        one = server(env=told(tmp_path / "headway.toml", **channels))
        ids = []
        for number in range(60):
            answer = one.post(API, json={"title": f"number {number}"})
            assert answer.status == 202
            ids.append(answer.json()["id"])
        wait_until(
            lambda: sorted(id for came in other.came for id in came.ids) == sorted(ids),
            what="all, in the channel that works",
        )
        assert len(hook.wait_for(1)) == 1
        assert one.get("/healthz").status == 200
        page = one.get(f"{API}?limit=100").json()
        assert {item["state"] for item in page["items"]} == {"pending"}
        expected = {
            ("fails", "the service answered 500 Internal Server Error"),
            ("inside", "its address is not in the public network: name it in allow of [outgoing] in headway.toml"),
        }
        wait_until(lambda: faults(one) == expected, what="what each channel met")
        hook.release()
        one.stop()
        assert "geheimnis" not in one.log() and "xyzzytoken" not in one.log()


def test_a_bad_address_stops_the_start_in_one_line_without_it_and_a_running_site_not_at_all(
    server: Callable[..., Server], hook: Receiver, tmp_path: Path
) -> None:
    path, bad = tmp_path / "headway.toml", "discord://geheimnis"
    one = server(env=told(path, bad=bad), start=False).spawn()
    assert one.wait() == 1
    said = one.log().splitlines()[-1]
    assert said.startswith("Headway can't start: ")
    assert said.endswith("[[channels]] bad: url: is no address that Apprise can send to as discord://")

    told(path, ops=hook.url)
    one.start()
    told(path, bad=bad)
    os.kill(one.pid, signal.SIGHUP)
    wait_until(lambda: "The configuration stays as it was: " in one.log())
    one.post(API, json={"title": "after the reload"})
    assert hook.wait_for(1)[0].title == "after the reload"
    assert "geheimnis" not in one.log() and "Traceback" not in one.log()
