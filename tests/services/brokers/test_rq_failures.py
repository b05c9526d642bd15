"""Failures of real RQ workers, as they are grouped, alerted on and told to Prometheus: with nothing in them that is masked."""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec
import pytest

import app
from core import exposition
from core.config.brokers import Masking
from core.config.redaction import Redaction
from core.site import Site
from services import errors_service, windows
from services.archive_service import Archiver
from services.errors_service import Named, Which
from tests import archive
from tests.conftest import Valkey
from tests.rq_workers import TASKS, RqWorker, queue
from tests.services.alert_rules import Clock, declaring, looked, notes
from tests.services.brokers.followed_rq import FollowedRq
from tests.services.brokers_told import note

RULES = """
[[alerts]]
id = "failures"
when = { kind = "failed_jobs", queue = "mails", agent = "rq", above = 1 }
[[alerts]]
id = "nobody"
when = { kind = "no_worker", queue = "mails", agent = "rq", within = "1ms" }
"""


def test_failures_alike_are_one_error_and_what_is_masked_is_told_nowhere(
    site: Site, theirs: Valkey, follow: Callable[..., FollowedRq], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    archive.database(site.settings).close()
    mails = queue(theirs.url, "mails")
    ids = [mails.enqueue(f"{TASKS}.fail", f"card 4111-22{n} of user {n} refused").id for n in (1, 2)]
    followed = follow(theirs.url, masking=Masking(patterns=(Redaction(pattern=r"4111-\d+"),)))
    snapshot = followed.settled()
    note(site, "rq", *snapshot.queues, workers=snapshot.workers)
    clock = Clock(site.clock() + 5)
    declared = declaring(site, RULES, clock)
    assert [one.shown for one in looked(declared, clock)] == ["ok", "firing"], "two jobs wait and nobody listens"

    worker = RqWorker(theirs.url, "mails").start()
    try:
        for id in ids:
            job = followed.comes_to(id, "failed")
            assert job.error and "card *** of user" in job.error
    finally:
        worker.close()
    Archiver().run(site)

    found = errors_service._errors(site, windows.of_range("1h", site.clock()), Which(queue="mails"), "most")
    assert (found.failures, found.kinds) == (2, 1)
    (group,) = found.groups
    assert (group.error_type, group.message) == (f"{TASKS}.MailError", "card *** of user <number> refused")
    assert group.queues == (Named("mails", 2, "rq"),)
    assert group.functions == (Named(f"{TASKS}.fail", 2),)

    clock.now = site.clock()
    assert looked(declared, clock)[0].shown == "firing"
    told = [f"{one.title} {one.body}" for one in notes(site)]
    assert any("2 jobs of the queue mails of rq failed" in each for each in told)
    families = [family for families in app.FAMILIES for family in families(declared)]
    metrics = exposition.render(families, openmetrics=False)
    assert 'headway_queue_jobs_finished_total{broker="rq",outcome="failed",queue="mails"} 2.0' in metrics
    for text in (metrics, caplog.text, *told, msgspec.json.encode(found).decode()):
        assert "4111" not in text
