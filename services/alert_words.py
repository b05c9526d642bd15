"""Rules, readings and changes of alerts in words: the same on the page, in a notification and in Prometheus."""

from __future__ import annotations

from datetime import UTC, datetime

from core.config import Alert, Config
from core.config import alerts as kinds
from core.config.alerts import When
from services.alert_model import Happening, Record
from services.tile_model import titled

UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
OF_FORMAT = {"percent": "%", "bytes": "B", "duration": "s"}
"""The unit of a tile's figure that its format tells."""
HEADS: dict[Happening, str] = {"fired": "Firing", "over": "Over", "flapping": "Flapping", "steady": "Steady"}


def title(rule: Alert, config: Config) -> str:
    """Its own title, or what it watches."""
    if rule.title:
        return rule.title
    watched = _subject(rule.when, config)
    return watched[:1].upper() + watched[1:]


def explain(rule: Alert, config: Config) -> str:
    """ "Fires when more than 100 jobs have waited for 5 min; over when it is 80 or less for 1 min." """
    lasting = f", for {span(rule.for_)}" if rule.for_ else ""
    return f"Fires when {_condition(rule.when, config)}{lasting}; over when {_recovery(rule.when, config)} for {span(rule.keep)}."


def present(rule: Alert, record: Record | None, config: Config) -> str:
    """The last reading; empty where there was none so far."""
    if record is None or (record.value is None and record.unknown):
        return ""
    return value(rule.when, record.value, config)


def value(when: When, figure: float | None, config: Config) -> str:
    """A reading as a sentence without its full stop: "142 jobs wait"."""
    match when:
        case kinds.OnTile():
            return f"{_tile(when.tile, config)} is {_figure(when.tile, figure, config)}" if figure is not None else ""
        case kinds.OnTileUnavailable():
            return f"{_tile(when.tile, config)} {'is unavailable' if figure else 'is available'}"
        case kinds.OnFailedJobs():
            return f"{_jobs(figure, when)} failed in {span(when.within)}"
        case kinds.OnFailureRate():
            if figure is None:
                return f"Fewer than {when.at_least} jobs{_of(when)} ended in {span(when.within)}"
            return f"{number(figure)} % of the jobs{_of(when)} failed in {span(when.within)}"
        case kinds.OnQueueDepth():
            return f"{_jobs(figure, when)} {'wait' if figure != 1 else 'waits'}"
        case kinds.OnQueueAge():
            return f"The oldest job{_of(when)} waits for {span(figure)}" if figure else f"No job{_of(when)} waits"
        case kinds.OnNoWorker():
            return f"A job{_of(when)} waits for {span(figure)}, and nobody takes it" if figure else "Jobs are taken up"
        case kinds.OnNoJob():
            return f"{_jobs(figure, when)} completed in {span(when.within)}"
        case kinds.OnStalledJobs():
            if not figure:
                return f"No job{_of(when)} stands still"
            return f"{_jobs(figure, when)} told nothing for {span(when.after)}"
        case kinds.OnTargetDown():
            return f"{_target(when.target, config)} {'is down' if figure else 'is up'}"
        case kinds.OnBrokerUnavailable():
            return f"The broker {when.broker} {'is unavailable' if figure else 'answers'}"
        case kinds.OnStoreLatency():
            return f"A round trip to the store takes {span(figure)}"


def unit(when: When, config: Config) -> str:
    """The unit of a kind's figure where it stands alone, as in a chart: "jobs", "%", "s", a tile's own."""
    match when:
        case kinds.OnTile():
            tile = next((tile for tile in config.tiles or () if tile.id == when.tile), None)
            return "" if tile is None else tile.unit or OF_FORMAT.get(tile.format, "")
        case kinds.OnFailureRate():
            return "%"
        case kinds.OnQueueAge() | kinds.OnNoWorker() | kinds.OnStoreLatency():
            return "s"
        case kinds.OnTileUnavailable() | kinds.OnTargetDown() | kinds.OnBrokerUnavailable():
            return ""
        case _:
            return "jobs"


def headline(what: Happening, rule: Alert, config: Config) -> str:
    """The title of a notification."""
    return f"{HEADS[what]}: {title(rule, config)}"


def body(what: Happening, rule: Alert, record: Record, before: Record, config: Config) -> str:
    """The text of a notification, but for its link. `before` is how the alert stood until then."""
    said = value(rule.when, record.value, config)
    if what == "fired":
        told = f"{said}, since {moment(record.since)}."
    elif what == "over":
        began = before.fired_at or before.since
        told = f"{said}. It fired at {moment(began)} and was over after {span(record.checked_at - began)}."
    elif what == "flapping":
        told = (
            f"{said}. It fires and is over again and again: no more is told of it until it has been steady for a while."
        )
    else:
        told = f"{said}. It has been steady for a while and is {'firing' if record.state == 'firing' else 'fine'}."
    return f"{told}\n{explain(rule, config)}"


def span(seconds: float | None) -> str:
    """ "5 min", "1 h 30 min", "250 ms"."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms" if seconds else "0 s"
    left, parts = round(seconds), list[str]()
    if seconds < 10 and seconds != left:
        return f"{seconds:.1f} s"
    for size, unit in UNITS:
        whole, left = divmod(left, size)
        if whole:
            parts.append(f"{whole} {unit}")
    return " ".join(parts[:2])


def moment(at: float) -> str:
    """ "12:03:10 UTC on 21 Nov 2026"."""
    time = datetime.fromtimestamp(at, UTC)
    return f"{time:%H:%M:%S} UTC on {time.day} {time:%b %Y}"


def number(figure: float | None) -> str:
    if figure is None:
        return "–"
    return f"{figure:,.0f}" if abs(figure) < 1e15 and figure == int(figure) else f"{figure:,.4g}"


def _condition(when: When, config: Config) -> str:
    match when:
        case kinds.OnTile():
            return f"{_tile(when.tile, config)} is {_bound(when, config)}"
        case kinds.OnTileUnavailable():
            return f"{_tile(when.tile, config)} is unavailable"
        case kinds.OnFailedJobs():
            return f"{_more_than(when.above)}{_of(when)} failed within {span(when.within)}"
        case kinds.OnFailureRate():
            return (
                f"more than {number(when.above)} % of the jobs{_of(when)} that ended within {span(when.within)} failed, "
                f"of at least {when.at_least}"
            )
        case kinds.OnQueueDepth():
            waits = "waits" if when.above <= 1 else "wait"
            return f"{_more_than(when.above)}{_of(when)} {waits}"
        case kinds.OnQueueAge():
            return f"a job{_of(when)} has waited for more than {span(when.above)}"
        case kinds.OnNoWorker():
            return f"jobs{_of(when)} have waited for more than {span(when.within)} and nobody takes them"
        case kinds.OnNoJob():
            return f"no job{_of(when)} was completed within {span(when.within)}"
        case kinds.OnStalledJobs():
            return f"{_more_than(when.above)}{_of(when)} at work told nothing for {span(when.after)}"
        case kinds.OnTargetDown():
            return f"{_target(when.target, config)} is down"
        case kinds.OnBrokerUnavailable():
            return f"the broker {when.broker} is unavailable"
        case kinds.OnStoreLatency():
            return f"a round trip to the store takes longer than {span(when.above)}"


def _recovery(when: When, config: Config) -> str:
    match when:
        case kinds.OnTile(clear=float() as clear):
            return f"it is {_figure(when.tile, clear, config)} or {'less' if when.above is not None else 'more'}"
        case kinds.OnFailureRate(clear=float() as clear):
            return f"it is {number(clear)} % or less"
        case kinds.OnQueueDepth(clear=int() as clear):
            return f"it is {number(clear)} or less"
        case kinds.OnStoreLatency(clear=float() as clear):
            return f"it takes {span(clear)} or less"
        case _:
            return "that has not been so"


def _subject(when: When, config: Config) -> str:
    match when:
        case kinds.OnTile():
            return f"{_tile(when.tile, config)} {_bound(when, config)}"
        case kinds.OnTileUnavailable():
            return f"{_tile(when.tile, config)} unavailable"
        case kinds.OnFailedJobs():
            return f"failed jobs{_of(when)}"
        case kinds.OnFailureRate():
            return f"failure rate{_of(when)}"
        case kinds.OnQueueDepth():
            return f"backlog of jobs{_of(when)}"
        case kinds.OnQueueAge():
            return f"jobs{_of(when)} wait for long"
        case kinds.OnNoWorker():
            return f"no worker for {named}" if (named := _whose(when)) else "no worker"
        case kinds.OnNoJob():
            return f"no job{_of(when)} completed"
        case kinds.OnStalledJobs():
            return f"stalled jobs{_of(when)}"
        case kinds.OnTargetDown():
            return f"{_target(when.target, config)} down"
        case kinds.OnBrokerUnavailable():
            return f"broker {when.broker} unavailable"
        case kinds.OnStoreLatency():
            return "slow store"


def _more_than(many: int) -> str:
    return "a job" if many == 0 else f"more than {number(many)} {'job' if many == 1 else 'jobs'}"


def _jobs(many: float | None, when: When) -> str:
    word = "job" if many == 1 else "jobs"
    return f"{'No' if not many else number(many)} {word}{_of(when)}"


def _of(when: When) -> str:
    named = _whose(when)
    return f" of {named}" if named else ""


def _whose(when: When) -> str:
    """The agent or the queue that a rule is about: "studio", "the queue mails", "the queue mails of rq"; empty for all jobs."""
    agent, queue = getattr(when, "agent", None), getattr(when, "queue", None)
    if not queue:
        return agent or ""
    return f"the queue {queue} of {agent}" if agent else f"the queue {queue}"


def _tile(id: str, config: Config) -> str:
    found = next((tile for tile in config.tiles or () if tile.id == id), None)
    return found.title if found is not None and found.title else titled(id)


def _bound(when: kinds.OnTile, config: Config) -> str:
    if when.above is not None:
        return f"above {_figure(when.tile, when.above, config)}"
    return f"below {_figure(when.tile, when.below, config)}"


def _figure(id: str, figure: float | None, config: Config) -> str:
    """A tile's figure in its unit, to the last digit: whoever is told of it compares it with a bound."""
    tile = next((tile for tile in config.tiles or () if tile.id == id), None)
    if tile is None:
        return number(figure)
    if tile.format == "duration" and figure is not None:
        return f"{'-' if figure < 0 else ''}{span(abs(figure))}"
    unit = tile.unit or OF_FORMAT.get(tile.format, "")
    return f"{number(figure)} {unit}".rstrip()


def _target(name: str, config: Config) -> str:
    return next((target.title for target in config.targets if target.name == name and target.title), titled(name))
