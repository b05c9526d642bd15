"""RQ's settings for a Redis behind Sentinel, as `rq worker --config` reads them, from the environment."""

from __future__ import annotations

import json
import os

SENTINEL = json.loads(os.environ["SENTINEL"])
