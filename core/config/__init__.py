"""headway.toml: what the operator declares besides the environment. `read(settings, environ)` answers a frozen `Config`."""

from core.config.brokers import Broker, Masking
from core.config.model import Alert, Channel, Config, Level, Logs, Outgoing, Quiet, Retention, Target, Tile
from core.config.reading import ConfigError, held, hold, parse, read
from core.config.redaction import Redaction
from core.config.values import Seconds

__all__ = [
    "Alert", "Broker", "Channel", "Config", "ConfigError", "Level", "Logs", "Masking", "Outgoing", "Quiet", "Redaction", "Retention",
    "Seconds", "Target", "Tile", "held", "hold", "parse", "read",
]  # fmt: skip
