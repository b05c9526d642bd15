"""What pages that are open get pushed, and how often it is looked at for that."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from core.backlog import Frame
from core.hub import Client, Hub
from core.problems import Problem
from panels import PAGE, Look, Part, Pusher
from panels import _push as push
from tests.conftest import wait_until
from tests.services.test_failure_notes import event


class Page(Client):
    """A client that keeps what it gets."""

    def __init__(self, hub: Hub, *names: str) -> None:
        super().__init__(hub, "page", [PAGE, *(f"part:{name}" for name in names)], 64)
        self.got: list[str] = []

    def deliver(self, data: bytes, frames: Sequence[Frame]) -> bool:
        self.got += [frame.data.decode() for frame in frames]
        return True

    def stalled(self, now: float) -> bool:
        return False

    def parts(self, name: str) -> list[str]:
        """The tags that it got of a part."""
        return [text.split('data-etag="')[1].split('"')[0] for text in self.got if f'data-part="{name}"' in text]

    def named(self, name: str) -> list[Any]:
        return [json.loads(text.split("data: ")[1]) for text in self.got if text.startswith(f"event: {name}\n")]


@dataclass
class Source:
    """What a part shows, and when it was looked at."""

    name: str
    every: float = 0.05
    topics: tuple[str, ...] = ()
    text: str = "first"
    gap_s: float = 0.0
    fault: Exception | None = None
    held: threading.Event | None = None
    looks: list[float] = field(default_factory=list)

    @property
    def part(self) -> Part:
        return Part(self.name, f"#{self.name}", self.every, self.topics, self.look)

    def look(self) -> Look:
        began = time.monotonic()
        self.looks.append(began)
        if self.held is not None:
            self.held.wait(20)
        if self.fault is not None:
            raise self.fault
        return Look(self.text.encode(), self.text, began, time.monotonic() + self.gap_s)


class Site:
    def __init__(self) -> None:
        self.hub = Hub(most_clients=100)
        self.pusher = Pusher(self.hub, clock=lambda: 1_795_262_400.0)
        self.pages: list[Page] = []

    def open(self, *sources: Source, tags: dict[str, str] | None = None) -> Page:
        page = Page(self.hub, *(source.name for source in sources))
        self.hub.join(page)
        self.pages.append(page)
        page.deliver(b"", self.pusher.watch([source.part for source in sources], tags or {}))
        return page

    def happens(self, *jobs: Any) -> None:
        self.pusher.entries([SimpleNamespace(kind="e", value=job) for job in jobs])

    def rests(self) -> bool:
        return self.pusher._thread is None


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(push, "LINGER_S", 0.0)
    one = Site()
    yield one
    for page in one.pages:
        page.close()
    one.pusher.gap("", "")  # it finds out when it looks next
    wait_until(one.rests, what="the pusher's rest")


def test_a_page_gets_each_part_and_then_what_changes_of_it(site: Site) -> None:
    source = Source("stats")
    page = site.open(source)
    wait_until(lambda: page.parts("stats") == ["first"], what="the part")
    wait_until(lambda: len(source.looks) > 3, what="looks that find the same")
    source.text = "second"
    wait_until(lambda: page.parts("stats") == ["first", "second"], what="the change")


def test_a_page_that_comes_later_gets_what_is_known_but_for_what_it_shows(site: Site) -> None:
    stats, jobs = Source("stats"), Source("jobs", text="some")
    first = site.open(stats, jobs)
    wait_until(lambda: first.parts("stats") and first.parts("jobs"), what="both parts")
    second = site.open(stats, jobs, tags={"stats": "first"})
    assert (second.parts("stats"), second.parts("jobs")) == ([], ["some"])


def test_a_page_that_shows_something_newer_than_was_looked_at_gets_nothing_older(site: Site) -> None:
    source = Source("stats", every=60.0)
    site.open(source)
    wait_until(lambda: site.pages[0].parts("stats") == ["first"], what="the part")
    source.text = "second"
    page = site.open(source, tags={"stats": "second"})
    wait_until(lambda: page.parts("stats"), what="a look")
    assert page.parts("stats") == ["second"]
    assert site.pages[0].parts("stats") == ["first", "second"]


def test_nobody_looks_at_what_nobody_watches(site: Site) -> None:
    source = Source("stats", topics=("jobs",))
    page = site.open(source)
    wait_until(lambda: page.parts("stats"), what="the part")
    page.close()
    wait_until(site.rests, what="the pusher's rest")
    looks = len(source.looks)
    site.happens(event())
    assert site.rests()
    assert len(source.looks) == looks
    again = site.open(source)
    wait_until(lambda: again.parts("stats"), what="the part for who comes again")


def test_an_event_is_looked_into_at_once_where_it_matters(site: Site) -> None:
    job, other, agents = (
        Source(name, every=60, topics=topics)
        for name, topics in (("job", ("job:17",)), ("other", ("job:18",)), ("agents", ("agent:studio", "agents")))
    )
    page = site.open(job, other, agents)
    wait_until(lambda: all(page.parts(source.name) for source in (job, other, agents)), what="the parts")
    job.text = agents.text = other.text = "second"
    site.happens(event(17))
    wait_until(lambda: len(page.parts("job")) == len(page.parts("agents")) == 2, what="what changed")
    assert len(other.looks) == 1
    site.happens(event(18, "elsewhere"))
    wait_until(lambda: len(page.parts("other")) == 2, what="the other's change")


def test_a_flood_of_events_is_looked_into_no_oftener_than_makes_sense(site: Site) -> None:
    source = Source("job", every=60, topics=("jobs",), gap_s=0.2)
    page = site.open(source)
    wait_until(lambda: page.parts("job"), what="the part")
    began = time.monotonic()
    while time.monotonic() - began < 0.7:
        source.text = str(time.monotonic())
        site.happens(event())
        time.sleep(0.005)
    last = source.text
    wait_until(lambda: page.parts("job")[-1] == last, what="the last state")
    gaps = [after - before for before, after in zip(source.looks, source.looks[1:], strict=False)]
    assert min(gaps) >= 0.2


def test_what_happens_during_a_look_is_looked_into_again(site: Site) -> None:
    source = Source("job", every=60, topics=("jobs",), held=threading.Event())
    page = site.open(source)
    wait_until(lambda: source.looks, what="the first look")
    site.happens(event())
    assert source.held
    source.held.set()
    wait_until(lambda: len(source.looks) == 2, what="the second look")
    wait_until(lambda: page.parts("job") == ["first"], what="the part, once")


def test_a_slow_part_holds_up_no_other(site: Site) -> None:
    slow, quick = Source("slow", held=threading.Event()), Source("quick")
    page = site.open(slow, quick)
    wait_until(lambda: page.parts("quick"), what="the quick part")
    quick.text = "second"
    wait_until(lambda: len(page.parts("quick")) == 2, what="its change")
    assert not page.parts("slow")
    assert slow.held
    slow.held.set()
    wait_until(lambda: page.parts("slow"), what="the slow part")


@pytest.mark.parametrize("fault", [Problem(404, "No such job", "It is gone."), ValueError("a mistake of ours")])
def test_a_part_that_can_not_be_read_is_left_to_its_polls_until_it_can(
    site: Site, fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    source, other = Source("job"), Source("other")
    page = site.open(source, other)
    wait_until(lambda: page.parts("job"), what="the part")
    source.fault = fault
    wait_until(lambda: page.named("unavailable") == [{"part": "job"}], what="word of it")
    late = site.open(source)
    assert late.named("unavailable") == [{"part": "job"}]
    looks = len(source.looks)
    wait_until(lambda: len(source.looks) > looks + 2, what="further looks")
    assert len(page.named("unavailable")) == 1
    source.fault = None
    wait_until(lambda: page.parts("job") == ["first", "first"], what="its return")
    assert [record.message for record in caplog.records] == ["job can't be shown"] * isinstance(fault, ValueError)


@pytest.mark.parametrize("word", ["gap", "degraded", "recovered"])
def test_everything_is_looked_at_after_what_may_have_changed_anything(site: Site, word: str) -> None:
    source = Source("stats", every=60)
    page = site.open(source)
    wait_until(lambda: page.parts("stats"), what="the part")
    source.text = "second"
    tell: Callable[..., None] = getattr(site.pusher, word)
    tell("1-0", "2-0")
    wait_until(lambda: len(page.parts("stats")) == 2, what="the change")


def test_pages_hear_that_the_stream_lives_and_what_failed(site: Site) -> None:
    page = site.open(Source("stats", every=60))
    wait_until(lambda: page.named("pulse"), what="a pulse")
    assert page.named("pulse")[0] == {"sent_ms": 1_795_262_400_000, "every_s": 4.0, "refused": None}
    site.happens(event(3), event(4), event(5, status="completed"))
    wait_until(lambda: page.named("failed"), what="word of failures")
    ((told,),) = page.named("failed")
    assert (told["agent"], told["count"], told["queue_id"]) == ("studio", 2, 3)


def test_a_partial_names_its_place_and_nothing_in_it_can_act() -> None:
    look = Look(b"<p>&lt;script&gt;</p>", 'W/"a<b"', 0.0, 0.0, resting=True, unavailable='the "store"', took_s=0.0123)
    part = Part("agent:a & b", "#region-agent > .part", 5, (), lambda: look)
    assert part.partial(look, 1.5).decode() == (
        '<hx-partial data-part="agent%3Aa%20%26%20b" hx-target="#region-agent &gt; .part" hx-swap="innerMorph" '
        'data-etag="W/&#34;a&lt;b&#34;" data-sent="1500" data-took="12.30" data-resting="yes" '
        'data-unavailable="the &#34;store&#34;">\n<p>&lt;script&gt;</p>\n</hx-partial>'
    )
