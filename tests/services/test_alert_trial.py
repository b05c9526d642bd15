"""Rules tried against what really was recorded: tiles' values, jobs that ended, depths, latencies."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core import keys
from core.config import Config, parse
from core.config.trying import parse_alert
from core.fields import FieldError
from core.site import Site
from core.times import rfc3339
from services import alerts_service, history_service, job_series_service, tiles_service
from services.alert_trial import MOST_POINTS, Trial, try_rule
from services.uploads_service import receive
from tests.services.alert_rules import Clock, declaring, rule
from tests.services.reports import create

MINUTE_S = 60.0
HOUR_S = 3600.0


def tried(site: Site, when: str, **fields: object) -> Trial:
    return try_rule(site, rule(when, **fields))


def lasted(trial: Trial) -> list[float]:
    return [(one.until or trial.until or one.at) - one.at for one in trial.episodes]


@pytest.fixture
def clock(site: Site) -> Clock:
    return Clock(site.clock() // 3600 * 3600 + 1800)


@pytest.fixture
def past(site: Site, clock: Clock) -> Site:
    return replace(site, clock=clock)


def test_a_tile_s_rule_fires_as_long_as_its_recorded_values_were_too_much(past: Site, clock: Clock) -> None:
    values = [1.0] * 60 + [120.0] * 10 + [1.0] * 60 + [120.0, 1.0] + [1.0] * 30 + [150.0] * 4
    end = clock.now
    for at, value in enumerate(values):  # in the order in which they came
        clock.now = end - (len(values) - 1 - at) * MINUTE_S
        tiles_service.set_value(past, "users", value)
    trial = tried(past, 'kind = "tile", tile = "users", above = 100', for_="2m", keep="1m")
    assert trial.untried is None
    first, still = trial.episodes
    assert end - first.at == pytest.approx((len(values) - 1 - 62) * MINUTE_S, abs=MINUTE_S), (
        "two minutes after it began"
    )
    assert lasted(trial)[0] == 9 * MINUTE_S
    assert still.until is None
    assert trial.seconds == sum(lasted(trial))
    assert tried(past, 'kind = "tile", tile = "users", above = 200').episodes == ()
    assert tried(past, 'kind = "tile", tile = "users", below = 0.5').episodes == ()


def test_a_value_stays_until_there_is_another(past: Site, clock: Clock) -> None:
    tiles_service.set_value(past, "users", 120)
    clock.now += 20 * MINUTE_S
    tiles_service.set_value(past, "users", 1)
    clock.now += 5 * MINUTE_S
    (one,) = tried(past, 'kind = "tile", tile = "users", above = 100', keep="1m").episodes
    assert one.until is not None
    assert one.until - one.at == pytest.approx(21 * MINUTE_S, abs=MINUTE_S)


def test_ended_jobs_are_tried_by_the_minute_and_by_agent(past: Site, clock: Clock) -> None:
    """Forty failures in one minute, two hours ago, taken in as history is."""
    at = clock.now - 2 * HOUR_S
    rows = "\n".join(
        f'{{"id":"job-{n}","agent":"studio","status":"failed","finished_at":"{rfc3339(at)}"}}' for n in range(40)
    )
    assert receive(past, "jobs.ndjson", "a test", iter([rows.encode()])).accepted == 40
    kind = 'kind = "failed_jobs", above = 20, within = "10m"'
    for agent in ("", ', agent = "studio"'):
        trial = tried(past, kind + agent, keep="1m")
        (one,) = trial.episodes
        assert at <= one.at <= at + 2 * MINUTE_S
        assert lasted(trial)[0] == pytest.approx(11 * MINUTE_S, abs=2 * MINUTE_S)
        assert max(value or 0 for _, value in trial.points) == 40
    assert tried(past, f'{kind}, agent = "night"').episodes == ()
    assert tried(past, 'kind = "failure_rate", above = 50, at_least = 10').episodes != ()
    assert tried(past, 'kind = "failure_rate", above = 50, at_least = 41').episodes == ()
    by_hour = tried(past, 'kind = "failed_jobs", above = 20, within = "12h"', for_="1h", keep="1h")
    assert "by the hour" in by_hour.says
    assert len(by_hour.episodes) == 1


def test_no_job_is_tried_for_as_long_as_somebody_watched(site: Site, clock: Clock) -> None:
    kind = 'kind = "no_job", within = "30m"'
    declared = declaring(site, f'[[alerts]]\nid = "a"\nwhen = {{ {kind} }}', clock)
    alerts_service.check(declared)
    trial = tried(declared, kind)
    assert trial.untried == "Headway has not watched alerts for 30 min yet"
    clock.now += 2 * HOUR_S
    (one,) = tried(declared, kind).episodes
    assert one.until is None


def test_depths_of_all_agents_are_kept_and_of_one_are_not(past: Site, clock: Clock) -> None:
    for _ in range(3):
        create(past, agent="studio")
    for _ in range(10):
        job_series_service.note_depth(past, clock.now)
        clock.now += MINUTE_S
    trial = tried(past, 'kind = "queue_depth", above = 2', for_="3m")
    (one,) = trial.episodes
    assert one.until is None
    assert [value for _, value in trial.points] == [3.0] * 10
    assert tried(past, 'kind = "queue_depth", above = 2, agent = "studio"').untried


def test_latencies_are_kept_for_ten_minutes(site: Site) -> None:
    for _ in range(3):
        history_service.sample(site)
    trial = tried(site, 'kind = "store_latency", above = "1h"')
    assert (trial.episodes, len(trial.points)) == ((), 3)
    assert len(tried(site, 'kind = "store_latency", above = "1ms"', keep="10m").points) == 3


@pytest.mark.parametrize("when", [
    'kind = "tile_unavailable", tile = "users"', 'kind = "queue_age", above = "5m"', 'kind = "no_worker"',
    'kind = "stalled_jobs"', 'kind = "tile", tile = "unknown", above = 1', 'kind = "tile", tile = "users", above = 1',
    'kind = "queue_depth", above = 1',
])  # fmt: skip
def test_what_nothing_is_kept_of_is_said_plainly(site: Site, when: str) -> None:
    trial = tried(site, when)
    assert trial.untried
    assert (trial.points, trial.episodes) == ((), ())


def test_a_long_history_is_thinned_to_its_worst(past: Site, clock: Clock) -> None:
    tiles_service.set_value(past, "users", 1)
    key = keys.TILE_HISTORY.at(0, "users")
    minute = int(clock.now // 60)
    past.store.redis.zadd(key, {f"{minute - ago}:{999 if ago == 700 else 1}": minute - ago for ago in range(1, 1400)})
    trial = tried(past, 'kind = "tile", tile = "users", above = 500', keep="1m")
    assert len(trial.points) <= MOST_POINTS
    assert max(value or 0 for _, value in trial.points) == 999
    assert len(trial.episodes) == 1


GOOD = 'id = "a"\nwhen = { kind = "queue_depth", above = 1 }'


@pytest.mark.parametrize(("text", "field", "words"), [
    ("", "toml", "is empty"),
    ("[[alerts]\n", "toml", "line 1"),
    (GOOD + "\nsevrity = 'error'", "sevrity", "the fields are"),
    ('when = { kind = "queue_dept", above = 1 }', "when.kind", "queue_depth"),
    ('when = { kind = "queue_depth", above = 1, clear = 2 }', "when.clear", "1 or less"),
    ('when = { kind = "tile", tile = "a", above = nan }', "when.above", "finite"),
    ('when = { kind = "no_job", within = "8d" }', "when.within", "7d at most"),
    ('when = { kind = "target_down", target = "x" }', "when.target", "none of the targets"),
    (GOOD + '\nchannel = "x"', "channel", "none of the channels"),
    (GOOD + '\ntitle = "${HEADWAY_TOKEN}"', "title", "write its value"),
    (f"[[alerts]]\n{GOOD}\n[[alerts]]\n{GOOD}", "alerts", "one at a time"),
    (f"[[alerts]]\n{GOOD}\n[retention]\nalerts = '1d'", "retention", "is not tried here"),
    ("alerts = 3", "alerts", "one rule"),
    ("alerts = [3]", "alerts[0]", "a table"),
    ("x = 1\n" * 5_000, "toml", "10,000 characters"),
])  # fmt: skip
def test_a_text_that_is_no_rule_is_refused_with_where_and_why(text: str, field: str, words: str) -> None:
    with pytest.raises(FieldError) as fault:
        parse_alert(text, Config())
    assert fault.value.field == field
    assert words in str(fault.value)


def test_a_rule_is_read_with_and_without_its_table_and_against_what_is_declared() -> None:
    declared = parse('[[channels]]\nname = "team"\nurl = "json://team.example/hook"', {})
    for text in (GOOD, f"[[alerts]]\n{GOOD}\nchannel = 'team'", 'when = { kind = "failed_jobs" }'):
        assert parse_alert(text, declared).when
