"""Reads headway.toml and refuses what Headway can't work with, in one line that says where and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.config import values
from core.config.addresses import check_addresses
from core.config.checks import check_together
from core.config.model import Config
from core.fields import FieldError, check
from core.settings import SettingError, Settings

USUAL = "headway.toml"


class ConfigError(SettingError):
    """The file holds what Headway can't work with."""


def read(settings: Settings, environ: Mapping[str, str]) -> Config:
    """The configuration of HEADWAY_CONFIG, or of headway.toml where it exists. Raises ConfigError."""
    path = settings.config or Path(USUAL)
    if settings.config is None and not path.is_file():
        return parse("", environ, settings=settings)
    try:
        config = parse(path.read_text("utf-8"), environ, settings=settings)
        check_addresses(config)
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError(f"{path} can't be read: {fault}") from fault
    except FieldError as fault:
        raise ConfigError(f"{path}: {fault}") from fault
    return config


_held: Config | None = None


def hold(settings: Settings, environ: Mapping[str, str]) -> None:
    """Read the file for the processes that fork from this one, which then get it from `held`. Raises ConfigError, and what was
    held before stays."""
    global _held
    _held = read(settings, environ)


def held(settings: Settings, environ: Mapping[str, str]) -> Config:
    """What the process that this one forked from read; read now where there is none. Raises ConfigError."""
    return _held or read(settings, environ)


def parse(text: str, environ: Mapping[str, str], *, settings: Settings | None = None) -> Config:
    """A configuration's text, with `${NAME}` taken from the environment. Raises FieldError."""
    told = values.toml(text, "the file")
    try:
        return _checked(_filled(told, environ, ""), settings)
    except FieldError as fault:
        raise FieldError(_place(fault.field, told), fault.fault) from fault


def _checked(told: Any, settings: Settings | None) -> Config:
    config = check(Config, told, values.hook, whole="the file")
    check_together(config, settings)
    return config


def _place(field: str, told: dict[str, Any]) -> str:
    """A field as the reader of the file finds it: `[[tiles]] users: every` for `tiles[0].every`."""
    listed = re.fullmatch(r"(\w+)\[(\d+)\](?:\.(.*))?", field, re.S)
    if not listed:
        return field
    table, number, rest = listed[1], int(listed[2]), listed[3]
    one = told[table][number]
    name = next((one[key] for key in ("id", "name") if isinstance(one, dict) and isinstance(one.get(key), str)), None)
    return f"[[{table}]] {name or f'number {number + 1}'}" + (f": {rest}" if rest else "")


def _filled(value: Any, environ: Mapping[str, str], path: str) -> Any:
    if isinstance(value, dict):
        return {name: _filled(one, environ, f"{path}.{name}".lstrip(".")) for name, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, environ, f"{path}[{number}]") for number, one in enumerate(value)]
    if not isinstance(value, str):
        return value

    def of(match: re.Match[str]) -> str:
        if match[1] not in environ:
            raise FieldError(path, f"names ${{{match[1]}}}, which is not set in the environment")
        return environ[match[1]]

    return re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", of, value)
