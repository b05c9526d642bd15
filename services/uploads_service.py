"""Uploads of job history: each good row is stored by the same script as an update, each bad one is kept with its reason."""

from __future__ import annotations

import hashlib
import time
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from urllib.parse import unquote

import msgspec

from core.site import Site
from core.store import StoreError, explain, full
from services import jobs_service, upload_reader
from services.job_rules import HistoryRow
from services.upload_limits import LIMITS, CutOff, Limits, Refused, Rejected, Row, size_words
from services.upload_past import Past
from services.upload_records import (
    MOST_REJECTED,
    Heart,
    State,
    Stored,
    Upload,
    begin,
    first_of_content,
    get,
    recent,
    rejected,
    save,
)
from services.upload_rows import Window, job_of, unknown

BATCH = 500
SAVE_EVERY_S = 1.0
MOST_NAME = 200
MOST_IGNORED = 20
_APPLIED, _UNCHANGED = "applied", "unchanged"
_FIELDS = frozenset(info.name for info in msgspec.structs.fields(HistoryRow))


class StoreAway(Exception):
    """The store failed while a file came in. What was stored stays; the text says why it failed."""

    def __init__(self, number: int, fault: StoreError) -> None:
        super().__init__(explain(fault))
        self.number = number
        self.full = full(fault)


def receive(
    site: Site,
    name: str,
    who: str,
    chunks: Iterable[bytes],
    *,
    expected_bytes: int | None = None,
    limits: Limits = LIMITS,
) -> Upload:
    """Take a file as it arrives and answer how it went; `chunks` raises CutOff where the transfer ends early.

    Raises redis.RedisError where not even the upload could be recorded, StoreAway where the store fails later.
    """
    stored = Stored(name=shown_name(name), who=who, started=site.clock(), expected=expected_bytes)
    number = begin(site, stored)
    with Heart(site, number):
        _Intake(site, number, stored, limits).run(chunks)
    upload = get(site, number)
    assert upload is not None  # noqa: S101  it was written a moment ago
    return upload


def shown_name(name: str) -> str:
    """A file's name as it is shown: one line, without characters that can't be seen, cut. It never names a path."""
    seen = "".join(char for char in " ".join(name.split()) if unicodedata.category(char) not in ("Cc", "Cs", "Cn"))
    kept = seen.strip()
    return kept[: MOST_NAME - 1] + "…" if len(kept) > MOST_NAME else kept or "unnamed"


def name_from_url(quoted: str) -> str:
    """A file's name out of percent-encoding; what is no UTF-8 in it is replaced."""
    return unquote(quoted, errors="replace")


class _Intake:
    """One file on its way into the store."""

    def __init__(self, site: Site, number: int, stored: Stored, limits: Limits) -> None:
        self.site, self.number, self.stored, self.limits = site, number, stored, limits
        self.window = Window(datetime.fromtimestamp(site.clock(), UTC), site.settings.keep_days)
        self.past = Past(site)
        self.sum = hashlib.sha256()
        self.jobs: list[tuple[int, HistoryRow]] = []
        self.rejected: list[Rejected] = []
        self.ignored: dict[str, None] = {}
        self.saved_at = time.monotonic()

    def run(self, chunks: Iterable[bytes]) -> None:
        try:
            state, reason = self._read(chunks)
            self._store()
            if state != "refused":
                self.stored.sha256 = self.sum.hexdigest()
            if state == "stored":
                state = "with errors" if self.stored.rejected else "stored"
                self.stored.same_as = first_of_content(self.site, self.sum.hexdigest(), self.number)
                if self.past.unasked:
                    reason = f"{self.past.unasked}, so rows may have come a second time whose jobs only the archive has"
            self._end(state, reason)
        except StoreError as fault:
            self._give_up(explain(fault))
            raise StoreAway(self.number, fault) from fault
        except BaseException:
            self._give_up("the server stopped receiving it")
            raise

    def _read(self, chunks: Iterable[bytes]) -> tuple[State, str | None]:
        try:
            reading = upload_reader.read(self._counted(chunks), self.stored.name, self.limits)
            self.stored.format = reading.format
            for row in reading.rows:
                self._take(row)
        except CutOff as cut:
            return "cut off", f"{cut}; {self._kept()}"
        except Refused as fault:
            self.stored.fault = fault.fault
            return "refused", f"{fault}; {self._kept()}" if self._any() else str(fault)
        return "stored", None

    def _any(self) -> bool:
        return bool(self.stored.accepted or self.jobs)

    def _kept(self) -> str:
        if not self._any():
            return "no row of it is stored"
        return "the rows before are stored, and sending the whole file again changes none of them"

    def _counted(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.stored.received += len(chunk)
            if self.stored.received > self.limits.received_bytes:
                raise Refused(
                    "too big",
                    f"it is larger than {size_words(self.limits.received_bytes)}; split it into several files",
                )
            self.sum.update(chunk)
            time.sleep(0)  # others get their turn between two chunks
            yield chunk
            if time.monotonic() - self.saved_at > SAVE_EVERY_S:
                self._store()

    def _take(self, row: Row | Rejected) -> None:
        if isinstance(row, Row):
            if len(self.ignored) < MOST_IGNORED:
                self.ignored.update(dict.fromkeys(shown_name(name) for name in unknown(row)))
            line, told = row.line, job_of(row, self.window)
            if isinstance(told, HistoryRow):
                self.jobs.append((line, told))
            else:
                self._reject(told)
        else:
            self._reject(row)
        if len(self.jobs) >= BATCH or len(self.rejected) >= BATCH:
            self._store()

    def _reject(self, row: Rejected) -> None:
        self.stored.rejected += 1
        if self.stored.rejected <= MOST_REJECTED:
            self.rejected.append(row)

    def _store(self) -> None:
        """Bring what waits into the store, and the record up to date at most once a second."""
        jobs, self.jobs = self.jobs, []
        fresh = self.past.without(jobs)
        self.stored.accepted += len(jobs) - len(fresh)
        self.stored.unchanged += len(jobs) - len(fresh)
        for (line, _), answer in zip(fresh, jobs_service.store_rows(self.site, [job for _, job in fresh]), strict=True):
            if answer in (_APPLIED, _UNCHANGED):
                self.stored.accepted += 1
                self.stored.unchanged += answer == _UNCHANGED
            else:
                self._reject(_from_store(line, answer))
        now = time.monotonic()
        if now - self.saved_at > SAVE_EVERY_S or len(self.rejected) >= BATCH:
            self._save()
            self.saved_at = now
        time.sleep(0)

    def _save(self) -> None:
        self.stored.ignored = msgspec.json.encode(list(self.ignored)[:MOST_IGNORED]).decode() if self.ignored else ""
        self.rejected.sort(key=lambda row: row.line)  # those the store refused come after the batch's own
        save(self.site, self.number, self.stored, self.rejected)
        self.rejected = []

    def _end(self, state: State, reason: str | None) -> None:
        self.stored.state, self.stored.reason, self.stored.finished = state, reason, self.site.clock()
        self._save()

    def _give_up(self, why: str) -> None:
        try:
            self._end("interrupted", f"{why}; send the file again: rows that are stored already do not change")
        except StoreError:
            return  # it shows as interrupted by itself, when its heart has stopped


def _from_store(line: int, answer: str) -> Rejected:
    field, _, fault = answer.partition(": ")
    return Rejected(line, field, fault) if field in _FIELDS else Rejected(line, "", answer)


__all__ = ["State", "StoreAway", "Upload", "get", "name_from_url", "receive", "recent", "rejected", "shown_name"]
