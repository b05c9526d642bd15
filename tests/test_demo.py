"""The demo does real work, trips over what is really spoiled, and reports it all to a real site."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import signal
import subprocess
import sys
import tarfile
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import headway
from demo import feeder, history, material, works
from demo.reporting import Refused, Site
from demo.tally import Orders
from tests.conftest import TOKEN, free_port, wait_until
from tests.serving import ROOT, Server
from tests.streams import opened

Feed = Callable[..., subprocess.Popen[str]]


class Notes:
    """Takes down what a piece of work says of itself, and lets it rest for no time."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.percents: list[float] = []
        self.orders: list[Orders] = []

    def stage(self, name: str, percent: float, message: str = "") -> None:
        self.stages.append(name)
        self.percents.append(percent)

    def progress(self, percent: float, message: str = "") -> None:
        self.percents.append(percent)

    def pause(self, seconds: float) -> None:
        assert seconds > 0

    def took_in(self, orders: Orders) -> None:
        self.orders.append(orders)


def until_found(make: Callable[[random.Random], Any], spoiled: Callable[[Any], bool]) -> Any:
    """The first thing that `make` makes which is spoiled in the wanted way."""
    for seed in range(500):
        made = make(random.Random(seed))
        if spoiled(made):
            return made
    raise AssertionError("none of 500 was spoiled that way")


def sound(folder: Path) -> bool:
    lines = [line.split("  ", 1) for line in (folder / material.SUMS).read_text().splitlines()]
    return all((folder / name).exists() for _, name in lines) and all(
        hashlib.sha256((folder / name).read_bytes()).hexdigest() == wanted for wanted, name in lines
    )


def lacks_a_file(folder: Path) -> bool:
    return any(
        not (folder / line.split("  ", 1)[1]).exists() for line in (folder / material.SUMS).read_text().splitlines()
    )


# --- the works


def test_an_archive_holds_every_file_that_its_list_names(tmp_path: Path) -> None:
    folder = until_found(lambda chance: material.folder(tmp_path, "json", chance), sound)
    notes = Notes()
    result = works.archive(notes, folder, tmp_path)
    with tarfile.open(tmp_path / f"{folder.name}.tar.gz") as tar:
        assert len(tar.getnames()) == result["files"] == len((folder / material.SUMS).read_text().splitlines())
    assert notes.stages == ["walk", "hash", "compress", "verify", "write"]
    assert notes.percents == sorted(notes.percents)
    assert notes.percents[-1] < 100


def test_an_archive_refuses_a_file_that_changed_and_one_that_is_gone(tmp_path: Path) -> None:
    gone = until_found(lambda chance: material.folder(tmp_path, "json", chance), lacks_a_file)
    with pytest.raises(FileNotFoundError):
        works.archive(Notes(), gone, tmp_path)
    (elsewhere := tmp_path / "elsewhere").mkdir()
    changed = until_found(
        lambda chance: material.folder(elsewhere, "json", chance),
        lambda made: not sound(made) and not lacks_a_file(made),
    )
    with pytest.raises(ValueError, match="its checksum is"):
        works.archive(Notes(), changed, tmp_path)


def test_thumbnails_are_pictures_of_the_size_they_say(tmp_path: Path) -> None:
    whole = material.WIDTH * material.HEIGHT
    picture = until_found(lambda chance: material.picture(tmp_path, chance), lambda made: made.stat().st_size > whole)
    works.thumbs(Notes(), picture, tmp_path)
    png = (tmp_path / f"{picture.stem}-160.png").read_bytes()
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    start, size = png.index(b"IDAT") + 4, int.from_bytes(png[png.index(b"IDAT") - 4 : png.index(b"IDAT")], "big")
    assert len(zlib.decompress(png[start : start + size])) == (160 + 1) * 100


def test_a_picture_that_was_cut_short_says_how_short(tmp_path: Path) -> None:
    whole = material.WIDTH * material.HEIGHT
    cut = until_found(lambda chance: material.picture(tmp_path, chance), lambda made: made.stat().st_size < whole)
    with pytest.raises(ValueError, match="of 256,000 pixels"):
        works.thumbs(Notes(), cut, tmp_path)


def test_word_counts_are_right_and_a_text_in_another_encoding_is_named(tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "a.txt").write_text("Headway shows headway, shows work")
    assert works.reports(Notes(), texts, tmp_path) == {"texts": 1, "words": 5, "different": 3, "most_common": "headway"}
    (texts / "b.txt").write_bytes("ein Menü".encode("latin-1"))
    with pytest.raises(ValueError, match=r"b\.txt is not UTF-8"):
        works.reports(Notes(), texts, tmp_path)


def test_a_delivery_that_is_still_being_written_fails_and_succeeds_once_it_is_whole(tmp_path: Path) -> None:
    def is_cut(delivery: material.Delivery) -> bool:
        return delivery._finishes and delivery.path.stat().st_size < len(delivery._whole)

    delivery = until_found(lambda chance: material.Delivery(tmp_path, chance), is_cut)
    with pytest.raises(EOFError):
        works.intake(Notes(), delivery.path, tmp_path)
    delivery.time_passes()
    orders = [json.loads(line) for line in gzip.decompress(delivery.path.read_bytes()).splitlines()]
    notes = Notes()
    assert works.intake(notes, delivery.path, tmp_path)["orders"] == len(orders)
    tracked = [order for order in orders if order["tracked"]]
    (told,) = notes.orders
    assert (told.total, told.tracked) == (len(orders), len(tracked))
    assert told.customers == {order["customer"] for order in orders}
    assert told.episodes == {order["episode"] for order in tracked}


def test_the_history_has_good_rows_and_the_bad_ones() -> None:
    lines = history.as_csv(random.Random(1), 1_790_000_000).decode().splitlines()
    assert len(lines) == 1 + history.ROWS + len(history.BAD_ROWS)
    assert sum("half done" in line for line in lines) == 1


# --- the feeder, on a real site


@pytest.fixture
def feed() -> Iterator[Feed]:
    """Starts `python demo/feeder.py` with arguments."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "demo/feeder.py", *arguments]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=30)


def jobs(site: Server) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = site.get("/api/v1/queue?limit=500").json()["items"]
    return found


@pytest.fixture(scope="module")
def shared() -> Iterator[Server]:
    """A site for the tests of which no other sees a trace."""
    site = Server(free_port(), TOKEN)
    try:
        yield site.start()
        site.kill()
    finally:
        site.close()


def test_the_feeder_uploads_a_history_and_reports_four_agents_work_with_its_stages_progress_and_failures(
    server: Callable[..., Server], feed: Feed
) -> None:
    site = server(env={"HEADWAY_INGEST_TOKEN": "only-for-writing"})
    process = feed("--url", site.url, "--token", "only-for-writing", "--rate", "600", "--seconds", "120")

    def enough() -> bool:
        seen = Counter((job["agent"], job["status"]) for job in jobs(site))
        done = sum(seen[agent, "completed"] for agent in ("archive", "thumbs", "intake"))
        if not {"archive", "thumbs", "reports", "intake"} <= {agent for agent, _ in seen}:
            return False  # which agent's turn it is falls by chance
        if site.get("/api/v1/queue?agent=legacy&limit=1").json()["total"] < history.ROWS:
            return False
        return (
            done >= 5
            and seen["intake", "completed"]
            and any(seen[agent, "processing"] for agent in ("archive", "reports", "intake"))
        )

    wait_until(enough, within=60, what="some finished work")
    finished = [job for job in jobs(site) if job["status"] == "completed" and job["agent"] != "legacy"]
    assert all(job["result"] and job["stages"] and job["progress"] == 100 for job in finished)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0, out
    assert "refused a line" not in out
    assert f"Uploaded {history.ROWS} earlier jobs." in out, "good rows show as jobs, bad ones are left out"
    assert site.get("/api/v1/queue?agent=legacy&limit=1").json()["total"] == history.ROWS
    left = [job for job in jobs(site) if job["status"] in ("queued", "processing")]
    assert not left, "the feeder left jobs that nobody works on"
    taken_in = [job["result"] for job in jobs(site) if job["agent"] == "intake" and job["status"] == "completed"]
    tiles = {tile["id"]: tile["value"] for tile in site.get("/api/v1/tiles").json()["tiles"]}
    assert tiles["requests.total"] == sum(result["orders"] for result in taken_in)
    assert 0 < tiles["users"] <= sum(result["customers"] for result in taken_in)
    assert tiles["requests.tracking"] < tiles["requests.total"]
    assert 0 < tiles["episodes_tracked"] <= tiles["requests.tracking"]


def test_a_file_that_is_spoiled_is_logged_with_its_job_and_a_delivery_that_is_given_up_notified(
    shared: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeder, "AGAIN_S", (0.01, 0.02))
    site = shared
    headway.configure(site.url, TOKEN, timeout=20)
    (inbox := tmp_path / "inbox").mkdir()
    worker = feeder.Feeder(Site(site.url, TOKEN, threading.Event()), inbox, 1, random.Random(1))
    whole = material.WIDTH * material.HEIGHT
    cut = until_found(lambda chance: material.picture(tmp_path, chance), lambda made: made.stat().st_size < whole)
    never = until_found(
        lambda chance: material.Delivery(tmp_path, chance),
        lambda made: not made._finishes and len(made._whole) < 40_000,
    )
    thumbs = headway.job("thumbs", agent="thumbs", title="A picture")
    intake = headway.job("intake", agent="intake", title="Orders in a file")
    worker._attempts(feeder.Task(thumbs, cut, works.thumbs))
    worker._attempts(feeder.Task(intake, never.path, works.intake, never.time_passes))
    assert headway.flush()

    lines = site.get(f"/api/v1/logs?job={thumbs.id}&agent=thumbs").json()["items"]
    assert [(line["level"], line["message"].partition("\n")[0]) for line in reversed(lines)] == [
        ("info", "A picture, attempt 1"), ("debug", "read: begun"), ("error", "A picture is given up"),
    ]  # fmt: skip
    assert "ValueError: the picture ends after" in lines[0]["message"].splitlines()[-1]
    (told,) = site.get("/api/v1/notifications").json()["items"]
    assert (told["title"], told["level"]) == ("Orders in a file are given up", "error")
    assert told["body"].startswith("After 3 attempts: EOFError: ")
    assert site.get("/api/v1/queue?agent=intake").json()["items"][0]["attempt"] == 3


def test_the_feeder_waits_for_a_site_that_is_away_and_goes_on_when_it_is_back(
    server: Callable[..., Server], feed: Feed
) -> None:
    site = server(start=False)
    process = feed("--url", site.url, "--token", TOKEN, "--rate", "600")
    assert process.stdout
    lines = iter(process.stdout.readline, "")
    assert any("trying again until it does" in line for line in lines)
    site.start()
    wait_until(lambda: len(jobs(site)) > 3, within=60, what="a job on the site that came")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0, out


def test_the_feeder_ends_within_seconds_though_the_site_is_away(server: Callable[..., Server], feed: Feed) -> None:
    site = server(start=False)
    process = feed("--url", site.url, "--token", TOKEN)
    assert process.stdout
    assert any("trying again" in line for line in iter(process.stdout.readline, ""))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)
    assert process.returncode == 0


def test_a_wrong_token_ends_the_feeder_with_one_clear_line(shared: Server, feed: Feed) -> None:
    process = feed("--url", shared.url, "--token", "not-the-token", "--no-history")
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "does not let this token write (401" in out
    assert "Traceback" not in out


def test_a_call_that_the_site_refuses_says_why(shared: Server) -> None:
    reporting = Site(shared.url, TOKEN, threading.Event())
    reporting.admit()
    with pytest.raises(Refused, match="422"):
        reporting.call("POST", "/api/v1/queue", b'{"progress": 3}')


class Demo(Server):
    """The site as `make demo` starts it."""

    def command(self) -> list[str]:
        return [sys.executable, "scripts/demo.py"]


def descendants(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def test_the_demo_works_with_rq_and_celery_too_leaves_the_sign_in_link_in_sight_and_nothing_behind() -> None:
    demo = Demo(free_port(), "", {"HEADWAY_DEV": "off"})
    try:
        demo.start()
        demo.token = (demo.data / "token").read_text().strip()
        wait_until(lambda: demo.get("/api/v1/queue?status=completed").json()["total"] > 0, what="the demo's first job")
        wait_until(lambda: "Uploaded" in demo.log(), what="the feeder's word")
        assert f"/login#token={demo.token}" in demo.log()
        assert "/api/v1/queue" not in demo.log()
        assert demo.get("/api/v1/tiles").json()["tiles"][0]["title"] == "Customers"
        with opened(demo.port, "/sse/stats", demo.token) as stream:
            figures = stream.until(lambda stream: stream.messages)[0]
        assert figures.keys() == {"users", "requests", "episodes_tracked", "notifications", "timestamp"}
        assert figures["requests"].keys() == {"total", "tracking"}
        for engine in ("rq", "celery"):
            ended = f"/api/v1/queue?agent={engine}&status=completed&limit=1"
            (job,) = wait_until(lambda path=ended: demo.get(path).json()["items"], within=90, what=f"a job of {engine}")
            assert (job["engine"], job["state"]) == (engine, "finished")
        workers = descendants(demo.pid)
        assert demo.stop() == 0
        assert not [each for each in workers if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
    finally:
        demo.close()
