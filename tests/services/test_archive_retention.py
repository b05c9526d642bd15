"""The archive keeps a job as long as headway.toml says, and a file gives back the room of those that went."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from core import config
from core.config import Config
from core.config.model import Retention
from core.config.values import LongSpan
from core.database import Database
from core.fields import FieldError
from core.site import Site
from services import archive_records, archive_retention, archive_writer
from services.archive_service import Archiver, standing
from tests import archive

DAY_MS = 86_400_000
NOW_MS = 1_795_262_400_000


def fill(site: Site, ages_days: list[float], text: str = "") -> None:
    record = {"agent": "a", "status": "completed", "attempt": 1, "message": text}
    made = []
    for number, days in enumerate(ages_days, 1):
        finished = int(NOW_MS - days * DAY_MS)
        told = record | {"id": f"j{number}", "created": finished - 1000, "finished": finished, "updated": finished}
        row = archive_records.of_record(number, msgspec.msgpack.encode(told))
        assert isinstance(row, archive_records.Row)
        made.append(row)
    archive_writer.write(site.database, made, NOW_MS)


def keeping(site: Site, days: float) -> Site:
    declared = Config(retention=Retention(archive=LongSpan(days * 86_400)))
    return replace(site, config=declared, clock=lambda: NOW_MS / 1000)


def test_what_is_too_old_goes_and_the_rest_stays(archived_site: Site) -> None:
    Archiver().run(archived_site)
    fill(archived_site, [400, 364, 366, 1, 1000])
    assert archive_retention.run(keeping(archived_site, 365)) == 3
    assert [row["number"] for row in archive.rows(archived_site)] == [2, 4]
    assert standing(archived_site).archived == 2
    assert archive_retention.run(keeping(archived_site, 365)) == 0


def test_many_go_in_steps(archived_site: Site) -> None:
    fill(archived_site, [10] * (archive_retention.STEP + 3))
    assert archive_retention.run(keeping(archived_site, 9)) == archive_retention.STEP + 3
    assert archive.rows(archived_site) == []


def test_a_file_gives_room_back_and_keeps_some_for_what_comes(site: Site) -> None:
    with archive.archived(site) as site:
        fill(site, [10] * 2500, "much text of many words, told again " * 100)

        def pages() -> int:
            with site.database.read() as connection:
                return int(connection.exec_driver_sql("PRAGMA page_count").scalar_one())

        before = pages()
        archive_retention.run(keeping(site, 9))
        assert pages() < before / 2


def test_before_anything_ended_no_file_is_made(site: Site) -> None:
    database = Database(site.settings)
    site = replace(site, database=database)
    archive_retention.run(site)
    Archiver().run(site)
    assert not database.path.exists()


@pytest.mark.parametrize(("said", "days"), [('"730d"', 730), ('"3660d"', 3660), ("86400", 1)])
def test_how_long_is_said_in_headway_toml_in_years_if_need_be(said: str, days: float) -> None:
    assert config.parse(f"[retention]\narchive = {said}", {}).retention.archive == days * 86_400


def test_what_is_no_span_of_time_is_refused_by_name() -> None:
    for said in ('"4000d"', '"0s"', '"long"', "true", "-1"):
        with pytest.raises(FieldError, match=r"retention\.archive"):
            config.parse(f"[retention]\narchive = {said}", {})
    with pytest.raises(FieldError, match="a year at most"):
        config.parse('[retention]\nalerts = "400d"', {})
