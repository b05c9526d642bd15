"""One task of Celery's is canceled once, and may be again where that went wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from core.site import Site
from core.store import Store
from services.brokers import canceled_lately
from services.brokers.action_model import ActionRefused
from services.brokers.model import BrokerError
from tests.conftest import Valkey


def test_who_cancels_right_after_another_is_refused_unless_that_one_failed(site: Site) -> None:
    with pytest.raises(BrokerError), canceled_lately.once(site, "celery", "a"):
        raise BrokerError("its Redis can't be reached")
    with canceled_lately.once(site, "celery", "a"):
        pass
    with pytest.raises(ActionRefused, match="a moment ago"), canceled_lately.once(site, "celery", "a"):
        pass


def test_what_the_broker_said_is_told_though_the_store_is_away_too(
    site: Site, own_valkey: Callable[..., Valkey]
) -> None:
    valkey = own_valkey()
    away = replace(site, store=Store(valkey.url))
    with pytest.raises(BrokerError, match="its Redis"), canceled_lately.once(away, "celery", "a"):
        valkey.stop()
        raise BrokerError("its Redis can't be reached")
