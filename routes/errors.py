"""The page of errors: failures by what they have in common, and a page for each kind."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from flask import Blueprint, Response, redirect, render_template, request

from core import access
from core.database import DatabaseError
from core.problems import Problem
from core.store import StoreError
from routes import acting, errors_query, history_query, regions, site
from routes.errors_query import Asked
from routes.regions import Content, region
from services import archive_search, errors_service, failed_alike, live_search, operation_previews, queue_figures
from services.archive_filter import Filter
from services.archive_rows import ArchivedJob
from services.brokers import actions
from services.errors_service import MOST_GROUPS, MOST_PAGES, ORDERS, ErrorGroup
from services.live_search import Conditions
from services.operations_service import MOST_CHOSEN
from services.windows import RANGES, Window

bp = Blueprint("errors", __name__, url_prefix="/dashboard/errors")

NEWEST = 20
MOST_TYPES = 20
EVERY_S = 2
FINGERPRINT = re.compile(r"[0-9a-f]{16}", re.ASCII)
CHOICES = {"function": "Function", "queue": "Queue", "type": "Type", "agent": "Agent"}


@dataclass(frozen=True)
class LiveType:
    """A type of error that jobs in the store have, and how many."""

    name: str
    jobs: int


@bp.get("", strict_slashes=False)
@access.scope("read")
def listing() -> str:
    asked = errors_query.read(request.args)
    rows = regions.show("errors", asked.query()[1:])
    return render_template(
        "errors.html", asked=asked, rows=rows, ranges=RANGES, orders=ORDERS, choices=CHOICES, offers=_offers()
    )


@bp.get("/rows")
@access.scope("read")
def listing_rows() -> Response:
    return regions.answer("errors", errors_query.read(request.args).query()[1:])


@bp.get("/<fingerprint>")
@access.scope("read")
def one(fingerprint: str) -> str:
    asked = errors_query.read(request.args)
    state = regions.show("error", _argument(fingerprint, asked))
    return render_template("error_group.html", fingerprint=fingerprint, asked=asked, state=state, ranges=RANGES)


@bp.get("/<fingerprint>/state")
@access.scope("read")
def one_state(fingerprint: str) -> Response:
    return regions.answer("error", _argument(fingerprint, errors_query.read(request.args)))


@bp.get("/<fingerprint>/retry")
@access.scope("read")
def no_retry(fingerprint: str) -> Response:
    """The preview's address, opened anew as by Enter in it, leads to what can be retried."""
    query = errors_query.read(request.args).query()
    return redirect(f"{request.script_root}/dashboard/errors/{quote(fingerprint, safe='')}{query}")  # type: ignore[return-value]


@bp.post("/<fingerprint>/retry")
@access.scope("admin")
def retry(fingerprint: str) -> str:
    """What would be done, as for jobs that were chosen one by one."""
    try:
        _known(fingerprint, window := _window(errors_query.read(request.args)))
        chosen = failed_alike.chosen(site(), fingerprint, window)
    except DatabaseError as error:
        raise history_query.unavailable(error) from error
    preview = operation_previews.of_chosen(site(), "retry", chosen)
    back = acting.came_from(f"/dashboard/errors/{fingerprint}")
    return render_template(
        "bulk.html", section="errors", action="retry", to=None, q="", chosen=chosen, preview=preview, back=back
    )


@region("errors", every=EVERY_S, topics=regions.by_interval)
def _rows(argument: str) -> Content:
    asked = errors_query.of_argument(argument)
    window = _window(asked)
    found, fault, live = None, None, tuple[LiveType, ...]()
    try:
        found = errors_service.errors(site(), window, asked.which, asked.sort, asked.page)
    except DatabaseError as error:
        fault, live = error, _live()
    html = render_template(
        "components/error_rows.html", asked=asked, window=window, found=found, fault=fault, live=live,
        last=min(-(-found.kinds // MOST_GROUPS), MOST_PAGES) if found else 1,
    )  # fmt: skip
    return Content(html)


@region("error", every=EVERY_S, topics=regions.by_interval)
def _state(argument: str) -> Content:
    fingerprint, _, query = argument.partition("?")
    asked = errors_query.of_argument(query)
    window = _window(asked)
    try:
        group = _known(fingerprint, window)
        jobs = archive_search.page(site(), Filter(fingerprint=fingerprint), limit=NEWEST).items
    except DatabaseError as error:
        html = render_template("components/error_group.html", fault=error, group=None)
        return Content(html)
    newest: ArchivedJob | None = jobs[0] if jobs else None
    html = render_template(
        "components/error_group.html",
        asked=asked,
        window=window,
        group=group,
        jobs=jobs,
        newest=newest,
        fault=None,
        is_of_engine=_is_of_engine(group),
        most_retried=MOST_CHOSEN,
    )
    return Content(html)


def _is_of_engine(group: ErrorGroup) -> bool:
    """Whether any of them is a broker's job, which alone can be retried; not known while the store is away."""
    try:
        followed = {broker.agent for broker in actions.brokers(site())}
    except StoreError:
        return False
    return any(agent.name in followed for agent in group.agents)


def _known(fingerprint: str, window: Window) -> ErrorGroup:
    group = errors_service.group(site(), fingerprint, window) if FINGERPRINT.fullmatch(fingerprint) else None
    if group is None:
        words = "The archive has no failure of this fingerprint, or has none any more. See the errors."
        raise Problem(404, "No such error", words)
    return group


def _argument(fingerprint: str, asked: Asked) -> str:
    return f"{fingerprint}{asked.query()}"


def _window(asked: Asked) -> Window:
    return asked.choice.view(site().clock()).window


def _live() -> tuple[LiveType, ...]:
    """What the store knows while the archive is away; none while that is away too."""
    try:
        names = queue_figures.named(site(), "error", limit=MOST_TYPES)
        counts = [live_search.count(site(), Conditions(error=(name,)), 1)[0] for name in names]
    except StoreError:
        return ()
    told = (LiveType(name, jobs) for name, jobs in zip(names, counts, strict=True) if jobs)
    return tuple(sorted(told, key=lambda one: -one.jobs))


def _offers() -> dict[str, tuple[str, ...]]:
    """Names that the form offers; the page does not need the store for more."""
    try:
        return {
            "function": queue_figures.named(site(), "function"),
            "queue": queue_figures.named(site(), "queue"),
            "type": queue_figures.named(site(), "error"),
        }
    except StoreError:
        return {}
