from __future__ import annotations

from panels import Panel
from services import system_service

PANEL = Panel("stats", title="System Pulse", every=5, data=system_service.pulse, width=4, order=10, bare=True)
