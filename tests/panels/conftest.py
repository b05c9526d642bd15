"""What tests of panels share."""

from __future__ import annotations

import pytest

from core.site import Site
from tests.panels.boards import at_noon


@pytest.fixture
def noon(site: Site) -> Site:
    """The site at a moment that stands still."""
    return at_noon(site)
