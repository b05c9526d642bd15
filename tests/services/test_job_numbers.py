"""A number means one job for ever, also where the store is emptied."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain

from core import keys
from core.database import Database
from core.site import Site
from core.store import Store
from services import job_numbers
from services.archive_service import Archiver
from services.job_numbers import Heard, learn, may_be_given
from tests import archive
from tests.archived import row, write
from tests.conftest import free_port
from tests.services.reports import create

AGENTS = ("a", "b", "c", "d", "e", "f")


def numbers(site: Site) -> list[int]:
    return [create(site, agent=agent).number for agent in AGENTS]


def away(site: Site) -> Site:
    url = f"postgresql://headway:hush@127.0.0.1:{free_port()}/postgres"
    return replace(site, database=Database(replace(site.settings, database_url=url)))


def test_a_store_that_is_emptied_under_a_process_gives_no_number_again(parted_site: Site) -> None:
    before = numbers(parted_site)
    parted_site.store.given -= 5  # the last ones were given a moment ago, and their answers are on the way
    parted_site.store.redis.flushall()
    after = numbers(parted_site)
    assert min(after) > max(before)
    assert len(set(after)) == len(AGENTS)


def test_no_number_is_left_out_while_many_report_at_once(parted_site: Site) -> None:
    with ThreadPoolExecutor(6) as pool:
        found = sorted(chain(*pool.map(lambda _: numbers(parted_site), range(12))))
    assert len(set(found)) == 12 * len(AGENTS)
    assert found[-1] // parted_site.store.partitions == 12 * len(AGENTS)


def test_a_process_knows_the_numbers_that_others_gave(parted_site: Site) -> None:
    site = parted_site
    other = replace(site, store=Store(site.store.url, site.store.partitions))
    heard = Heard(other.store)
    before = numbers(site)
    for partition in range(site.store.partitions):
        found = site.store.raw.xrange(keys.EVENTS.at(partition))
        heard.entries(site.bus.log.entries(partition, found))
    site.store.redis.flushall()
    assert min(numbers(other)) > max(before)
    other.store.close()


def test_an_empty_store_beside_an_archive_goes_on_above_it_from_the_first_job_on(parted_site: Site) -> None:
    with archive.archived(parted_site) as site:
        write(site, row(60_005), row(7))
        assert learn(site)
        assert min(numbers(site)) > 60_005


def test_what_the_archive_has_is_known_once_it_can_be_asked(site: Site) -> None:
    assert learn(site)  # there is no file of it yet
    assert not learn(away(site))
    site.database.path.touch()
    assert learn(site)  # it has no tables yet
    site.database.close()


def test_a_number_that_nobody_was_given_is_known_as_such_once_the_archive_was_seen(parted_site: Site) -> None:
    with archive.archived(parted_site) as site:
        assert may_be_given(site, 10**9)  # it may be archived
        write(site, row(500))
        Archiver().run(site)
        given = numbers(site)
        assert all(may_be_given(site, number) for number in (1, 500, *given))
        assert not may_be_given(site, max(given) + site.store.partitions)
        assert job_numbers.archived(site) == 500
