"""What tests of access may ask for: the application with a view of every scope, and more processes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from core.settings import Settings
from core.store import Store
from tests.visitors import probed_app, with_tokens


@pytest.fixture
def probed(settings: Settings, store: Store) -> Iterator[Callable[..., Flask]]:
    """Makes one more application a call, as another web process has it: `probed(trusted_hops=1)` changes its settings."""
    apps: list[Flask] = []

    def make(**changes: object) -> Flask:
        apps.append(probed_app(with_tokens(settings, **changes)))
        return apps[-1]

    yield make
    for app in apps:
        app.extensions["headway"].store.close()


@pytest.fixture
def app(probed: Callable[..., Flask]) -> Flask:
    return probed()


@pytest.fixture
def other_process(probed: Callable[..., Flask]) -> Flask:
    """A second application on the same store."""
    return probed()


@pytest.fixture
def visitor(app: Flask) -> FlaskClient:
    """A client that sends nothing of its own."""
    return app.test_client()
