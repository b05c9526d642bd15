"""What platforms read: each file says what it should, and each command in it runs for real."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from core.settings import VARIABLES
from tests.conftest import TOKEN, Valkey, free_port, wait_until
from tests.serving import ROOT, Server, ask, bare_environment
from tests.tls import TlsFront, certificate

NAMES = {variable.name for variable in VARIABLES}


def read_json(name: str) -> Any:
    return json.loads((ROOT / name).read_text("utf-8"))


@contextmanager
def running(command: str | list[str], **env: str) -> Iterator[tuple[int, Path]]:
    """A platform's command on a free port, in a folder for its data; ended as a platform ends it."""
    port, folder = free_port(), Path(tempfile.mkdtemp(prefix="hw-"))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    full = bare_environment() | {"PORT": str(port), "HEADWAY_DATA": str(folder), "HEADWAY_TOKEN": TOKEN, "PATH": path}
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["sh", "-c", command] if isinstance(command, str) else command,
            cwd=ROOT, env=full | env, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    try:
        wait_until(lambda: process.poll() is not None or status(port, "/healthz") == 200, what="an answer")
        assert process.poll() is None, log.read_text()
        yield port, log
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, log.read_text()
    finally:
        with suppress(ProcessLookupError):  # whatever it left behind
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def status(port: int, path: str) -> int:
    try:
        return ask(port, "GET", path, timeout=5).status
    except OSError:
        return 0


def procfile() -> dict[str, str]:
    lines = (ROOT / "Procfile").read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines if line)


# --- Heroku


def test_the_procfile_serves_on_the_platforms_port_and_every_address_trusts_one_proxy_and_ends_cleanly() -> None:
    with running(procfile()["web"]) as (port, _):
        assert status(port, "/readyz") == 200
        assert status(port, "/dashboard/observability") in (302, 303, 401)
        addresses = {c.laddr.ip for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.laddr.port == port}
        assert addresses == {"0.0.0.0"}
        answer = ask(port, "GET", "/", headers={"X-Forwarded-Proto": "https", "Authorization": f"Bearer {TOKEN}"})
        assert "max-age" in answer.headers.get("Strict-Transport-Security", ""), "the proxy's https is not believed"


@pytest.mark.parametrize(
    ("given", "dyno", "made"),
    [
        ("rediss://:p@host:6380", "web.1", "rediss://:p@host:6380?ssl_cert_reqs=none"),
        ("rediss://:p@host:6380/0?db=1", "web.1", "rediss://:p@host:6380/0?db=1&ssl_cert_reqs=none"),
        ("rediss://h:1?ssl_cert_reqs=required", "web.1", "rediss://h:1?ssl_cert_reqs=required"),
        ("redis://host:6379", "web.1", "redis://host:6379"),
        ("rediss://:p@host:6380", "", "rediss://:p@host:6380"),
        ("", "web.1", ""),
    ],
)
def test_only_herokus_own_redis_is_taken_without_its_certificate(
    tmp_path: Path, given: str, dyno: str, made: str
) -> None:
    shim = tmp_path / "gunicorn"
    shim.write_text('#!/bin/sh\nprintf %s "${REDIS_URL:-}"\n')
    shim.chmod(0o755)
    env = bare_environment() | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "REDIS_URL": given, "DYNO": dyno}
    found = subprocess.run(["sh", "-c", procfile()["web"]], cwd=ROOT, env=env, capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, made)


def test_a_redis_with_a_certificate_of_its_own_serves_on_heroku_and_nowhere_else(
    valkey: Valkey, tmp_path: Path
) -> None:
    cert, key = certificate(tmp_path)
    with TlsFront(valkey.socket, cert, key) as front:
        url = f"rediss://127.0.0.1:{front.port}/0"
        with running(procfile()["web"], REDIS_URL=url, DYNO="web.1") as (port, _):
            assert status(port, "/readyz") == 200
        with running(procfile()["web"], REDIS_URL=url) as (port, _):
            assert status(port, "/readyz") == 503


def test_app_json_brings_a_redis_a_postgresql_a_token_and_a_health_check() -> None:
    app = read_json("app.json")
    assert [addon.partition(":")[0] for addon in app["addons"]] == ["heroku-redis", "heroku-postgresql"]
    assert app["env"]["HEADWAY_TOKEN"]["generator"] == "secret"
    assert app["formation"]["web"]["quantity"] == 1
    assert app["healthchecks"]["web"][0]["path"] == "/healthz"
    assert {"name", "description", "keywords", "success_url"} <= app.keys()
    assert set(app["env"]) <= NAMES
    assert all(
        entry.get("description") and ("value" in entry) != ("generator" in entry) for entry in app["env"].values()
    )


def test_the_pinned_python_is_one_that_the_project_supports() -> None:
    pinned = tuple(int(part) for part in (ROOT / ".python-version").read_text().strip().split("."))
    assert pinned == sys.version_info[: len(pinned)]


# --- Railway


def test_railways_start_command_serves_and_its_health_check_answers() -> None:
    deploy = read_json("railway.json")["deploy"]
    assert deploy["restartPolicyType"] == "ON_FAILURE"
    with running(shlex.split(deploy["startCommand"])) as (port, _):
        assert status(port, deploy["healthcheckPath"]) == 200
        # Railway asks from a host name of its own.
        assert ask(port, "GET", "/healthz", headers={"Host": "healthcheck.railway.app"}).status == 200


def test_the_health_check_answers_its_platform_also_where_the_public_url_is_set() -> None:
    with running(procfile()["web"], HEADWAY_URL="https://headway.example.com") as (port, _):
        assert ask(port, "GET", "/healthz", headers={"Host": "healthcheck.railway.app"}).status == 200


# --- Docker


def dockerfile() -> list[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.M)
    text = text.replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]  # type: ignore[misc]


def last(instruction: str) -> str:
    return [rest for name, rest in dockerfile() if name == instruction][-1]


def copied() -> list[str]:
    """The paths of this project that end up in the image; of a pattern, what it finds here."""
    lines = [shlex.split(rest) for name, rest in dockerfile() if name == "COPY" and not rest.startswith("--from")]
    sources = [source for parts in lines for source in parts[:-1]]
    return [path for one in sources for path in ([p.name for p in ROOT.glob(one)] if "[" in one else [one])]


def test_the_image_holds_what_the_program_imports_and_its_health_check_tells_whether_it_serves() -> None:
    assert all((ROOT / path).exists() for path in copied())
    with tempfile.TemporaryDirectory(prefix="hw-") as folder:
        for source in [*copied(), "requirements.txt"]:
            target = Path(folder) / source
            target.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, target)
            else:
                shutil.copyfile(ROOT / source, target)
        assert json.loads(last("CMD")) == ["gunicorn"]
        site = Server(free_port(), TOKEN, root=Path(folder))
        try:
            assert site.start().get("/dashboard/observability").status == 200
            assert healthy(site.port)
            site.kill()
            assert not healthy(site.port)
        finally:
            site.close()


def healthy(port: int) -> bool:
    """What the image's health check says of a port."""
    command = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    assert command[0] == "python"
    run = subprocess.run([sys.executable, *command[1:]], cwd=ROOT, env={"PORT": str(port)}, capture_output=True)
    assert run.returncode in (0, 1), run.stderr
    return run.returncode == 0


def test_the_builds_context_lets_through_what_the_image_copies() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {path.split("/")[0] for path in copied()} <= allowed


def test_the_image_runs_as_a_user_of_its_own_and_installs_only_what_is_locked() -> None:
    names = [name for name, _ in dockerfile()]
    assert last("USER") not in ("root", "0")
    assert names.index("USER") < names.index("CMD")
    assert "VOLUME" not in names, "Railway refuses images with a VOLUME"
    assert any("--require-hashes -r requirements.txt" in rest for name, rest in dockerfile() if name == "RUN")
    assert sum(name == "FROM" for name in names) == 2
    pinned = (ROOT / ".python-version").read_text().strip()
    assert all(rest.startswith(f"python:{pinned}-slim") for name, rest in dockerfile() if name == "FROM")


# --- Compose


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return found


def test_compose_starts_headway_beside_valkey_postgresql_and_prometheus() -> None:
    services = compose()["services"]
    assert set(services) == {"headway", "valkey", "postgres", "prometheus"}
    environment = services["headway"]["environment"]
    assert set(environment) <= NAMES
    assert environment["REDIS_URL"].startswith("redis://valkey:")
    assert "@postgres:5432/" in environment["DATABASE_URL"]
    assert "everysec" in services["valkey"]["command"]
    mounted = [mount.split(":")[0] for service in services.values() for mount in service.get("volumes", [])]
    assert all((ROOT / path).exists() if path.startswith("./") else path in compose()["volumes"] for path in mounted)


def test_compose_publishes_nothing_beyond_this_machine_and_keeps_no_secret_in_the_file() -> None:
    published = [port for service in compose()["services"].values() for port in service.get("ports", [])]
    assert published and all(port.startswith("127.0.0.1:") for port in published)
    secrets = {variable.name for variable in VARIABLES if variable.secret}
    for name, value in compose()["services"]["headway"]["environment"].items():
        if name in secrets and name.endswith("_TOKEN"):
            assert value.startswith("${"), f"{name} stands in the file"


# --- Prometheus


def prometheus_folder(folder: Path, target: str) -> Path:
    """The configuration with a token beside it, as compose lays it out, scraping `target`."""
    text = (ROOT / "deploy/prometheus/prometheus.yml").read_text()
    scraped = text.replace("headway:8000", target).replace("scrape_interval: 15s", "scrape_interval: 1s")
    (folder / "prometheus.yml").write_text(scraped.replace("scrape_timeout: 10s", "scrape_timeout: 1s"))
    (folder / "headway-token").write_text("a-metrics-token-for-tests")
    return folder / "prometheus.yml"


def test_prometheus_finds_its_token_where_compose_puts_it() -> None:
    secret = compose()["services"]["prometheus"]["secrets"][0]["target"]
    assert secret == "/etc/prometheus/headway-token"


def test_a_real_prometheus_scrapes_the_site_with_the_metrics_token(
    server: Callable[..., Server], tmp_path: Path
) -> None:
    site = server(env={"HEADWAY_METRICS_TOKEN": "a-metrics-token-for-tests"})
    config, port = prometheus_folder(tmp_path, f"127.0.0.1:{site.port}"), free_port()
    command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'tsdb'}",
               f"--web.listen-address=127.0.0.1:{port}"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def scraped() -> bool:
        try:
            answer = ask(port, "GET", "/api/v1/query?query=headway_uptime_seconds", timeout=5).json()
        except (OSError, ValueError):
            return False
        return answer.get("status") == "success" and bool(answer["data"]["result"])

    try:
        wait_until(scraped, what="a figure of Headway's in Prometheus")
    finally:
        process.terminate()
        process.wait(30)
