"""The pages of queues, of one queue, of workers, and of schedules."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request

from core import access
from core.problems import Problem
from routes import queues_query, regions, site
from routes.regions import Content, region
from services import broker_states, queue_figures, queue_jobs, queues_service, schedules_service, workers_service
from services.brokers import actions
from services.queue_jobs import WAITING
from services.queues_service import Queue

bp = Blueprint("queues_pages", __name__, url_prefix="/dashboard")

MOST_SHOWN = 100
"""Rows of a list; a reader with more of them filters."""
FUNCTIONS = 50


@bp.get("/queues", strict_slashes=False)
@access.scope("read")
def queues() -> str:
    asked = queues_query.read(request.args)
    rows, functions = regions.show("queue-list", asked.query()[1:]), regions.show("functions")
    return render_template("queues.html", rows=rows, functions=functions, asked=asked)


@bp.get("/queues/rows")
@access.scope("read")
def queues_rows() -> Response:
    return regions.answer("queue-list", queues_query.read(request.args).query()[1:])


@bp.get("/queues/functions")
@access.scope("read")
def queues_functions() -> Response:
    return regions.answer("functions")


@bp.get("/queues/<agent>/<path:queue>", merge_slashes=False)
@bp.get("/queues/<agent>")
@access.scope("read")
def queue(agent: str, queue: str = "") -> str:
    """A queue whose name is no path of its own stands in `?queue=`."""
    found = _known(agent, queue or request.args.get("queue", ""))
    argument = f"{found.agent}/{found.name}"
    parts = [(part, regions.show(kind, argument)) for part, kind in PARTS.items()]
    return render_template("queue.html", queue=found, parts=parts)


@bp.get("/queue/<any(state, jobs):part>")
@access.scope("read")
def queue_part(part: str) -> Response:
    agent, name = request.args.get("agent", ""), request.args.get("queue", "")
    return regions.answer(PARTS[part], f"{agent}/{name}")


@bp.get("/workers", strict_slashes=False)
@access.scope("read")
def workers() -> str:
    asked = queues_query.sought(request.args)
    return render_template("workers.html", rows=regions.show("worker-list", asked.query()[1:]), asked=asked)


@bp.get("/workers/rows")
@access.scope("read")
def workers_rows() -> Response:
    return regions.answer("worker-list", queues_query.sought(request.args).query()[1:])


@bp.get("/schedules", strict_slashes=False)
@access.scope("read")
def schedules() -> str:
    asked = queues_query.sought(request.args)
    return render_template("schedules.html", rows=regions.show("schedule-list", asked.query()[1:]), asked=asked)


@bp.get("/schedules/rows")
@access.scope("read")
def schedules_rows() -> Response:
    return regions.answer("schedule-list", queues_query.sought(request.args).query()[1:])


@region("queue-list", every=2, topics=regions.by_interval)
def _queues(argument: str) -> Content:
    asked = queues_query.read(queues_query.fields_of(argument))
    found = queues_service.queues(site(), asked.find)
    chosen = asked.of(found.queues)
    shown = queues_service.with_depths(site(), chosen[:MOST_SHOWN])
    html = render_template("components/queue_rows.html", found=found, chosen=chosen, shown=shown, asked=asked)
    return Content(html)


@region("functions", every=10)
def _functions(argument: str) -> Content:
    functions = queue_figures.functions(site(), FUNCTIONS)
    return Content(render_template("components/function_rows.html", functions=functions))


@region("queue", every=2, topics=regions.by_interval)
def _queue(argument: str) -> Content:
    found = _of(argument)
    now = int(site().clock() // 60) * 60
    at = [now - 60 * (len(found.depths) - 1 - each) for each in range(len(found.depths))]
    brokers = [one.state for one in broker_states.brokers(site()) if one.state.agent == found.agent]
    can = actions.possible_of_queue(site(), found.agent)
    jobs = queue_jobs.of(site(), found)
    html = render_template(
        "components/queue_state.html", queue=found, at=at, brokers=brokers, can=can, jobs=jobs, most_waiting=WAITING
    )
    return Content(html)


@region("queue-jobs", every=5, topics=regions.by_interval)
def _queue_jobs(argument: str) -> Content:
    found = _of(argument)
    functions = queue_jobs.functions(site(), found.agent, found.name)
    workers = workers_service.workers(site(), queue=(found.agent, found.name))
    html = render_template(
        "components/queue_jobs.html", queue=found, functions=functions, found=workers, most=MOST_SHOWN
    )
    return Content(html)


@region("worker-list", every=2, topics=regions.by_interval)
def _workers(argument: str) -> Content:
    asked = queues_query.sought(queues_query.fields_of(argument))
    found = workers_service.workers(site(), asked.find)
    chosen = [worker for worker in found.workers if worker.needs_look or not asked.look]
    shown = chosen[:MOST_SHOWN]
    can = actions.possible_of_workers(site(), ((one.agent, one.now) for one in shown))
    html = render_template("components/worker_rows.html", found=found, chosen=chosen, shown=shown, asked=asked, can=can)
    return Content(html)


@region("schedule-list", every=5, topics=regions.by_interval)
def _schedules(argument: str) -> Content:
    asked = queues_query.sought(queues_query.fields_of(argument))
    found = schedules_service.schedules(site(), sought=asked.find)
    chosen = [schedule for schedule in found.schedules if schedule.is_unkept or not asked.look]
    shown = chosen[:MOST_SHOWN]
    html = render_template("components/schedule_rows.html", found=found, chosen=chosen, shown=shown, asked=asked)
    return Content(html)


PARTS = {"state": "queue", "jobs": "queue-jobs"}
"""Of one queue's page, each by the region that it is."""


def _of(argument: str) -> Queue:
    agent, _, name = argument.partition("/")
    return _known(agent, name)


def _known(agent: str, name: str) -> Queue:
    found = queues_service.one(site(), agent, name)
    if found is None:
        raise Problem(
            404,
            "No such queue",
            f"The agent {agent[:128]!r} has no queue {name[:200]!r}. A queue without jobs that its broker does not tell of "
            "is forgotten: see the queues.",
        )
    return found
