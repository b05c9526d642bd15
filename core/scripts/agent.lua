-- Takes what happens to an agent besides its jobs, and writes it whole, with its event.
-- ARGV[1] is {o = operation, a = agent, i = id, d = what listeners get, as JSON, and by operation:
--   'video': nothing more; i is the video's id, and one that was discovered before stays as it is
--   'backfill': total, since; one whose id exists stays as it is
--   'backfill-found': found, enqueued, ends = whether it is over; after that nothing changes}.
-- Answers {outcome, record or false, ms it is known since}, outcome one of created, applied, kept, missing.

local root = KEYS[1]
local call = cmsgpack.unpack(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local MOST_BACKFILLS = 1000

-- part: videos

local function announce(kind)
  redis.call('XADD', root .. '@EVENTS@', 'MAXLEN', '~', 100000, '*', 'a', cmsgpack.pack({kind, call.a, now, call.d}))
end

-- Writes a record under its id, known since now, and lets the oldest beyond a count go.
local function add(set, records, record, most)
  redis.call('ZADD', set, now, call.i)
  redis.call('HSET', records, call.i, record)
  for _, id in ipairs(redis.call('ZRANGE', set, 0, -most - 1)) do
    redis.call('ZREM', set, id)
    redis.call('HDEL', records, id)
  end
end

local function discover()
  local set, records = root .. '@DISCOVERED@' .. call.a, root .. '@DISCOVERY@' .. call.a
  local since = redis.call('ZSCORE', set, call.i)
  local kept = since and redis.call('HGET', records, call.i)
  if kept then return {'kept', kept, tonumber(since)} end
  add(set, records, call.d, MOST_VIDEOS)
  see_video(call.a, call.i, now)
  announce('video')
  return {'created', call.d, now}
end

local backfills, backfill_records = root .. '@BACKFILLS@' .. call.a, root .. '@BACKFILL@' .. call.a

local function start_backfill()
  local kept = redis.call('HGET', backfill_records, call.i)
  if kept then return {'kept', kept, now} end
  local record = cmsgpack.pack({id = call.i, total = call.total, since = call.since, started = now})
  add(backfills, backfill_records, record, MOST_BACKFILLS)
  announce('backfill-started')
  return {'created', record, now}
end

local function find_in_backfill()
  local kept = redis.call('HGET', backfill_records, call.i)
  if not kept then return {'missing', false, 0} end
  local good, backfill = pcall(cmsgpack.unpack, kept)
  if not good or type(backfill) ~= 'table' or backfill.finished then return {'kept', kept, now} end
  backfill.found, backfill.enqueued, backfill.finished = call.found, call.enqueued, call.ends and now or nil
  local record = cmsgpack.pack(backfill)
  redis.call('HSET', backfill_records, call.i, record)
  if call.ends then announce('backfill-completed') end
  return {'applied', record, now}
end

local operations = {video = discover, backfill = start_backfill, ['backfill-found'] = find_in_backfill}
local answer = operations[call.o]()
if answer[1] ~= 'missing' then redis.call('ZADD', root .. '@AGENTS@', 'GT', now, call.a) end
return answer
