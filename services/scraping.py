"""What an app tells at its `/metrics`: Prometheus' text or OpenMetrics, by what the answer calls itself."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from prometheus_client.samples import Sample

from core.outgoing import OutgoingError, masked
from core.site import Site
from services.web import get, quoted

ACCEPT = "text/plain;version=0.0.4, application/openmetrics-text;version=1.0.0;q=0.5"
"""The older format first: it is read whole where a strict reader of the newer one gives up."""
OPENMETRICS = "application/openmetrics-text"
OTHERS = ("text/html", "application/json")
SUFFIXES = ("_total", "_bucket", "_count", "_sum", "_created")
MOST_NAMES = 2_000
"""Among so many a name like the wanted one is looked for."""

Labels = tuple[tuple[str, str], ...]
Series = Mapping[Labels, float]
"""The values of a metric's series, by their labels in order."""


@dataclass(frozen=True)
class Scrape:
    text: str
    openmetrics: bool


def scrape(site: Site, url: str, headers: Mapping[str, str], timeout_s: float) -> Scrape:
    """One look at a `/metrics`. Raises OutgoingError."""
    answer = get(site, url, headers, timeout_s, ACCEPT)
    kind = answer.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind in OTHERS:
        raise OutgoingError(f"{masked(url)} answered {kind}, which holds no metrics")
    return Scrape(answer.body.decode("utf-8", "replace"), kind == OPENMETRICS)


def samples(found: Scrape, names: Iterable[str]) -> list[Sample]:
    """The samples of some metrics, and nothing of the others: an app may tell of ten thousand, and one that can't be read
    spoils only itself. A histogram is all of its samples. Long text: not on gevent's loop. Raises OutgoingError."""
    if found.openmetrics and not found.text.endswith("# EOF\n"):
        raise OutgoingError("the metrics end before their mark # EOF")
    lines = [line[0] for line in _lines(names).finditer(found.text)]
    text = "\n".join([*lines, "# EOF", ""] if found.openmetrics else [*lines, ""])
    try:
        families = list((read_openmetrics if found.openmetrics else read_text)(text))
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
    ) as fault:  # whatever its text makes of it
        raise OutgoingError(f"the metrics can't be read: {quoted(str(fault))}") from fault
    return [sample for family in families for sample in family.samples]


def like(found: Scrape, name: str) -> str | None:
    """A metric whose name is nearly that."""
    names = dict.fromkeys(line[1] for line in re.finditer(r"^([A-Za-z_:][\w:]*)", found.text, re.MULTILINE | re.ASCII))
    close = difflib.get_close_matches(name, list(names)[:MOST_NAMES], 1)
    return close[0] if close else None


def series_of(found: Iterable[Sample]) -> Series:
    return {tuple(sorted(one.labels.items())): one.value for one in found}


def grown(before: Series, now: Series) -> dict[Labels, float]:
    """By how much each counter grew. One that fell, or is new, began anew at 0."""
    return {
        labels: value - was if (was := before.get(labels, 0.0)) <= value else value for labels, value in now.items()
    }


def family(name: str) -> str:
    """A metric's name without what its samples add to it."""
    for suffix in SUFFIXES:
        if name.endswith(suffix) and name != suffix:
            return name.removesuffix(suffix)
    return name


def _lines(names: Iterable[str]) -> re.Pattern[str]:
    families = "|".join(re.escape(name) for name in sorted({family(name) for name in names}))
    return re.compile(rf"^(?:# TYPE )?(?:{families})(?:{'|'.join(SUFFIXES)})?(?=[ \t{{]).*$", re.MULTILINE)
