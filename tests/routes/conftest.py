"""What tests of routes may ask for besides."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from app import create_app
from core.settings import Settings
from core.store import Store
from tests.visitors import with_tokens


@pytest.fixture
def guarded(settings: Settings, store: Store) -> Iterator[Flask]:
    """The application with a token of every scope."""
    app = create_app(with_tokens(settings))
    app.testing = True
    yield app
    app.extensions["headway"].store.close()
