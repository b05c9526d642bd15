"""Buttons that act: each is a form that works without a script and leads back to where it stood, which tells what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, Response, redirect, render_template, request

from core import access
from core.fields import check
from core.problems import Problem
from routes import acting, actions_api, regions, site
from routes.actions_api import JobAsked, QueueAsked
from routes.regions import Content, region
from services import audit_service, matching_jobs, operation_previews, operations_service, queues_service
from services.audit_service import Entry
from services.brokers import actions
from services.brokers.action_model import JOB_ACTIONS, JobAction
from services.operation_records import Chosen

bp = Blueprint("actions_pages", __name__, url_prefix="/dashboard")

EVERY_S = 1
TELLS: tuple[JobAction, ...] = ("retry", "run", "cancel", "stop")
"""Actions after which a job is in another state, as soon as whoever follows its engine has seen it."""
UNREADABLE = Problem(400, "Unreadable form", "Reload the page and choose again.")


@dataclass(frozen=True)
class Acting:
    """What `components/acting_form.html` and `bulk.html` need to know of the present page's reader."""

    may_act: bool
    back: str
    told: Entry | None
    note: str | None


@bp.app_template_global("acting")
def _acting() -> Acting:
    return Acting(acting.may_act(), acting.here(), acting.told(), acting.note())


@bp.app_template_global("queue_names")
def _queue_names(agents: Sequence[str] = ()) -> list[str]:
    """Queues that jobs may be moved to: of these agents, or of all brokers."""
    return queues_service.names(site(), agents)


@bp.post("/jobs/<int:number>/actions")
@access.scope("admin")
def on_job(number: int) -> Response:
    """`do` is the action, and the state and attempt that the page showed: `retry failed 2`."""
    action, state, attempt = (*request.form.get("do", "").split(" "), "", "")[:3]
    seen = {"state": state, "attempt": _number(attempt)} if state else None
    to = request.form.get("to") or None if action == "move" else None
    asked = check(JobAsked, {"action": action, "seen": seen, "to": to})
    actions_api.checked(asked.action, asked.to)
    entry = actions.on_job(site(), acting.who(), asked.action, number, asked.seen, asked.to)
    if asked.seen is not None and entry.result in ("done", "changed") and asked.action in TELLS:
        actions.await_change(site(), number, asked.seen)
    return acting.back(entry)


@bp.post("/queues/actions")
@access.scope("admin")
def on_queue() -> Response:
    """`?agent=` and `?name=`: in a path, browsers would take `..` and `//` of a name for steps."""
    asked = check(QueueAsked, {"action": request.form.get("do", "")})
    return acting.back(actions.on_queue(site(), acting.who(), asked.action, *_meant()))


@bp.post("/workers/actions")
@access.scope("admin")
def on_worker() -> Response:
    agent, worker = _meant()
    form = {"action": request.form.get("do", "")}
    form |= {name: said for name in ("task", "rate") if (said := request.form.get(f"{name}@{worker}"))}
    return acting.back(actions.on_worker(site(), acting.who(), actions_api.asked_of_worker(form), agent, worker))


@bp.get("/jobs/actions")
@access.scope("read")
def no_jobs() -> Response:
    """The preview's address says nothing of what was chosen: who opens it anew, as by Enter in the address, chooses again."""
    return redirect(f"{request.script_root}/dashboard/jobs")  # type: ignore[return-value]


@bp.post("/jobs/actions")
@access.scope("admin")
def on_jobs() -> str | Response:
    """First what would be done, then, `confirmed`, the doing. Enter in a field presses a button without an action: it moves."""
    named = request.form.get("to", "").strip()[:200]
    query = request.form.get("q", "")[:500] if request.form.get("all") else ""
    said = request.form.getlist("job")
    if note := _missing(request.form.get("action"), named, query, said):
        return acting.ask_again(note)
    action = _action(request.form.get("action") or "move")
    to = named if action == "move" else None
    conditions = matching_jobs.conditions(query) if query else None
    chosen = [] if query else _chosen(said)
    if not request.form.get("confirmed"):
        if conditions is not None:
            preview = operation_previews.of_matching(site(), action, conditions, to)
        else:
            preview = operation_previews.of_chosen(site(), action, chosen, to)
        back = acting.came_from("/dashboard/jobs")
        return render_template(
            "bulk.html", section="jobs", action=action, to=to, q=query, chosen=chosen, preview=preview, back=back
        )
    who = acting.who()
    if conditions is not None:
        number = operations_service.start_matching(site(), who, action, conditions, query, to)
    else:
        number = operations_service.start_chosen(site(), who, action, chosen, to)
    return redirect(f"{request.script_root}/dashboard/operations/{number}", 303)  # type: ignore[return-value]


@bp.get("/operations/<int:number>")
@access.scope("read")
def operation(number: int) -> str:
    return render_template("operation.html", number=number, state=regions.show("operation", str(number)))


@bp.get("/operations/<int:number>/state")
@access.scope("read")
def operation_state(number: int) -> Response:
    return regions.answer("operation", str(number))


@bp.post("/operations/<int:number>/stop")
@access.scope("admin")
def stop(number: int) -> Response:
    actions_api.found(number)
    return acting.back(operations_service.stop(site(), acting.who(), number))


@bp.get("/audit")
@access.scope("admin")
def audit() -> str:
    before = _number(request.args.get("before", ""))
    return render_template("audit.html", page=audit_service.page(site(), before=before), before=before)


@region("operation", every=EVERY_S, topics=regions.numbered_by_interval)
def _operation(argument: str) -> Content:
    found = actions_api.found(regions.number_of(argument))
    html = render_template("components/operation_state.html", operation=found)
    return Content(html, resting=found.progress.state != "running")


def _missing(action: str | None, to: str, query: str, said: list[str]) -> str | None:
    """Which of `acting.NOTES` the form should be sent again for."""
    if not query and not said:
        return "unchosen"
    if not query and len(said) > operations_service.MOST_CHOSEN:
        return "too-many"
    if not to and action == "move":
        return "nowhere"
    return "undecided" if not to and not action else None


def _chosen(said: list[str]) -> list[Chosen]:
    """What the boxes or the page before say: numbers alone, or each with the state and attempt that was seen."""
    parts = [one.split(" ") for one in said]
    if all(len(part) == 1 for part in parts):
        return operations_service.look(site(), [_known(part[0]) for part in parts])
    return [_seen(part) for part in parts]


def _seen(part: list[str]) -> Chosen:
    try:
        number, state, attempt = part
        return check(Chosen, [_known(number), None if state == "-" else state, _known(attempt)])
    except ValueError as fault:
        raise UNREADABLE from fault


def _known(text: str) -> int:
    number = _number(text)
    if number is None:
        raise UNREADABLE
    return number


def _meant() -> tuple[str, str]:
    return request.args.get("agent", ""), request.args.get("name", "")


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= acting.LONGEST_NUMBER else None


def _action(text: str) -> JobAction:
    for action in JOB_ACTIONS:
        if action == text:
            return action
    raise Problem(422, "Unknown action", f"action should be one of {', '.join(JOB_ACTIONS)}.", field="action")
