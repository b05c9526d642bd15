"""Headway's whole program on one page."""

from __future__ import annotations

import os
from functools import partial

from flask import Flask

from core import access, config, metrics, problems
from core.bus import Bus
from core.cache import Cache
from core.config import Config
from core.database import Database
from core.duties import Duty
from core.fleet import Fleet
from core.hub import Hub
from core.settings import Settings, read
from core.site import Site
from core.store import Store
from core.streams import Announcer
from panels import PANELS, Board, Pusher, _log_rows
from routes import (
    actions_api,
    actions_pages,
    admin,
    agents,
    agents_pages,
    alerts_api,
    alerts_pages,
    auth,
    charts,
    dashboard,
    deployments,
    dev,
    errors,
    errors_api,
    feeds,
    health,
    history,
    history_api,
    job_list,
    job_logs,
    jobs,
    jobs_api,
    live_metrics,
    log_drain,
    logs_api,
    logs_pages,
    metrics_text,
    notification_list,
    notifications_api,
    notifications_pages,
    otlp,
    page_stream,
    panels_api,
    progress_api,
    queue_api,
    queues_api,
    queues_pages,
    socketio,
    stats_stream,
    tickets,
    tiles_api,
    uploads,
)
from services import (
    agent_events,
    alert_events,
    alert_metrics_service,
    alerts_service,
    archive_metrics,
    archive_retention,
    archive_service,
    former_errors,
    history_service,
    job_events,
    job_metrics_service,
    job_numbers,
    log_metrics,
    logs_service,
    notification_events,
    notification_metrics,
    notification_sender,
    operations_service,
    polling,
    queue_depths,
    queue_metrics_service,
    retention_service,
    target_metrics_service,
    targets_service,
    tile_metrics_service,
    tiles_service,
)
from services.brokers import following
from services.live_metrics_service import LiveMetrics
from services.log_tail import LogTail
from services.notification_sender import Sender
from services.progress_streams import ProgressStreams
from services.stats_stream import StatsStream
from services.target_poller import TargetPoller
from services.tile_poller import TilePoller

DUTIES = (
    Duty("alerts", every_s=alerts_service.EVERY_S, run=alerts_service.check),
    Duty("history", every_s=history_service.EVERY_S, run=history_service.sample),
    Duty("logs", every_s=10, run=logs_service.retain, makes_room=True),
    Duty("retention", every_s=10, run=retention_service.run, makes_room=True),
    Duty("archive-retention", every_s=archive_retention.EVERY_S, run=archive_retention.run, longest_pause_s=600),
    Duty("queue-depths", every_s=queue_depths.EVERY_S, run=queue_depths.sample),
    Duty("former-tiles", every_s=600, run=tiles_service.forget_former),
    Duty("former-targets", every_s=600, run=targets_service.forget_former),
    Duty("former-errors", every_s=former_errors.EVERY_S, run=former_errors.run),
)
"""Besides those that hold something between their runs."""

DECODERS = {
    "e": job_events.decode,
    "a": agent_events.decode,
    "n": notification_events.decode,
    "k": alert_events.decode,
}
"""By the field that an event stands in."""

FAMILIES = (
    alert_metrics_service.families,
    job_metrics_service.families,
    queue_metrics_service.families,
    tile_metrics_service.families,
    target_metrics_service.families,
    notification_metrics.families,
    log_metrics.families,
    archive_metrics.families,
)

VIEWS = (
    actions_api,
    actions_pages,
    admin,
    agents_pages,
    agents,
    alerts_api,
    alerts_pages,
    auth,
    charts,
    dashboard,
    deployments,
    errors,
    errors_api,
    feeds,
    health,
    history,
    history_api,
    job_list,
    job_logs,
    jobs,
    jobs_api,
    live_metrics,
    log_drain,
    logs_api,
    logs_pages,
    metrics_text,
    notification_list,
    notifications_api,
    notifications_pages,
    otlp,
    page_stream,
    panels_api,
    progress_api,
    queue_api,
    queues_api,
    queues_pages,
    stats_stream,
    tickets,
    tiles_api,
    uploads,
)


def create_app(settings: Settings | None = None, declared: Config | None = None) -> Flask:
    """The WSGI application. The store's address is `settings.redis_url`; it need not answer yet. `declared` is what
    headway.toml says. Raises SettingError where either can't be worked with."""
    settings = settings or read(os.environ)
    declared = declared or config.held(settings, os.environ)
    app = Flask(__name__)
    site = create_site(app, settings, declared)
    app.extensions["headway"] = site
    app.extensions["headway.duties"] = _duties(site)
    app.extensions["headway.learn"] = job_numbers.learn
    app.extensions["headway.board"] = Board(site, app.jinja_env, PANELS)
    _listen(app, site)

    problems.install(app)
    access.install(app, site)
    socketio.install(app, site)
    metrics.install(app, site, *FAMILIES)
    for views in VIEWS:
        app.register_blueprint(views.bp)
    if settings.dev:
        app.register_blueprint(dev.bp)
    return app


def create_site(app: Flask, settings: Settings, declared: Config) -> Site:
    """What services work with."""
    assert settings.redis_url  # noqa: S101  gunicorn.conf.py sets it to the embedded store's where it was unset
    store = Store(settings.redis_url, settings.partitions)
    fleet = Fleet(store, metrics.REGISTRY)
    return Site(settings, store, Cache(app, store), fleet, Bus(store, DECODERS), Hub(), declared, Database(settings))


def _duties(site: Site) -> tuple[Duty, ...]:
    sender = Sender(site)
    brokers = following.Following()
    return (
        *DUTIES,
        Duty(
            "archive",
            every_s=archive_service.EVERY_S,
            run=archive_service.Archiver().run,
            longest_pause_s=archive_service.LONGEST_PAUSE_S,
        ),
        Duty("brokers", every_s=following.EVERY_S, run=brokers.run, end=brokers.end, longest_pause_s=5),
        Duty("operations", every_s=operations_service.EVERY_S, run=operations_service.Work().run, longest_pause_s=5),
        Duty("tiles", every_s=polling.EVERY_S, run=TilePoller().run),
        Duty("targets", every_s=polling.EVERY_S, run=TargetPoller().run),
        Duty("notifications", every_s=notification_sender.EVERY_S, run=sender.run, end=sender.end),
    )


def _listen(app: Flask, site: Site) -> None:
    """What makes frames of what the bus and the logs tell, for streams and open pages."""
    log_rows = app.extensions["headway.log_rows"] = _log_rows.rows(app.jinja_env)
    tail = app.extensions["headway.log_tail"] = LogTail(site, log_rows)
    progress = app.extensions["headway.progress"] = ProgressStreams(site)
    site.fleet.streams = progress.by_stream
    live = app.extensions["headway.live"] = LiveMetrics(site)
    stats = app.extensions["headway.stats"] = StatsStream(site, partial(tail.wait, 1.0))
    pusher = app.extensions["headway.pusher"] = Pusher(site.hub, site.clock, lambda: site.fleet.refused)
    for listener in (job_numbers.Heard(site.store), Announcer(site.hub), progress, live, stats, pusher):
        site.bus.listen(listener)
