"""The board keeps what each panel shows: read at most once a second, rendered once a change, shared by all who ask."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import nullcontext
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec
from jinja2 import Environment
from markupsafe import Markup

from core.site import Site
from core.store import StoreError, explain
from core.times import rfc3339
from panels import _compared, _figures, _queue_words, _words
from panels._others import Busy, Others
from panels._panel import Panel
from panels._view import USUAL, USUALS, Choice

FRESH_S = 1.0
"""A panel's data is read at most so often in a process."""
PATIENCE_S = 0.8
"""The page is painted after so long, whatever is still being read."""

WHEN = frozenset({"timestamp", "took_ms"})
"""Of a panel's JSON, what tells when it was read and not what was read."""

log = logging.getLogger("headway.panels")


@dataclass(frozen=True)
class Unavailable:
    """Why a panel can't be read now."""

    reason: str
    """Ends the sentence "Unavailable, because …"."""
    since: float
    """The first failure in a row, seconds since the epoch."""
    good_at: float | None
    """The last good reading, seconds since the epoch; None when this process had none."""
    of_store: bool
    """Whether it is the store that fails, so that the page can say it once for all."""


@dataclass(frozen=True)
class Shown:
    """What a panel answers until it is read again. The tags change with what is shown, not with when it was read."""

    json: bytes
    json_etag: str
    html: bytes
    html_etag: str
    taken_at: float
    """Seconds since the epoch."""
    took_s: float
    unavailable: Unavailable | None = None
    awaited: bool = False
    """Whether this stands in for a first reading that is not there yet."""
    resting: bool = False
    """Whether nothing more happens in the span that it shows."""
    absent: bool = False
    """Whether the site has nothing of the kind, so that its page leaves it out."""

    @property
    def markup(self) -> Markup:
        return Markup(self.html.decode())  # noqa: S704  our own template's, escaped there


class Board:
    """All panels of a process. `raises` makes an unexpected error in a panel's data surface, for tests."""

    def __init__(self, site: Site, jinja: Environment, panels: Mapping[str, Panel]) -> None:
        _words.install(jinja, site.settings)
        _figures.install(jinja)
        _compared.install(jinja)
        _queue_words.install(jinja)
        self.panels = panels
        usual = {panel.part(choice): (panel, choice) for panel in panels.values() for choice in _usual(panel)}
        self.parts = {part: panel for part, (panel, _) in usual.items()}
        """The panel of every part that is pushed: `success-rate`, `success-rate:6h`, `success-rate:6h-day`."""
        self._site, self._jinja = site, jinja
        self.raises = False
        self._slots = {part: _Slot(self, site, jinja, panel, choice) for part, (panel, choice) in usual.items()}
        self.others: Others[_Slot] = Others()

    def poll(self, part: str) -> Shown:
        """What a usual part shows now. Whoever asks while it is being read waits for that one reading."""
        return self._slots[part].poll()

    def show(self, panel: Panel, choice: Choice = USUAL) -> Shown:
        """What a panel shows now of what was chosen."""
        return self._slot(panel, choice).poll()

    def reading(self, part: str) -> tuple[float, float]:
        """When the present reading of a part began, and until when it serves everybody; by the monotonic clock."""
        slot = self._slots[part]
        return slot.began, slot.until

    def interval(self, part: str) -> int:
        """Seconds between two looks at a usual part."""
        slot = self._slots[part]
        return slot.panel.interval(slot.choice)

    def page(self, choice: Choice = USUAL, page: str = "observability") -> list[tuple[Panel, Shown]]:
        """Every panel of a page in order, as chosen, but those that are absent. What is due is read side by side; what takes long
        shows that it is awaited."""
        slots = [self._slot(panel, choice) for panel in self.panels.values() if panel.stands_on(page)]
        shown = {slot: slot.poll() for slot in slots if not slot.due()}
        due = [slot for slot in slots if slot not in shown]
        if due:
            pool = ThreadPoolExecutor(len(due))
            readings = {slot: pool.submit(slot.poll) for slot in due}
            in_time, _ = wait(readings.values(), PATIENCE_S)
            pool.shutdown(wait=False)
            # What was answered is kept: once the slowest has answered, others would be due again.
            for slot, reading in readings.items():
                shown[slot] = reading.result() if reading in in_time else slot.awaited()
        return [(slot.panel, shown[slot]) for slot in slots if not shown[slot].absent]

    def _slot(self, panel: Panel, choice: Choice) -> _Slot:
        part, its_own = panel.part(choice), panel.choice(choice)
        kept = self._slots.get(part)
        return kept or self.others.get(part, lambda: _Slot(self, self._site, self._jinja, panel, its_own))


def _usual(panel: Panel) -> tuple[Choice, ...]:
    return USUALS if panel.windowed else (USUAL,)


class _Slot:
    """One part's place on the board: a panel, or what was chosen of one."""

    def __init__(self, board: Board, site: Site, jinja: Environment, panel: Panel, choice: Choice) -> None:
        self.panel = panel
        self.choice = choice
        self._board, self._site, self._jinja = board, site, jinja
        self._lock = threading.Lock()
        self.began = self.until = float("-inf")
        self._shown: Shown | None = None
        self._good: Shown | None = None
        self._failing: Unavailable | None = None

    def due(self) -> bool:
        return time.monotonic() >= self.until

    def poll(self) -> Shown:
        shown = self._shown
        if shown is not None and time.monotonic() < self.until:
            return shown
        with self._lock:
            if self._shown is None or self.due():
                began = time.monotonic()
                self._shown = self._read()
                fresh_s = max(FRESH_S, self.choice.fresh_s(self._site.clock()) if self.panel.windowed else 0.0)
                # What failed, and what was not to be had in time, is tried again soon.
                fresh_s = FRESH_S if self._shown.unavailable else fresh_s
                self.began, self.until = began, time.monotonic() + fresh_s
            return self._shown

    def awaited(self) -> Shown:
        """What stands in for a reading that takes long: the one before, or a shape of its size."""
        if self._shown is not None:
            return self._shown
        html, html_etag = _tagged(self._render("components/awaited.html"))
        return Shown(b"", html_etag, html, html_etag, self._site.clock(), 0.0, awaited=True)

    def _read(self) -> Shown:
        taken_at, start = self._site.clock(), time.perf_counter()
        try:
            data = self._data()
            took_s = time.perf_counter() - start
            shown = self._show(data, taken_at, took_s)
        except Busy as error:
            return self._fail(str(error), taken_at, time.perf_counter() - start, of_store=False)
        except StoreError as error:
            return self._fail(explain(error), taken_at, time.perf_counter() - start, of_store=True)
        except Exception as error:
            if self._board.raises:
                raise
            if self._failing is None:
                log.exception("panel %s can't be read", self.panel.name)
            reason = f"reading it failed ({type(error).__name__}); the log has the details"
            return self._fail(reason, taken_at, time.perf_counter() - start, of_store=False)
        self._good, self._failing = shown, None
        return shown

    def _data(self) -> Any:
        if not self.panel.windowed:
            return self.panel.data(self._site)
        with nullcontext() if self.choice.usual else self._board.others.turn():
            return self.panel.data(self._site, self.choice.view(self._site.clock()))

    def _show(self, data: Any, taken_at: float, took_s: float) -> Shown:
        figures = msgspec.to_builtins(data)
        _, json_etag = _tagged(msgspec.json.encode({k: v for k, v in figures.items() if k not in WHEN}))
        html, html_etag = self._same_html(json_etag) or _tagged(self._render("components/reading.html", data=data))
        stamped = {**figures, "timestamp": rfc3339(taken_at), "took_ms": round(took_s * 1000, 3)}
        resting = self.panel.windowed and self.choice.past(taken_at)
        absent = self.panel.absent is not None and self.panel.absent(data)
        return Shown(
            msgspec.json.encode(stamped), json_etag, html, html_etag, taken_at, took_s, resting=resting, absent=absent
        )

    def _same_html(self, json_etag: str) -> tuple[bytes, str] | None:
        """What stands already, where nothing changed; never while templates are being worked on."""
        if self._good and self._good.json_etag == json_etag and not self._site.settings.dev:
            return self._good.html, self._good.html_etag
        return None

    def _fail(self, reason: str, taken_at: float, took_s: float, *, of_store: bool) -> Shown:
        good = self._good
        since = self._failing.since if self._failing else taken_at
        self._failing = Unavailable(reason, since, good.taken_at if good else None, of_store)
        page = self._render("components/unavailable.html", state=self._failing, last=good.markup if good else None)
        html, html_etag = _tagged(page)
        absent = good is not None and good.absent
        return Shown(b"", html_etag, html, html_etag, taken_at, took_s, self._failing, absent=absent)

    def _render(self, template: str, **names: Any) -> bytes:
        return self._jinja.get_template(template).render(panel=self.panel, choice=self.choice, **names).strip().encode()


def _tagged(content: bytes) -> tuple[bytes, str]:
    """The content with its weak tag; the same in every process that shows the same."""
    return content, f'W/"{blake2b(content, digest_size=12).hexdigest()}"'
