"""What a service needs to do its work: handed in, never imported, so that a test passes its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from core.bus import Bus
from core.cache import Cache
from core.config import Config
from core.database import Database
from core.fleet import Fleet
from core.hub import Hub
from core.settings import Settings
from core.store import Store


@dataclass(frozen=True)
class Site:
    settings: Settings
    store: Store
    cache: Cache
    fleet: Fleet
    bus: Bus
    hub: Hub
    config: Config
    """What headway.toml declares."""
    database: Database
    clock: Callable[[], float] = time.time
    """Seconds since the epoch, UTC."""
