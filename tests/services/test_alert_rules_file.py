"""The rules for Prometheus, held against the real promtool: they are accepted, and they fire when Headway's would."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask.testing import FlaskClient

from core import config
from core.site import Site
from services import alert_metrics_service, alert_rules_file, job_metrics_service
from tests.services.brokers_told import note, queue
from tests.services.reports import batch, create, told

HOSTILE = 'a "quoted" {{ .Labels }} {{{ }} \\ $value\n- alert: injected\n# \u202e <script>'
TARGETS = '[[queues]]\nname = "the-shop"\nkind = "rq"\nurl = "redis://localhost"\n[[targets]]\nname = "shop"\nurl = "https://shop.example/metrics"\n'
FINISHED = 'headway_jobs_finished_total{agent="studio",outcome='
ENDED = 'headway_queue_jobs_finished_total{broker="rq",queue="mails",outcome='
JOBS_OF = 'headway_queue_jobs{broker="rq",queue="mails",state='
OLDEST, LISTEN = (f'headway_queue_{name}{{broker="rq",queue="mails"}}' for name in ("oldest_seconds", "workers"))

REPORTED = 'headway_queue_jobs{broker="studio",queue="mails"'


def of_shop(family: str, queue: str, besides: str = "") -> str:
    return f'headway_queue_{family}{{broker="the-shop",queue="{queue}"{besides}}}'


SHOP_IDLE = {
    of_shop("oldest_seconds", "mails"): "61x30", of_shop("workers", "mails"): "0x30", of_shop("paused", "mails"): "0x30",
    of_shop("oldest_seconds", "video"): "10x30", of_shop("workers", "video"): "3x30", of_shop("paused", "video"): "0x30",
}  # fmt: skip
KINDS = {
    "tile": 'kind = "tile", tile = "queue.mails", above = 100',
    "below": 'kind = "tile", tile = "queue.mails", below = 5',
    "unavailable": 'kind = "tile_unavailable", tile = "queue.mails"',
    "failed": 'kind = "failed_jobs", above = 3, within = "5m"',
    "failed-of-one": 'kind = "failed_jobs", above = 3, within = "5m", agent = "studio"',
    "rate": 'kind = "failure_rate", above = 20, within = "5m", at_least = 10',
    "depth": 'kind = "queue_depth", above = 100, clear = 50',
    "depth-of-one": 'kind = "queue_depth", above = 100, agent = "studio"',
    "age": 'kind = "queue_age", above = "5m"',
    "age-of-one": 'kind = "queue_age", above = "5m", agent = "studio"',
    "no-worker": 'kind = "no_worker", within = "1m"',
    "no-job": 'kind = "no_job", within = "10m"',
    "failed-of-queue": 'kind = "failed_jobs", above = 3, within = "5m", queue = "mails"',
    "depth-of-queue": 'kind = "queue_depth", above = 100, queue = "mails"',
    "age-of-queue": 'kind = "queue_age", above = "5m", queue = "mails", agent = "rq"',
    "nobody-listens": 'kind = "no_worker", within = "1m", queue = "mails", agent = "rq"',
    "nobody-works": 'kind = "no_worker", within = "1m", queue = "encode", agent = "studio"',
    "nobody-anywhere": 'kind = "no_worker", within = "1m", queue = "mails"',
    "depth-of-broker": 'kind = "queue_depth", above = 100, agent = "the-shop"',
    "age-of-broker": 'kind = "queue_age", above = "5m", agent = "the-shop"',
    "broker-idle": 'kind = "no_worker", within = "1m", agent = "the-shop"',
    "agent-idle": 'kind = "no_worker", within = "1m", agent = "studio"',
    "broker": 'kind = "broker_unavailable", broker = "rq"',
    "stalled": 'kind = "stalled_jobs", after = "10m"',
    "down": 'kind = "target_down", target = "shop"',
    "latency": 'kind = "store_latency", above = "50ms", clear = "10ms"',
}
FIRES: dict[str, dict[str, str]] = {
    "tile": {'headway_tile{tile="queue.mails"}': "101x30"},
    "below": {'headway_tile{tile="queue.mails"}': "4x30"},
    "unavailable": {'headway_tile_up{tile="queue.mails"}': "0x30"},
    "failed": {FINISHED + '"failed"}': "0+2x30"},
    "failed-of-one": {FINISHED + '"failed"}': "0+2x30"},
    "rate": {FINISHED + '"failed"}': "0+3x30", FINISHED + '"completed"}': "0+3x30"},
    "depth": {'headway_queue_depth{queue="reported"}': "101 60x30"},
    "depth-of-one": {'headway_jobs{agent="studio",status="queued"}': "101x30"},
    "age": {'headway_queue_oldest_seconds{queue="reported"}': "301x30"},
    "age-of-one": {'headway_agent_oldest_queued_seconds{agent="studio"}': "301x30"},
    "no-worker": {
        'headway_queue_oldest_seconds{queue="reported"}': "61x30", 'headway_jobs{agent="studio",status="processing"}': "0x30",
        FINISHED + '"completed"}': "5x30",
    },
    "no-job": {FINISHED + '"completed"}': "5x30"},
    "failed-of-queue": {ENDED + '"failed"}': "0+2x30"},
    "depth-of-queue": {JOBS_OF + '"queued"}': "101x30", JOBS_OF + '"started"}': "1x30"},
    "age-of-queue": {OLDEST: "301x30"},
    "nobody-listens": {OLDEST: "61x30", LISTEN: "0x30", ENDED + '"completed"}': "0+1x30"},
    "nobody-works": {
        'headway_queue_oldest_seconds{broker="studio",queue="encode"}': "61x30",
        'headway_queue_jobs{broker="studio",queue="encode",state="processing"}': "0x30",
    },
    "nobody-anywhere": {
        OLDEST: "61x30", LISTEN: "0x30", of_shop("workers", "mails"): "3x30", of_shop("oldest_seconds", "mails"): "5x30",
        of_shop("jobs_finished_total", "mails", ',outcome="completed"'): "0+1x30",
        of_shop("jobs", "mails", ',state="started"'): "3x30", of_shop("paused", "mails"): "1x30",
    },
    "depth-of-broker": {of_shop("jobs", "mails", ',state="queued"'): "60x30", of_shop("jobs", "other", ',state="queued"'): "41x30"},
    "age-of-broker": {'headway_agent_oldest_queued_seconds{agent="the-shop"}': "301x30"},
    "broker-idle": {
        **SHOP_IDLE, 'headway_jobs{agent="the-shop",status="processing"}': "2x30",
        'headway_jobs_finished_total{agent="the-shop",outcome="completed"}': "0+1x30",
    },
    "agent-idle": {
        'headway_agent_oldest_queued_seconds{agent="studio"}': "61x30", 'headway_jobs{agent="studio",status="processing"}': "0x30",
        'headway_jobs_finished_total{agent="the-shop",outcome="completed"}': "0+1x30",
    },
    "broker": {'headway_broker_up{broker="rq"}': "0x30"},
    "stalled": {'headway_jobs_stalled{agent="",after="600"}': "1x30"},
    "down": {'headway_target_up{target="shop"}': "0x30"},
    "latency": {"headway_redis_latency_seconds_sum": "0+1x30", "headway_redis_latency_seconds_count": "0+10x30"},
}  # fmt: skip
RESTS: dict[str, dict[str, str]] = {
    "tile": {'headway_tile{tile="queue.mails"}': "100x30"},
    "below": {'headway_tile{tile="queue.mails"}': "5x30"},
    "unavailable": {'headway_tile_up{tile="queue.mails"}': "1x30"},
    "failed": {FINISHED + '"failed"}': "7x30", FINISHED + '"completed"}': "0+9x30"},
    "failed-of-one": {'headway_jobs_finished_total{agent="night",outcome="failed"}': "0+9x30"},
    "rate": {FINISHED + '"failed"}': "0+0.5x30", FINISHED + '"completed"}': "0+0.5x30"},
    "depth": {'headway_queue_depth{queue="reported"}': "60x30"},
    "no-worker": {
        'headway_queue_oldest_seconds{queue="reported"}': "61x30", 'headway_jobs{agent="studio",status="processing"}': "1x30",
    },
    "no-job": {FINISHED + '"completed"}': "0+1x30"},
    "failed-of-queue": {ENDED + '"failed"}': "7x30", 'headway_queue_jobs_finished_total{broker="rq",queue="other",outcome="failed"}': "0+9x30"},
    "depth-of-queue": {JOBS_OF + '"queued"}': "100x30", JOBS_OF + '"started"}': "100x30"},
    "nobody-listens": {OLDEST: "61x30", LISTEN: "1x30"},
    "nobody-works": {
        'headway_queue_oldest_seconds{broker="studio",queue="encode"}': "61x30",
        'headway_queue_jobs{broker="studio",queue="encode",state="processing"}': "0x30",
        'headway_queue_jobs_finished_total{broker="studio",queue="encode",outcome="completed"}': "0+1x30",
    },
    "nobody-anywhere": {
        OLDEST: "61x30", LISTEN: "1x30", of_shop("workers", "mails"): "0x30", of_shop("oldest_seconds", "mails"): "60x30",
        **{f"{REPORTED},state={state}}}": many for state, many in (('"queued"', "9x30"), ('"processing"', "1x30"))},
        REPORTED.replace("jobs", "oldest_seconds") + "}": "61x30",
    },
    "depth-of-broker": {
        of_shop("jobs", "mails", ',state="queued"'): "100x30", of_shop("jobs", "mails", ',state="scheduled"'): "900x30",
        'headway_jobs{agent="the-shop",status="queued"}': "1000x30",
    },
    "broker-idle": {
        of_shop("oldest_seconds", "mails"): "61x30", of_shop("workers", "mails"): "1x30",
        of_shop("oldest_seconds", "video"): "61x30", of_shop("workers", "video"): "0x30", of_shop("paused", "video"): "1x30",
        of_shop("oldest_seconds", "web"): "60x30", of_shop("workers", "web"): "0x30",
    },
    "agent-idle": {
        'headway_agent_oldest_queued_seconds{agent="studio"}': "61x30", 'headway_jobs{agent="studio",status="processing"}': "0x30",
        FINISHED + '"completed"}': "0+1x30",
    },
    "broker": {'headway_broker_up{broker="rq"}': "1x30"},
    "latency": {"headway_redis_latency_seconds_sum": "0+0.3x30", "headway_redis_latency_seconds_count": "0+10x30"},
}  # fmt: skip


def declared(site: Site, text: str) -> Site:
    return replace(site, config=config.parse(TARGETS + text, {}))


def all_kinds(site: Site) -> Site:
    rules = "\n".join(f'[[alerts]]\nid = "{id}"\nwhen = {{ {when} }}\nkeep = "1m"\n' for id, when in KINDS.items())
    return declared(site, rules)


def promtool(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["promtool", *map(str, arguments)], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def test_promtool_accepts_the_rules_of_every_kind(site: Site, tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(alert_rules_file.text(all_kinds(site)))
    checked = promtool("check", "rules", "rules.yml", folder=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(KINDS)} rules found" in checked.stdout


def test_without_rules_the_file_is_good_too(site: Site, tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(alert_rules_file.text(declared(site, "")))
    assert promtool("check", "rules", "rules.yml", folder=tmp_path).returncode == 0


def test_each_fires_on_its_metric_and_rests_where_that_is_fine(site: Site, tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(alert_rules_file.text(all_kinds(site)))
    rules = {rule["alert"]: rule for rule in rules_in(tmp_path / "rules.yml")}
    assert set(FIRES) == set(KINDS)
    tests = [unit(id, series, rules[id]) for id, series in FIRES.items()]
    tests += [unit(id, series, None) for id, series in RESTS.items()]
    paused = 'headway_queue_paused{broker="rq",queue="mails"}'
    tests.append(unit("nobody-listens", {OLDEST: "61x30", LISTEN: "0x30", paused: "1x30"}, None))
    # What those do who report is not what waits at a broker, nor the other way round.
    studio = {f'{REPORTED},state="processing"}}': "0x30", REPORTED.replace("jobs", "oldest_seconds") + "}": "61x30"}
    busy_broker = {OLDEST: "1x30", LISTEN: "1x30", JOBS_OF + '"started"}': "1x30", ENDED + '"completed"}': "0+1x30"}
    tests.append(unit("nobody-anywhere", studio | busy_broker, rules["nobody-anywhere"]))
    busy = {'headway_jobs{agent="studio",status="processing"}': "1x30", FINISHED + '"completed"}': "0+1x30"}
    tests.append(unit("no-worker", SHOP_IDLE | busy, rules["no-worker"]))
    tests.append(
        unit("age", {OLDEST: "301x30", 'headway_queue_oldest_seconds{queue="reported"}': "1x30"}, rules["age"])
    )
    # What a broker does is not what those do who report.
    idle = FIRES["no-worker"] | {'headway_jobs{agent="the-shop",status="processing"}': "1x30"}
    tests.append(unit("no-worker", idle, rules["no-worker"]))
    (tmp_path / "tests.yml").write_text(
        yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": tests})
    )
    done = promtool("test", "rules", "tests.yml", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def unit(id: str, series: dict[str, str], fires: dict[str, Any] | None) -> dict[str, Any]:
    """What promtool expects of one rule after twenty minutes of a series."""
    expected = (
        [{"exp_labels": fires["labels"] | labels_of(id), "exp_annotations": fires["annotations"]}] if fires else []
    )
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": "20m", "alertname": id, "exp_alerts": expected}],
    }


def labels_of(id: str) -> dict[str, str]:
    """The labels that an alert has of its metric."""
    return {
        "tile": {"tile": "queue.mails"}, "below": {"tile": "queue.mails"}, "unavailable": {"tile": "queue.mails"},
        "broker": {"broker": "rq"}, "depth-of-one": {"agent": "studio", "status": "queued"},
        "age-of-one": {"agent": "studio"}, "age-of-broker": {"agent": "the-shop"},
        "stalled": {"after": "600"}, "down": {"target": "shop"},
    }.get(id, {})  # fmt: skip


def rules_in(path: Path) -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(path.read_text())["groups"]
    return list(group["rules"])


def test_hostile_titles_stay_literal(site: Site, tmp_path: Path) -> None:
    """Neither YAML nor PromQL nor Prometheus's templates take a part of them for theirs."""
    text = f'[[alerts]]\nid = "a"\ntitle = {json.dumps(HOSTILE[:90])}\nfor = "90s"\nseverity = "error"\n'
    text += f'when = {{ kind = "queue_depth", above = 1, agent = {json.dumps(HOSTILE)} }}\n'
    (tmp_path / "rules.yml").write_text(alert_rules_file.text(declared(site, text)))
    (rule,) = rules_in(tmp_path / "rules.yml")
    assert (rule["for"], rule["labels"], rule["keep_firing_for"]) == ("90s", {"severity": "error"}, "60s")
    agent = json.dumps(HOSTILE)
    said = {**rule["annotations"], "summary": HOSTILE[:90]}
    said["description"] = rule["annotations"]["description"].replace('{{"{{"}}', "{{")
    told_of = {"severity": "error", "agent": HOSTILE, "status": "queued"}
    tests = [{
        "interval": "1m", "input_series": [{"series": f'headway_jobs{{agent={agent},status="queued"}}', "values": "5x30"}],
        "alert_rule_test": [{"eval_time": "20m", "alertname": "a", "exp_alerts": [{"exp_labels": told_of, "exp_annotations": said}]}],
    }]  # fmt: skip
    (tmp_path / "tests.yml").write_text(
        yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": tests})
    )
    done = promtool("test", "rules", "tests.yml", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("seconds", "said"), [(0.25, "250ms"), (300, "300s"), (90_000, "90000s"), (1.5, "1500ms")])
def test_spans_are_as_prometheus_reads_them(site: Site, seconds: float, said: str) -> None:
    text = f'[[alerts]]\nid = "a"\nfor = {seconds}\nwhen = {{ kind = "failed_jobs" }}'
    assert f"for: {said}\n" in alert_rules_file.text(declared(site, text))


def test_the_metrics_that_rules_name_are_exported(site: Site, client: FlaskClient) -> None:
    create(site, agent="studio")
    told(site, create(site, agent="studio"), status="failed")
    told(site, create(site, agent="studio"), stage="encode", progress=1)
    text = client.get("/metrics").text
    exported = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")}
    for name in (
        "headway_tile", "headway_tile_up", "headway_jobs_finished_total", "headway_queue_depth", "headway_jobs",
        "headway_queue_oldest_seconds", "headway_agent_oldest_queued_seconds", "headway_jobs_stalled", "headway_target_up",
        "headway_redis_latency_seconds", "headway_alerts", "headway_alerts_muted", "headway_queue_jobs",
        "headway_queue_workers", "headway_queue_paused", "headway_queue_jobs_finished_total", "headway_broker_up",
    ):  # fmt: skip
        assert name in exported, name


def test_an_agent_that_a_rule_names_is_in_the_metrics_however_many_others_came_later(site: Site) -> None:
    text = '[[alerts]]\nid = "a"\nwhen = { kind = "queue_depth", above = 1, agent = "a-quiet" }'
    create(site, agent="a-quiet")  # before all others by name too, should they come in the same moment
    batch(site, *({"id": f"job-{n}", "agent": f"agent-{n}"} for n in range(job_metrics_service.MOST_AGENTS + 5)))
    jobs = next(each for each in job_metrics_service.families(declared(site, text)) if each.name == "headway_jobs")
    told_of = {(one.labels["agent"], one.labels["status"]): one.value for one in jobs.samples}
    assert told_of["a-quiet", "queued"] == 1
    assert told_of["other", "queued"] == 5


def test_how_long_a_brokers_jobs_wait_is_told_while_it_answers(site: Site) -> None:
    watching = declared(site, f'[[alerts]]\nid = "a"\nwhen = {{ {KINDS["age-of-broker"]} }}')

    def told_s() -> dict[str, float]:
        (waits,) = (one for one in alert_metrics_service.families(watching) if "oldest" in one.name)
        return {one.labels["agent"]: one.value for one in waits.samples}

    note(watching, "the-shop", queue(watching, "mails", 2, waits_s=400))
    assert told_s() == {"the-shop": pytest.approx(400, abs=5)}
    note(watching, "the-shop", why="it refused the connection")
    assert told_s() == {}, "nobody knows"
