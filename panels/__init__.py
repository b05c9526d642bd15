"""One file a panel: its name, title, interval, size and data. Adding one touches nothing else."""

from __future__ import annotations

from panels._board import Board, Shown, Unavailable
from panels._lines import Line
from panels._panel import Panel, PanelError, discover
from panels._part import Look, Part
from panels._push import PAGE, Pusher
from panels._view import USUAL, Choice, Compare, View

PANELS = discover(__name__, __path__)
"""Every panel by its name, in the page's order."""

__all__ = [
    "PAGE",
    "PANELS",
    "USUAL",
    "Board",
    "Choice",
    "Compare",
    "Line",
    "Look",
    "Panel",
    "PanelError",
    "Part",
    "Pusher",
    "Shown",
    "Unavailable",
    "View",
]
