"""One rule of an alert beside the configuration that is in force: what somebody tries before writing it into headway.toml."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from core.config import values
from core.config.checks import check_together
from core.config.model import Alert, Config
from core.fields import FieldError, check

MOST_TEXT = 10_000
WHERE = "alerts[0]."


def parse_alert(text: str, config: Config) -> Alert:
    """The rule of a text that holds one `[[alerts]]`, or its fields alone. Its channel and target are those of `config`; variables
    are not filled in, so that nobody reads the environment this way. Raises FieldError."""
    if len(text) > MOST_TEXT:
        raise FieldError("toml", f"should be {MOST_TEXT:,} characters at most")
    told = values.toml(text, "toml")
    try:
        (alert,) = check(Config, {"alerts": [_fields(told)]}, values.hook, whole="toml").alerts
        check_together(replace(config, alerts=(alert,)), None)
    except FieldError as fault:
        raise FieldError(fault.field.removeprefix(WHERE), fault.fault) from fault
    return alert


def _fields(told: dict[str, Any]) -> Any:
    """The fields of the one rule."""
    if not told:
        raise FieldError("toml", "is empty: it should hold an id and a when")
    if "alerts" in told:
        if others := sorted(set(told) - {"alerts"}):
            raise FieldError(others[0], "is not tried here: one [[alerts]] is")
        found = told["alerts"]
        if not isinstance(found, list) or len(found) != 1:
            raise FieldError("alerts", "should be one rule under [[alerts]]: try one at a time")
        told = found[0]
    if isinstance(told, dict):
        _refuse_variables(told, "")
        told = {"id": "tried", **told}
    return told


def _refuse_variables(value: Any, path: str) -> None:
    if isinstance(value, dict):
        for name, one in value.items():
            _refuse_variables(one, f"{path}.{name}".lstrip("."))
    elif isinstance(value, str) and "${" in value:
        raise FieldError(path, "names a variable of the environment, which is not read here: write its value")
