"""What moves on the page, and that it is still for those who ask for that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest

from tests.browser.conftest import OBSERVABILITY, Site, Visit

Go = Callable[..., Visit]

NOTE_MOVES = """() => {
  window.moves = [];
  document.addEventListener("transitionrun", ({ target, propertyName }) =>
    window.moves.push(`${target.id || target.tagName} ${propertyName}`));
  const animate = Element.prototype.animate;
  Element.prototype.animate = function (...words) {
    window.moves.push(`${this.closest("[data-live]").id} flash`);
    return animate.apply(this, words);
  };
}"""
MOVED = "(move) => window.moves.includes(move)"


def ask_all(seen: Visit) -> None:
    for part in seen.page.locator("[data-live]").all():
        part.dispatch_event("catchup")


def open_and_note(site: Site, visit: Go, path: str, motion: Literal["reduce", "no-preference"]) -> Visit:
    seen = visit(site, path, reduced_motion=motion)
    seen.live()
    seen.until("() => 'moving' in document.documentElement.dataset")
    seen.page.evaluate(NOTE_MOVES)
    return seen


def test_a_new_row_slides_in(headway: Site, visit: Go) -> None:
    headway.make("was there")
    seen = open_and_note(headway, visit, "/dashboard/jobs", "no-preference")
    number = headway.make("is new")
    ask_all(seen)
    seen.until(MOVED, f"job-{number} translate")
    assert not any(move.startswith(f"job-{number - 1} ") for move in seen.page.evaluate("() => window.moves"))


def test_a_changed_figure_shows_it_for_a_moment(headway: Site, visit: Go) -> None:
    headway.make("counted")
    seen = open_and_note(headway, visit, OBSERVABILITY, "no-preference")
    headway.make("counted too")
    ask_all(seen)
    seen.until(MOVED, "panel-jobs flash")


@pytest.mark.parametrize("path", [OBSERVABILITY, "/dashboard/jobs/{}"])
def test_a_bar_grows(headway: Site, visit: Go, path: str) -> None:
    number = headway.make("grows", stage="render", progress=20)
    seen = open_and_note(headway, visit, path.format(number), "no-preference")
    seen.page.wait_for_selector("[aria-label='20 % done']", state="attached")
    headway.change(number, progress=80)
    ask_all(seen)
    seen.until(MOVED, "rect width")


def test_none_of_it_moves_for_those_who_ask_for_that(headway: Site, visit: Go) -> None:
    number = headway.make("still", stage="render", progress=20)
    for path, shown in ((OBSERVABILITY, f"#processing-{number}"), ("/dashboard/jobs", f"#job-{number}")):
        seen = open_and_note(headway, visit, path, "reduce")
        seen.page.wait_for_selector(shown)
        headway.change(number, progress=80 if path == OBSERVABILITY else 90)
        newer = headway.make("newer", stage="render", progress=1)
        ask_all(seen)
        seen.page.wait_for_selector(f"#processing-{newer}, #job-{newer}")
        seen.page.wait_for_function("(shown) => /[89]0 %/.test(document.querySelector(shown).textContent)", arg=shown)
        assert seen.page.evaluate("() => window.moves") == []
