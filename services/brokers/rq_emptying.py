"""Emptying a queue of RQ: what waits there is deleted, but for what rq-scheduler has in its list, which waits for its next time."""

from __future__ import annotations

from typing import NamedTuple

import redis

from services.brokers import rq_keys

CHUNK = 1_000
"""Jobs that are taken out in one step: RQ's own way does it in one, and holds up everybody meanwhile."""
NAMED = (rq_keys.JOB, rq_keys.RESULTS, rq_keys.RQ_SCHEDULER_JOBS)
STEP = """
local gone, kept = 0, 0
for _ = 1, ARGV[1] do
  local id = redis.call('LPOP', KEYS[1])
  if not id then break end
  local job = ARGV[2] .. id
  -- A list of another type is none of rq-scheduler's.
  if type(redis.pcall('ZSCORE', ARGV[4], id)) == 'string' and redis.call('EXISTS', job) == 1 then
    redis.pcall('HSET', job, 'status', 'scheduled')  -- a full Redis refuses that, and can be emptied all the same
    kept = kept + 1
  else
    redis.call('DEL', job, job .. ':dependents', job .. ':dependencies', ARGV[3] .. id)
    gone = gone + 1
  end
end
return {gone, kept}
"""


class Emptied(NamedTuple):
    gone: int
    kept: int
    """Jobs that recur: without its hash rq-scheduler would drop one from its list, and it would never run again."""

    @property
    def said(self) -> str:
        said = f"{self.gone:,} {'job that waited was' if self.gone == 1 else 'jobs that waited were'} deleted from RQ."
        if not self.kept:
            return said
        recurring = "1 that recurs was" if self.kept == 1 else f"{self.kept:,} that recur were"
        return f"{said} {recurring} taken out of the queue: rq-scheduler adds what recurs again at its next time."


def empty(client: redis.Redis, key: str) -> Emptied:
    """The queue whose list this is; at most as many as wait now, so that it ends while others add. Raises redis.RedisError."""
    done, left = Emptied(0, 0), int(client.llen(key))
    script = client.register_script(STEP)
    while left > 0:
        gone, kept = script(keys=[key], args=(min(left, CHUNK), *NAMED))
        if not gone + kept:
            break
        done, left = Emptied(done.gone + gone, done.kept + kept), left - gone - kept
    return done
