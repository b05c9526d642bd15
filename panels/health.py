from __future__ import annotations

from panels import Panel
from services import system_service

PANEL = Panel("health", title="Health", every=10, data=system_service.health, width=2, order=70)
