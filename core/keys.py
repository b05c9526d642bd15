"""Every key that Headway keeps in the store: its name, type, who writes it, and how long it lives.

All but `ANALYTICS` carry their partition's hash tag, so that one script touches one slot of a Redis Cluster. What
belongs to the whole site lives in partition 0. Scripts name keys as `@NAME@`; `core.scripts` puts in what stands here.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Key:
    suffix: str
    type: str
    writer: str
    lives: str

    def at(self, partition: int = 0, *parts: object) -> str:
        """The key's name in a partition; `parts` go behind it, as in `JOB.at(0, 17)`."""
        return f"{root(partition)}{self.suffix}{':'.join(str(part) for part in parts)}"


def root(partition: int) -> str:
    return f"headway:{{{partition}}}:"


ANALYTICS = "analytics_snapshot_cache"  # string, JSON; analytics_service; 30 s; the name is fixed on the wire

# One job's life. All of these are written by the scripts `apply` and `retire` alone.
NUMBER = Key("number", "string", "apply", "for ever: the count of numbers given, in partition 0 for all")
JOB = Key("job:", "string", "apply", "until retired: one job by its number, a MessagePack map")
IDS = Key("ids:", "hash", "apply", "until retired: an agent's job ids, each to its number")
STATUS = Key("status:", "zset", "apply", "until retired: jobs of a status by number")
AGENT_STATUS = Key("agent-status:", "zset", "apply", "until retired: jobs of STATUS:AGENT by number")
FINISHED = Key("finished", "zset", "apply", "until retired: jobs at their end, by finish time in ms")
AGENTS = Key(
    "agents", "zset", "apply, agent", "until retired, when it was not seen for long: agents by last seen, in ms"
)
TOTALS = Key("totals", "hash", "apply", "for ever: finished jobs and their durations by agent, bounded")
MINUTE = Key("minute:", "hash", "apply, history_service", "25 h: what happened in a minute since the epoch")
HOUR = Key("hour:", "hash", "apply, history_service", "91 days: what happened in an hour since the epoch")
AGENT_MINUTE = Key("agent-minute:", "hash", "apply", "25 h: jobs that ended in a minute, by outcome and agent, bounded")
AGENT_HOUR = Key("agent-hour:", "hash", "apply", "91 days: jobs that ended in an hour, by outcome and agent, bounded")
BY = Key("by:", "zset", "apply", "until retired: jobs by number of FIELD:VALUE, where they name a queue or the like")
QUEUE_STATE = Key("queue-state:", "zset", "apply", "until retired: jobs of STATE:AGENT/QUEUE by number")
UNCOUNTED = Key("uncounted:", "zset", "apply", "until retired: an agent's jobs that ended on purpose, by number")
FORMER_ERRORS = Key("former-errors", "string", "name_errors", "for ever: up to which number failures got their types")
QUEUES = Key("queues", "zset", "apply", "until its last job is retired: AGENT/QUEUE by last seen, in ms")
NAMED = Key("named:", "zset", "apply", "the newest 1,000: what jobs named in a field, by last seen in ms")
QUEUE_MINUTE = Key("queue-minute:", "hash", "apply", "25 h: jobs that came and ended in a minute by queue, bounded")
QUEUE_HOUR = Key("queue-hour:", "hash", "apply", "91 days: jobs that came and ended in an hour by queue, bounded")
QUEUE_TOTALS = Key("queue-totals", "hash", "apply", "until its last job is retired: jobs that ended by queue, bounded")
QUEUE_TIMES = Key(
    "queue-times", "hash", "apply", "until retired: the last waits and runs of each queue and function, bounded"
)
QUEUE_DEPTH = Key("queue-depth:", "hash", "queue_depths", "2 h: the most that waited in a minute by AGENT/QUEUE")
DUE = Key("due", "zset", "apply", "until it waits no more: jobs that are to begin at a time, by when in ms")
HEARD = Key("heard", "zset", "apply, stalled", "until its end: jobs at work by when they were heard of, to 10 s, in ms")
EVENTS = Key(
    "events",
    "stream",
    "apply, agent, notifications",
    "the last 100,000 events or so, each MessagePack: a job's in e, an agent's in a, a notification's in n, an alert's in k",
)
ARCHIVE = Key(
    "archive",
    "hash",
    "archive, sweep, archive_service, archive_alone",
    "for ever: of which SQL database the archive is, and how far",
)

# Notifications. Written by the part `notifications`, which the scripts that use it share.
NOTIFICATION_NUMBER = Key("notification-number", "string", "notifications", "for ever: how many there ever were")
NOTIFICATIONS = Key("notifications", "zset", "notifications", "until pruned: ids of all notifications by number")
NOTIFICATION = Key("notification", "hash", "notifications", "until pruned: each notification, a MessagePack map")
NOTIFICATION_STATE = Key("notification-state:", "zset", "notifications", "until pruned: ids of a state by number")
NOTIFICATION_NEW = Key("notification-new", "zset", "notifications", "until its channels are found: ids by number")
NOTIFICATION_QUEUE = Key(
    "notification-queue:",
    "zset",
    "sending",
    "until sent or given up: what waits for a channel, by when it is due in ms",
)
NOTIFICATION_TOTALS = Key("notification-totals", "hash", "notifications", "for ever: created, sent, failed, retried")

# Alerts: of the rules in headway.toml.
ALERTS = Key("alerts", "hash", "alert", "as long as its rule is declared: how each alert stands, as JSON")
ALERT_HISTORY = Key(
    "alert-history", "zset", "alert", "[retention] alerts, the last 10,000: what fired when, JSON by ms"
)
ALERT_WATCH = Key(
    "alert-watch", "string", "alert", "for ever: since when alerts are checked, and when they were not, JSON"
)

# Deployments. Written by the script `deployment` alone.
DEPLOYMENTS = Key("deployments", "zset", "deployment", "90 days, the last 1,000: their ids by when, in ms")
DEPLOYMENT = Key("deployment", "hash", "deployment", "as DEPLOYMENTS: each deployment, JSON")

# Tiles. Written by the script `tile` alone.
TILES = Key("tiles", "hash", "tile", "until removed: what is known of each tile by its id, a MessagePack map")
UNDECLARED_TILES = Key(
    "undeclared-tiles", "set", "tile", "until removed: pushed ids that headway.toml does not declare"
)
TILE_INCREMENT = Key("tile-increment:", "string", "tile", "15 min: that an increment of this name was added")
TILE_HISTORY = Key(
    "tile-history:", "zset", "tile", "25 h: a tile's last value of each minute, by minute since the epoch"
)
BROKERS = Key("brokers", "hash", "standings", "while declared or discovered: how each broker stands, JSON")
TARGETS = Key("targets", "hash", "targets_service", "while declared: how each target fared, a MessagePack map")
TARGET_HISTORY = Key(
    "target-history:",
    "zset",
    "targets_service",
    "2 h: a target's last request rate of each minute, by minute since the epoch",
)

# Logs: lines by source, those of jobs once more. Written by the script `log` alone.
LOGS = Key("logs:", "stream", "log", "[retention] logs and logs_mb: a source's lines, a chunk an entry")
LOG_INDEX = Key("log-index", "stream", "log", "as LOGS: of each chunk of any source its head, under the same id")
LOG_BYTES = Key("log-bytes", "hash", "log", "as LOGS: how many bytes each source takes")
LOG_LINES = Key("log-lines", "hash", "log", "as LOGS: how many lines each source has")
LOG_ROOM = Key("log-room", "string", "log", "while the store has a limit: bytes of it that logs may take")
LOG_LABELS = Key("log-labels", "set", "log", "for ever: the sources that metrics name, bounded")
LOG_JOB = Key("log-job:", "list", "log", "[retention] logs: the last lines of AGENT/ID, 500 or 64 KiB")
LOG_JOBS = Key("log-jobs", "zset", "log", "as LOG_JOB: jobs with lines by when the last one came, in ms")
LOG_JOB_BYTES = Key(
    "log-job-bytes", "hash", "log", "as LOG_JOB: how many bytes each takes, and all under an empty name"
)
LOG_FRAME = Key("log-frame:", "string", "log", "3 h, or 1 min: that a frame of a drain, or a request, was stored")

# What an agent did, until the agent is retired. Written by the scripts `apply` and `agent`, ended by `retire`.
STAGE_TIMES = Key("stage-times:", "hash", "apply", "until its last job is retired: the last durations of each stage")
VIDEOS = Key("videos:", "zset", "apply, agent", "the newest 100,000 distinct videos of an agent, by when first seen")
EPISODES = Key(
    "episodes:", "zset", "apply", "the newest 100,000 episodes: all, published or unpublished:AGENT, by time"
)
EPISODE = Key("episode:", "hash", "apply", "as EPISODES: each episode of an agent, a MessagePack map")
MADE = Key("made:", "hash", "apply, agent", "how many distinct videos, episodes, published episodes there ever were")
DISCOVERED = Key("discovered:", "zset", "agent", "the newest 100,000 discovered videos of an agent, by when")
DISCOVERY = Key("discovery:", "hash", "agent", "as DISCOVERED: each video, JSON")
BACKFILLS = Key("backfills:", "zset", "agent", "the newest 1,000 backfills of an agent, by when they started")
BACKFILL = Key("backfill:", "hash", "agent", "as BACKFILLS: each backfill, a MessagePack map")

# What the processes of one site know together: figures, who lives, who leads.
METRICS = Key(
    "metrics", "hash", "flush", "for ever: by how much each series grew, and under `epoch` since which emptying"
)
METRICS_BASE = Key("metrics-base", "hash", "flush", "for ever: what each series had reached when the epoch began")
METRICS_FAMILIES = Key("metrics-families", "hash", "flush", "for ever: type, help and merging of each metric")
METRICS_SEQ = Key("metrics-seq:", "string", "flush", "a day: the last flush of a process that was counted")
METRICS_TEXT = Key("metrics-text:", "string", "exposition", "1 s: what every scrape gets, by format")
PROCESSES = Key("processes", "zset", "flush", "processes by their last heartbeat, in ms")
PROCESS = Key("process:", "hash", "flush", "15 s: what a process is, and its gauges")
LEADER = Key("leader", "string", "leader", "10 s: who runs the duties, the value of its lock")
DUTIES = Key("duties", "hash", "duties", "for ever: how each duty fared, as JSON")
SAMPLES = Key("samples", "list", "history_service", "the last 120: latency and totals every 5 s, as JSON")
SERIES_RECORDS = Key("series-records:", "string", "history", "91 days from its last sample: a series' rings of records")
SERIES_KNOWN = Key(
    "series-known", "zset", "history", "as SERIES_RECORDS: the series that are kept by the hour of a sample"
)
SERIES_STATE = Key(
    "series-state", "string", "history", "for ever: the newest sample's time, and totals that series grow from"
)
PROBE = Key("probe", "string", "system_health", "1 min: that the store takes writes")
SERIES = Key(
    "series:",
    "string",
    "job_series_service, heat_service, failure_days, queue_depths",
    "5 s to 5 min: what happened in a window of time, as JSON",
)
PROMETHEUS = Key(
    "prometheus:", "string", "prometheus_history", "15 s to 10 min: what Prometheus said of a window, as JSON"
)
ARCHIVE_FIGURES = Key("archive-figures:", "string", "archive_figures", "1 min: figures of archived jobs, as JSON")
CACHE_LOCK = Key("cache-lock:", "string", "cache", "5 s: who computes a cached value")

PARTITIONS = Key("partitions", "string", "store", "for ever: how many partitions the key space has")
RESTORING = Key("restoring", "string", "backup_restore", "while a copy is put back: no site starts on half of one")

# Access: who is signed in no longer, and how often somebody tried.
REVOKED = Key(
    "revoked:", "string", "core.endings", "as long as its session would have: a session signed out, by its id"
)
SESSIONS_ENDED = Key("sessions-ended", "string", "core.endings", "for ever: sessions begun up to then (s) are over")
TICKET = Key("ticket:", "string", "core.tickets", "30 s or until it is used: whom a ticket stands for, by its SHA-256")
LIMIT = Key("limit", "string", "core.limits", "1 to 5 min: attempts of an address, requests of a token")

# Uploads of job history.
UPLOADS = Key("uploads", "zset", "upload_records", "the last 1,000 uploads by number")
UPLOAD_NUMBER = Key("upload-number", "string", "upload_records", "for ever: the last number given")
UPLOAD = Key("upload:", "hash", "upload_records", "one upload, until 1,000 later ones came")
UPLOAD_ALIVE = Key("upload-alive:", "string", "upload_records", "10 s: that a process receives this upload")
UPLOAD_REJECTED = Key(
    "upload-rejected:", "list", "upload_records", "HEADWAY_KEEP_DAYS, of the last 100 uploads: rejected rows as JSON"
)
UPLOAD_SUMS = Key(
    "upload-sums", "hash", "upload_records", "as its upload: the first upload of each content, by SHA-256"
)

# Acting on what RQ and Celery have.
AUDIT = Key("audit", "hash", "audit_service", "the last 10,000 actions by number, JSON")
AUDIT_NUMBER = Key("audit-number", "string", "audit_service", "for ever: how many actions there ever were")
PAUSED = Key(
    "paused", "hash", "paused_queues", "while paused: when AGENT/QUEUE was, and the workers that took from it, JSON"
)
SENT_AGAIN = Key("sent-again:", "string", "sent_again", "10 min: as which task one of Celery's was sent again")
CANCELED = Key("canceled:", "string", "canceled_lately", "15 s: that one of Celery's tasks was canceled")
OPERATIONS = Key(
    "operations", "zset", "operation_records", "the last 100 operations on many jobs by number, and all that go on"
)
OPERATIONS_OPEN = Key("operations-open", "set", "operation_records", "the operations that are to go on")
OPERATION_NUMBER = Key("operation-number", "string", "operation_records", "for ever: the last number given")
OPERATION = Key(
    "operation:", "hash", "operation_records, operation", "as OPERATIONS: one operation, how far it is, JSON"
)
OPERATION_JOBS = Key(
    "operation-jobs:", "list", "operation_records", "as OPERATIONS: the jobs that were chosen for it, JSON"
)
OPERATION_LEASE = Key("operation-lease:", "string", "operation", "15 s: which process goes on with this operation")


def partition_of(agent: str, partitions: int) -> int:
    """The partition that an agent's jobs live in."""
    return zlib.crc32(agent.encode()) % partitions if partitions > 1 else 0


SCRIPT_KEYS: dict[str, Key] = {name: value for name, value in list(globals().items()) if isinstance(value, Key)}
