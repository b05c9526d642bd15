"""Every button that acts, pressed in a real browser, on what real workers of RQ and Celery have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from celery import Celery
from playwright.sync_api import Page, expect
from rq import Queue

from tests.browser.conftest import Site, Visit
from tests.celery_workers import CeleryWorker, broker_url
from tests.conftest import TOKEN, Valkey, free_port, wait_until
from tests.rq_workers import TASKS, RqWorker, queue
from tests.serving import Server

Go = Callable[..., Visit]


@pytest.fixture(scope="module")
def headway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site that follows an RQ and a Celery in databases of its own store's server."""
    store = Valkey().start()
    config = tmp_path_factory.mktemp("site") / "headway.toml"
    config.write_text(
        f'[[queues]]\nkind = "rq"\nurl = "{store.url}?db=1"\n'
        f'[[queues]]\nkind = "celery"\nurl = "{broker_url(store.url)}?virtual_host=2"\n'
    )
    server = Server(free_port(), TOKEN, {"REDIS_URL": store.url, "HEADWAY_CONFIG": str(config)})
    try:
        yield Site(server.start(), store)
    finally:
        server.close()
        store.close()


@pytest.fixture(scope="module")
def rq_url(headway: Site) -> str:
    return f"{headway.store.url}?db=1"


@pytest.fixture(scope="module")
def idle(rq_url: str) -> Queue:
    return queue(rq_url, "idle")


def number_of(headway: Site, id: str, agent: str = "rq") -> int:
    """Of a job, once the site knows it."""

    def known() -> int | None:
        answer = headway.server.get(f"/api/v1/queue/{id}?agent={agent}")
        return int(answer.json()["queue_id"]) if answer.status == 200 else None

    return int(wait_until(known, what="the site to know the job"))


def says(page: Page, words: str) -> None:
    expect(page.locator(".banner[role=status]").filter(has_text=words)).to_be_visible()


def press(page: Page, *names: str, said: str) -> None:
    """Press the button, and the one that it asks once more with; the page says what came of it."""
    button = page.locator(".acting:visible")
    button.locator("summary, button").filter(has_text=names[0]).first.click()
    for name in names[1:]:
        button.get_by_role("button", name=name).first.click()
    says(page, said)


def test_a_jobs_buttons_act_and_its_page_follows(headway: Site, idle: Queue, visit: Go) -> None:
    first, job = (idle.enqueue(f"{TASKS}.add", 1, n) for n in range(2))
    queue(f"{headway.store.url}?db=1", "second").enqueue(f"{TASKS}.add", 1, 2)
    seen = visit(headway, f"/dashboard/jobs/{number_of(headway, job.id)}")
    page = seen.page
    press(page, "Move to front", said="It is the next of its queue now.")
    assert idle.job_ids == [job.id, first.id]
    page.locator(".acting .ask summary").filter(has_text="Move").click()
    page.get_by_label("Queue", exact=True).fill("second")
    press(page, "Move this job", said="It was moved to second.")
    expect(page.locator("#region-job").get_by_text("second").first).to_be_visible()
    press(page, "Cancel", "Cancel this job", said="It was canceled.")
    expect(page.locator("#region-job .headline")).to_contain_text("canceled")
    press(page, "Retry", said="It was put into its queue again.")
    expect(page.locator("#region-job .headline")).to_contain_text("attempt 2")
    press(page, "Delete", "Delete this job", said="It was deleted from RQ.")
    expect(page.locator(".acting")).to_contain_text("RQ knows this job no longer.")
    later = idle.enqueue_in(timedelta(hours=1), f"{TASKS}.add", 1, 2)
    page.goto(f"{headway.url}/dashboard/jobs/{number_of(headway, later.id)}")
    press(page, "Run now", said="It was put into its queue.")
    idle.remove(later.id)  # a worker takes it, while the page still shows it waiting
    press(page, "Cancel", "Cancel this job", said="Not done. It has changed meanwhile")


def test_a_worker_is_stopped_at_its_job_and_shut_down(headway: Site, rq_url: str, visit: Go) -> None:
    job = queue(rq_url, "busy").enqueue(f"{TASKS}.hold", "never")
    seen = visit(headway, f"/dashboard/jobs/{number_of(headway, job.id)}")
    seen.live()
    seen.page.locator(".acting summary").filter(has_text="Move").click()
    worker = RqWorker(rq_url, "busy").start()
    try:
        expect(seen.page.locator(".acting summary").filter(has_text="Stop")).to_be_visible()
        expect(seen.page.locator(".acting details[open]")).to_have_count(0)  # what was open was another action
        press(seen.page, "Stop", "Stop this job", said="Its worker was told to stop it.")
        wait_until(lambda: str(job.get_status().value) == "stopped", what="the job's end")
        seen.page.goto(f"{headway.url}/dashboard/workers")
        press(seen.page, "Shut down", f"Shut down {worker.name}", said="It was told to end")
        assert worker.process is not None
        worker.process.wait(30)
    finally:
        worker.close()


def test_queues_are_paused_resumed_and_emptied(headway: Site, idle: Queue, visit: Go) -> None:
    idle.enqueue(f"{TASKS}.add", 1, 2)
    number_of(headway, idle.job_ids[-1])
    seen = visit(headway, "/dashboard/queues/rq/idle")
    press(seen.page, "Pause", "Pause all workers", said="RQ can't pause one queue alone")
    press(seen.page, "Resume", said="All workers of this Redis go on.")
    press(seen.page, "Empty", "Empty idle", said="deleted from RQ")
    assert idle.count == 0


def test_a_workers_pool_rate_events_and_queue_are_changed(headway: Site, visit: Go) -> None:
    url = f"{headway.store.url}?virtual_host=2"
    worker = CeleryWorker(url, "celery", pool="prefork", concurrency=1).start()
    app = Celery("asks", broker=broker_url(url))
    try:
        seen = visit(headway, "/dashboard/workers")
        page = seen.page
        press(page, "+1", said="Its pool was told to grow by 1.")
        page.locator(".acting summary").filter(has_text="Limit").first.click()
        page.get_by_label("Task").fill("shop.add")
        page.get_by_label("Rate").fill("10/m")
        page.locator(".acting").get_by_role("button", name="Limit", exact=True).click()
        says(page, "It does shop.add at 10/m at most now.")
        press(page, "Events", said="It tells of its tasks from now on")
        page.goto(f"{headway.url}/dashboard/queues/celery/celery")
        press(page, "Pause", said="1 worker takes from it no longer")
        press(page, "Resume", said="1 worker takes from it again")
    finally:
        app.close()
        worker.close()


def test_chosen_jobs_are_acted_on_from_the_list(headway: Site, rq_url: str, visit: Go) -> None:
    picked = queue(rq_url, "picked")
    jobs = [picked.enqueue(f"{TASKS}.add", 1, n) for n in range(3)]
    numbers = [number_of(headway, job.id) for job in jobs]
    seen = visit(headway, "/dashboard/jobs?q=queue:picked+status:queued", bypass_csp=True)
    page = seen.page
    for number in numbers[:2]:
        page.locator(f"input[name=job][value='{number}']").check()
    page.locator("#bulk summary").click()
    page.get_by_label("To the queue").fill("nowhere")
    page.get_by_label("To the queue").press("Enter")
    expect(page.locator("h1")).to_have_text("Move to nowhere: 0 of 2 jobs")
    expect(page.get_by_text("There is no queue 'nowhere'")).to_be_visible()
    seen.looks_right(390, 1280)
    page.go_back()
    page.locator("#bulk").get_by_role("button", name="Cancel", exact=True).click()
    expect(page.locator("h1")).to_have_text("Cancel: 2 of 2 jobs")
    page.set_viewport_size({"width": 390, "height": 800})
    name = page.locator(".meant td").first
    assert name.evaluate("name => name.offsetWidth == name.parentNode.offsetWidth")
    seen.looks_right(390, 1280)
    page.get_by_role("button", name="Cancel 2 jobs").click()
    expect(page.locator("#region-operation .tag")).to_have_text("done")
    assert page.locator("progress").get_attribute("value") == "2"
    seen.looks_right(390, 1280)
    assert picked.job_ids == [jobs[2].id]
    page.goto(f"{headway.url}/dashboard/jobs?q=queue:picked+status:queued")
    page.locator("[name=all]").check()
    page.locator("#bulk").get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete 1 job").click()
    expect(page.locator("#region-operation .tag")).to_have_text("done")
    assert picked.count == 0
    page.goto(f"{headway.url}/dashboard/audit")
    expect(page.locator("tbody tr").first).to_contain_text("1 done")
    seen.looks_right(390, 1280)


def test_the_buttons_work_without_a_script(headway: Site, idle: Queue, visit: Go) -> None:
    job = idle.enqueue(f"{TASKS}.add", 1, 2)
    seen = visit(headway, f"/dashboard/jobs/{number_of(headway, job.id)}", java_script_enabled=False)
    press(seen.page, "Cancel", "Cancel this job", said="It was canceled.")
    assert job.is_canceled
