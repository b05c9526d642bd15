"""Celery with transport options, the same for its broker and its result backend: `master_name` behind Sentinel, `global_keyprefix`."""

from __future__ import annotations

import json
from typing import Any

from celery import Celery

from tests import celery_workers


def client(url: str, options: dict[str, Any]) -> Celery:
    """As `celery_workers.client`."""
    app = celery_workers.client(url)
    app.conf.update(broker_transport_options=options, result_backend_transport_options=options)
    return app


class TransportWorker(celery_workers.CeleryWorker):
    """A worker with these options."""

    def __init__(self, url: str, transport: dict[str, Any]) -> None:
        super().__init__(url)
        self.transport = transport

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"OPTIONS": json.dumps(self.transport)}
