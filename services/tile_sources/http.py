"""A number of a JSON document, by its path."""

from __future__ import annotations

import jmespath
import msgspec
from jmespath.exceptions import JMESPathError

from core import native
from core.config.sources import Http
from core.outgoing import masked
from services.tile_sources.reading import Context, SourceError, number
from services.web import get, quoted


def read(source: Http, context: Context) -> int | float:
    """The number. Raises SourceError, OutgoingError."""
    answer = get(context.site, source.url, source.headers, context.timeout_s, "application/json")
    return native.run(_found, answer.body, source.path, masked(source.url))


def _found(body: bytes, path: str, url: str) -> int | float:
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise SourceError(f"{url} answered what is no JSON: {quoted(str(fault))}") from fault
    try:
        value = jmespath.search(path, document)
    except JMESPathError as fault:
        raise SourceError(f"the path {path} does not fit what {url} answered: {quoted(str(fault))}") from fault
    if value is None:
        raise SourceError(f"nothing stands at {path} of what {url} answered")
    return number(value, f"what stands at {path}")
