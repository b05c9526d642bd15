"""While the database is away, nothing is lost and it is said why; once it is back, the archive catches up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask

from app import FAMILIES, create_app
from core import keys
from core.database import Database, DatabaseError
from core.duties import Duty
from core.site import Site
from services import archive_metrics, archive_service
from services.archive_service import Archiver, standing
from tests import archive
from tests.postgres import PASSWORD, Postgres
from tests.proxy import Proxy
from tests.services.test_archive_service import end, ends, forget_stream, ids


@pytest.fixture
def proxy(postgres: Postgres) -> Iterator[Proxy]:
    proxy = Proxy(("127.0.0.1", postgres.port))
    yield proxy
    proxy.close()


@pytest.fixture
def behind_proxy(site: Site, postgres: Postgres, proxy: Proxy) -> Iterator[Site]:
    with archive.archived(site, postgres) as made:
        url = f"postgresql://headway:{PASSWORD}@127.0.0.1:{proxy.port}/postgres"
        database = Database(replace(made.settings, database_url=url))
        yield replace(made, database=database)
        database.close()


def families(site: Site) -> dict[str, float]:
    return {family.name: family.samples[0].value for family in archive_metrics.families(site)}


def fails(archiver: Archiver, site: Site) -> str:
    with pytest.raises(DatabaseError) as raised:
        archiver.run(site)
    return str(raised.value)


def test_it_says_why_and_since_when_and_catches_up_with_a_trimmed_stream(behind_proxy: Site, proxy: Proxy) -> None:
    site, archiver = behind_proxy, Archiver()
    archiver.run(site)
    first = end(site, id="first")
    archiver.run(site)
    proxy.cut()
    end(site, id="a")
    assert fails(archiver, site) == "PostgreSQL can't be reached: connection refused"
    end(site, id="b")
    forget_stream(site)
    assert fails(archiver, site) == "PostgreSQL can't be reached: connection refused"
    stands = standing(site)
    assert stands.unavailable == "PostgreSQL can't be reached: connection refused"
    assert stands.archived == 1
    assert stands.behind >= 2
    assert stands.since is not None
    assert first.finished_at is not None
    assert stands.since >= first.finished_at.timestamp() - 1
    assert families(site)["headway_archive_behind"] >= 2
    proxy.mend()
    archiver.run(site)
    assert ids(site) == ["first", "a", "b"]
    stands = standing(site)
    assert (stands.unavailable, stands.archived, stands.behind, stands.since) == (None, 3, 0, None)
    assert families(site) == {"headway_archive_behind": 0, "headway_archive_lag_seconds": 0, "headway_archived_jobs": 3}


def test_a_batch_that_was_cut_in_the_middle_is_written_once(behind_proxy: Site, proxy: Proxy) -> None:
    site, archiver = behind_proxy, Archiver()
    archiver.run(site)
    names = ends(site, 300)
    proxy.silent = True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.postgresql.QUIET_S", 0.2)
        assert "PostgreSQL" in fails(archiver, site)
    proxy.drop()
    proxy.silent = False
    archiver.run(site)
    assert ids(site) == names


def test_it_is_tried_again_within_seconds_however_often_it_failed(site: Site) -> None:
    app = create_app(site.settings)
    (duty,) = [duty for duty in app.extensions["headway.duties"] if duty.name == "archive"]
    assert duty.pause_s(1000) <= archive_service.LONGEST_PAUSE_S
    assert Duty("other", every_s=1, run=lambda _: None).pause_s(1000) > 60
    app.extensions["headway"].store.close()
    assert archive_metrics.families in FAMILIES


def test_what_somebody_else_wrote_of_the_archive_is_left_out(site: Site) -> None:
    for said in ("nonsense", '{"database": 7}', "[]"):
        site.store.redis.hset(keys.ARCHIVE.at(), "told", said)
        assert standing(site).archived is None


def test_it_is_on_the_page(app: Flask, site: Site) -> None:
    with archive.archived(site) as site:
        end(site)
        Archiver().run(site)
        page = app.test_client().get(
            "/dashboard/api/health", headers={"Authorization": "Bearer an-admin-token-for-tests"}
        )
        assert page.json is not None
        assert page.json["archive"]["archived"] == 1
