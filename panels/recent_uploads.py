from __future__ import annotations

from dataclasses import dataclass

from core.site import Site
from panels import Panel
from services import uploads_service
from services.upload_records import Upload

SHOWN = 6


@dataclass(frozen=True)
class RecentUploads:
    """The newest uploads, newest first."""

    uploads: tuple[Upload, ...]


def data(site: Site) -> RecentUploads:
    return RecentUploads(uploads_service.recent(site, SHOWN))


PANEL = Panel("recent-uploads", title="Recent uploads", every=10, data=data, width=2, order=60)
