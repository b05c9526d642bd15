"""Prometheus and Grafana with what Headway gives them: rules, a dashboard, and long spans back, on a real Prometheus that scrapes
the demo."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from flask import Flask
from rq import Queue

from app import create_site
from core import config
from core.settings import read as read_settings
from core.site import Site
from services import (
    chart_source,
    job_series_service,
    prometheus_history,
    prometheus_readings,
    series_catalog,
    series_service,
    windows,
)
from services.windows import Window
from tests.conftest import TOKEN, Valkey, free_port, wait_until
from tests.prometheus import Prometheus
from tests.serving import ROOT, Server, bare_environment

RULES = ROOT / "deploy" / "prometheus"
GRAFANA = ROOT / "deploy" / "grafana"
METRICS_TOKEN = "only-for-scraping"
EVERY = "500ms"
CHOSEN = {"$__rate_interval": "60s", "$__range": "5m", "$job": "headway", "$instance": ".*", "$agent": ".*"}
"""What a reader of the dashboard has chosen."""


# --- the files


def promtool(*arguments: str) -> str:
    ran = subprocess.run(["promtool", *arguments], cwd=RULES, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def rules(name: str) -> list[dict[str, Any]]:
    groups = yaml.safe_load((RULES / f"headway.{name}.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_promtool_takes_the_rules_and_each_comes_out_as_their_tests_say() -> None:
    assert "SUCCESS" in promtool("check", "rules", "--lint-fatal", "headway.rules.yml", "headway.alerts.yml")
    assert "FAILED" not in promtool("test", "rules", "headway.rules.test.yml", "headway.alerts.test.yml")


def test_promtool_takes_the_configuration_with_its_rules_and_token(tmp_path: Path) -> None:
    shutil.copytree(RULES, tmp_path, dirs_exist_ok=True)
    (tmp_path / "headway-token").write_text(METRICS_TOKEN)
    said = promtool("check", "config", str(tmp_path / "prometheus.yml"))
    assert "2 rule files found" in said


def test_each_alert_is_shown_to_fire_and_to_rest_and_each_record_has_a_value() -> None:
    tested = yaml.safe_load((RULES / "headway.alerts.test.yml").read_text())["tests"]
    shown = [(each["alertname"], bool(each["exp_alerts"])) for test in tested for each in test["alert_rule_test"]]
    names = [rule["alert"] for rule in rules("alerts")]
    assert sorted(shown) == sorted([(name, fires) for name in names for fires in (False, True)])
    valued = (RULES / "headway.rules.test.yml").read_text()
    assert all(f"round({rule['record']}" in valued for rule in rules("rules"))


def test_each_alert_says_how_grave_it_is_what_is_wrong_and_where_to_read_on() -> None:
    page = (ROOT / "docs" / "prometheus.md").read_text()
    headings = {re.sub(r"[^\w-]", "", line.lstrip("# ").lower().replace(" ", "-")) for line in page.splitlines()}
    for rule in rules("alerts"):
        assert rule["labels"]["severity"] in ("info", "warning", "critical"), rule["alert"]
        assert rule["for"] and set(rule["annotations"]) == {"summary", "description", "runbook"}, rule["alert"]
        file, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert file == "docs/prometheus.md" and anchor in headings, rule["alert"]


@cache
def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GRAFANA / "headway.json").read_text())
    return found


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def test_the_dashboards_panels_have_a_unit_a_description_and_a_place_of_their_own() -> None:
    taken = set[tuple[int, int]]()
    assert len({panel["id"] for panel in dashboard()["panels"]}) == len(dashboard()["panels"])
    for panel in panels():
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"].get("unit") or panel["options"]["yAxis"]["unit"], panel["title"]
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken and at["x"] + at["w"] <= 24, panel["title"]
        taken |= cells


def test_the_dashboard_asks_the_prometheus_that_is_chosen_and_names_no_other_variable() -> None:
    variables = {each["name"] for each in dashboard()["templating"]["list"]}
    assert variables == {"DS_PROMETHEUS", "job", "instance", "agent", "site"}
    text = json.dumps(dashboard())
    assert set(re.findall(r'"type": "prometheus", "uid": "([^"]*)"', text)) == {"${DS_PROMETHEUS}"}
    named = set(re.findall(r"\$\{?([A-Za-z_]+)", text))
    assert named - variables == {"__rate_interval", "__range", "__all", "__field"}


def test_grafanas_files_name_what_is_there() -> None:
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/headway.yml").read_text())["datasources"]
    assert source["type"] == "prometheus"
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/headway.yml").read_text())["providers"]
    assert provider["type"] == "file" and provider["options"]["path"]


# --- the demo, and a Prometheus that scrapes it


@dataclass(frozen=True)
class Demo:
    server: Server
    prometheus: Prometheus
    began: float
    """When both were there, in seconds since the epoch."""

    def site(self, more: str = "") -> Site:
        """The demo's store, with Prometheus, as a process of its own sees it."""
        environ = {
            "REDIS_URL": f"unix://{self.server.data / 'valkey.sock'}",
            "PROMETHEUS_URL": self.prometheus.url,
            "HEADWAY_TOKEN": TOKEN,
            "HEADWAY_DATA": str(self.server.folder / "other"),
        }
        declared = f'[prometheus]\nevery = "{EVERY}"\nmatch = {{ job = "headway" }}\n{more}'
        return create_site(Flask("headway"), read_settings(environ), config.parse(declared, {}))


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    port = free_port()
    prometheus = Prometheus(
        port, job="headway", every=EVERY, sends=METRICS_TOKEN,
        rules=[RULES / "headway.rules.yml", RULES / "headway.alerts.yml"],
    )  # fmt: skip
    queues = Valkey().start()
    Queue("mails", connection=redis.Redis.from_url(queues.url)).enqueue("builtins.print")
    env = {
        "HEADWAY_CONFIG": str(ROOT / "demo" / "headway.toml"),
        "HEADWAY_METRICS_TOKEN": METRICS_TOKEN,
        "DEMO_PORT": str(port),
        "PROMETHEUS_URL": prometheus.url,
        "DEMO_QUEUES": queues.url,
    }
    server = Server(port, TOKEN, env)
    feeder: subprocess.Popen[bytes] | None = None
    try:
        server.start()
        prometheus.start()
        feeder = subprocess.Popen(
            [sys.executable, "demo/feeder.py", "--url", server.url, "--token", TOKEN, "--rate", "240", "--no-history"],
            cwd=ROOT, env=bare_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        yield Demo(server, prometheus, time.time())
    finally:
        if feeder is not None:
            feeder.terminate()
            feeder.wait(30)
        prometheus.close()
        server.close()
        queues.close()


def asked() -> dict[str, str]:
    """Each query of the dashboard as a reader's Grafana sends it, by the panel that it is for."""
    found = {}
    for panel in panels():
        for target in panel["targets"]:
            query = target["expr"]
            for variable, value in CHOSEN.items():
                query = query.replace(variable, value)
            found[f"{panel['title']} ({target['refId']})"] = query
    return found


def tells(prometheus: Prometheus, query: str) -> bool:
    return any(math.isfinite(float(each["value"][1])) for each in prometheus.query(query))


def test_each_query_of_the_dashboard_and_each_record_tells_something_of_the_demo(demo: Demo) -> None:
    waiting = asked() | {rule["record"]: rule["record"] for rule in rules("rules")}
    assert len(waiting) > 70

    def all_told() -> bool:
        # Somebody looks at the page, or there would be nothing to say of its panels and cache.
        demo.server.get("/dashboard/api/jobs-per-minute?range=6h")
        for name, query in list(waiting.items()):
            if tells(demo.prometheus, query):
                del waiting[name]
        return not waiting

    try:
        wait_until(all_told, within=60, every=0.5, what="data for each query")
    except pytest.fail.Exception:
        pytest.fail(f"nothing for {waiting}")
    for each in dashboard()["annotations"]["list"]:
        if query := each.get("expr"):
            for variable, value in CHOSEN.items():
                query = query.replace(variable, value)
            demo.prometheus.query(query)  # they have nothing to show while all is well
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            series = variable["definition"].removeprefix("label_values(").rpartition(",")[0]
            for name, value in CHOSEN.items():
                series = series.replace(name, value)
            assert demo.prometheus.query(f"count by ({variable['name']}) ({series})"), variable["name"]


# --- long spans


def close(ours: float, theirs: float, beside: float) -> bool:
    """The same, as far as two who look at different moments can tell."""
    return abs(ours - theirs) <= beside + 0.35 * max(ours, theirs)


def test_prometheus_tells_of_a_span_what_headways_own_history_does(demo: Demo) -> None:
    site = demo.site()
    names = ("requests", "ingest_updates", "redis_latency_ms", "jobs_queued", "jobs_processing", "open_streams")

    def both() -> Any:
        window = Window(int(time.time() - 3) // 10 * 10 - 20, 10, 2)
        forget(site)
        told = prometheus_history.told(site, (*names, "request_duration"), window)
        own = series_service.read(site, names, window)
        theirs = {name: prometheus_readings.readings(told.values, name, window) for name in names}
        known = window.start >= demo.began and not any(None in each for each in (*own.values(), *theirs.values()))
        return known and (window, own, theirs, told.values)

    window, own, theirs, values = wait_until(both, within=60, every=1, what="a span that both know")
    for name in names:
        mean, mean_too = (sum(one.mean for one in each[name]) / window.steps for each in (own, theirs))
        beside = 50 if name == "redis_latency_ms" else 0.5  # one of them sees what the other misses
        assert close(mean, mean_too, beside), f"{name}: {own[name]} {theirs[name]}"
    for one in theirs["jobs_processing"]:
        assert one.min <= one.mean <= one.max
    ours = series_service.together(series_service.histograms(site, ("request_duration",), window)["request_duration"])
    of_prometheus = series_service.together(
        prometheus_readings.counts(values, "request_duration", window, series_catalog.of("request_duration").bounds)
    )
    assert ours is not None and of_prometheus is not None
    assert close(ours.total, of_prometheus.total, 3)
    p50, p50_too = (series_service.percentile(each, 0.5) or 0.0 for each in (ours, of_prometheus))
    assert p50 > 0 and close(p50, p50_too, 0.002)


def forget(site: Site) -> None:
    """What was kept of Prometheus' answers."""
    if keys := site.store.redis.keys("*prometheus:*"):
        site.store.redis.delete(*keys)


def test_prometheus_tells_of_jobs_what_headways_own_counters_do(demo: Demo) -> None:
    site = demo.site()
    window = Window((int(time.time()) // 60 - 3) * 60, 60, 4)
    own = job_series_service.series(site, window)
    forget(site)
    told = prometheus_history.told(site, ("jobs",), window)
    assert told.why is None
    theirs = prometheus_readings.jobs(told.values, own, [False] * window.steps, window, site.clock())
    for figure in ("created", "completed", "failed"):
        ours, of_prometheus = (sum(getattr(point, figure) for point in each.points) for each in (own, theirs))
        assert close(ours, of_prometheus, 6), figure
    assert theirs.points[-1] != own.points[-1], "the last minute does not come from Prometheus"
    assert close(own.success_rate or 0, theirs.success_rate or 0, 10)
    assert close(own.queue_depth or 0, theirs.queue_depth or 0, 1)
    assert theirs.took.p50 and theirs.took.p95 and theirs.took.p50 <= theirs.took.p95


def test_a_site_among_others_is_told_apart_by_its_labels(demo: Demo) -> None:
    window = Window(int(time.time()) // 3600 * 3600 - 9 * 86_400, 3600, 9 * 24 + 1)
    site = demo.site()
    assert any(chart_source.readings(site, ["requests"], window).of["requests"])
    other = replace(site, config=config.parse('[prometheus]\nmatch = { job = "~another|third" }', {}))
    found = prometheus_history.told(other, ["requests"], window)
    assert found.why is None and not found.values


def test_a_long_span_comes_from_prometheus_where_headway_knows_nothing_and_without_it_that_is_said(
    demo: Demo, site: Site
) -> None:
    def data(query: str) -> Any:
        answer = demo.server.get(f"/dashboard/api/jobs-per-minute?{query}")
        assert answer.status == 200, answer.text
        return answer.json()

    def some() -> Any:
        found = data("range=24h")
        return found["completed"] and found

    day = wait_until(some, within=30, what="a job that ended")
    assert day["source"] == ""
    month = data("range=30d")
    assert month["completed"] >= day["completed"], "Prometheus came later than the first job"
    empty = replace(site, settings=demo.site().settings, config=demo.site().config)

    def told() -> int:
        forget(empty)
        found = chart_source.jobs(empty, windows.of_range("30d", time.time()))
        return found.source == "From Prometheus." and sum(point.completed for point in found.series.points)

    wait_until(told, within=30, every=1, what="jobs that Prometheus knows")
    year = f"from={int(time.time()) - 360 * 86_400}"
    assert data(year)["completed"] > 0
    assert data(year)["step_s"] == 2 * 86_400

    demo.prometheus.stop()
    try:
        alone = data(f"from={int(time.time()) - 20 * 86_400}")
        page = demo.server.get(f"/dashboard/api/jobs-per-minute-html?from={int(time.time()) - 20 * 86_400}")
    finally:
        demo.prometheus.start()
    assert alone["source"].startswith("Prometheus can't be asked, because") and alone["completed"] > 0
    assert "these are Headway's own figures" in alone["source"]
    assert page.status == 200 and "Prometheus can&#39;t be asked" in page.text
