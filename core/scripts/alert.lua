-- Takes what became of alerts: each only where its record still is the one that was read, whole, with its event, its line of
-- history and its notification. So of several that check at once one tells of a change.
-- ARGV[1] is {w = the watch, before = ms: older history goes, changes = list of {i = id, b = record as it was read, if any,
-- r = new record; none removes it, and if any: k = event, h = lines of history, each {ms, text}, n = what add_notification takes}}.
-- Answers for each 1 where it was taken, 0 where somebody was quicker.

local root = KEYS[1]
local call = cmsgpack.unpack(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local MOST_HISTORY = 10000

-- part: notifications

local alerts, history = root .. '@ALERTS@', root .. '@ALERT_HISTORY@'

local function take(change)
  if (redis.call('HGET', alerts, change.i) or nil) ~= change.b then return 0 end
  if change.r then
    redis.call('HSET', alerts, change.i, change.r)
  else
    redis.call('HDEL', alerts, change.i)
  end
  for _, line in ipairs(change.h or {}) do redis.call('ZADD', history, line[1], line[2]) end
  if change.k then
    redis.call('XADD', root .. '@EVENTS@', 'MAXLEN', '~', 100000, '*', 'k', cmsgpack.pack({change.i, change.k[1], change.k[2], now}))
  end
  if change.n then add_notification(change.n) end
  return 1
end

local answers = {}
for i, change in ipairs(call.changes) do answers[i] = take(change) end
if call.w then redis.call('SET', root .. '@ALERT_WATCH@', call.w) end
if call.before then
  redis.call('ZREMRANGEBYSCORE', history, '-inf', '(' .. string.format('%d', call.before))
  redis.call('ZREMRANGEBYRANK', history, 0, -MOST_HISTORY - 1)
end
return answers
