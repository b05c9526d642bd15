-- What updates name of a job besides how it goes: queue, function, worker, tags and the like. Jobs that name none cost nothing of
-- this. What was seen and how long it took is gathered while a script runs, and written by `write_names()`.

local MOST_NAMED = 1000
local MOST_TIMES = 200
local MOST_TIMED = math.ceil(2000 / call.P) -- queues' and functions' waits and runs; others are not kept

-- The states in which a job has ended for its engine, as in services.brokers.model, and the status of each.
local ENGINE_ENDS = {finished = 'completed', failed = 'failed', stopped = 'failed', canceled = 'failed', deleted = 'failed'}

local named, queues_seen, taken = {}, {}, {}

-- Only what is said is set: a field that is set to nil takes room in Lua's table, and time to make it.
local function take_names(u, job)
  if u.en then
    if job.title and not job.state then job.titled = true end -- by a reporter, who knows better what it does
    job.engine = u.en
  end
  if u.xi then job.engineId = u.xi end
  if u.qu then job.queue = u.qu end
  if u.fn then job['function'] = u.fn end
  if u.wk then job.worker = u.wk end
  if u.x then
    job.state = u.x
    if u.sa then job.began = u.sa end -- by its engine's clock; a reporter's `started` stays beside it
  end
  if u.et then job.errorType = u.et end
  if u.qa then job.enqueued = u.qa end
  if u.du then job.due = u.du > 0 and u.du or nil end
  if u.tg then job.tags = #u.tg > 0 and u.tg or nil end
end

-- Whether a reporter ended a job of which its engine says only now that it has ended there as well.
local function is_settled_by(u, job)
  return u.o ~= 'import' and ENGINE_ENDS[u.x] and FINAL[job.status] and not ENGINE_ENDS[job.state]
end

-- The attempt that an update is of. That a job failed in its engine after all is told as one more than the completed one, which is kept:
-- whoever follows the engine may not know yet that a reporter told that.
local function attempt_of(u, job)
  local attempt = u.t or job.attempt
  local has_failed = job.status == 'completed' and (u.x == 'failed' or u.x == 'stopped') and is_settled_by(u, job)
  return has_failed and attempt == job.attempt and attempt + 1 or attempt
end

-- How it ended stays as it was told first; what was not known of it is taken. A state that contradicts its status, or would leave it out
-- of rates that have counted it, is said in the plain word for its status.
local function settle_names(u, job)
  local is_same, told = ENGINE_ENDS[u.x] == job.status, job.error or job.errorType
  local error_type = job.errorType
  take_names(u, job)
  if not is_same or UNCOUNTED[u.x] then job.state = job.status == 'completed' and 'finished' or 'failed' end
  if told or not is_same then job.errorType = error_type end
  if is_same then job.error, job.result = job.error or u.e, job.result or u.r end
  job.title, job.metadata = job.title or u.l, u.d or job.metadata
  if u.sa then job.started = math.min(u.sa, job.finished) end
end

-- Whether an update names nothing but what is so already.
local function names_nothing(u, job)
  return (not u.qu or u.qu == job.queue) and (not u.fn or u.fn == job['function']) and (not u.wk or u.wk == job.worker)
    and (not u.x or u.x == job.state) and (not u.et or u.et == job.errorType) and (not u.en or u.en == job.engine)
    and (not u.xi or u.xi == job.engineId) and (not u.qa or u.qa == job.enqueued) and (not u.du or u.du == (job.due or 0))
    and (not u.tg or table.concat(u.tg, ' ') == table.concat(job.tags or {}, ' '))
end

-- Moves a job from the indexes that it was in (nil: none) to those that it belongs to now.
local function file(job, number, was, at)
  local is = indexes_of(job)
  if not (was or is) then return end
  local before, after = was and was.keys or {}, is and is.keys or {}
  for key in pairs(before) do
    if not after[key] then redis.call('ZREM', root .. key, number) end
  end
  for key, what in pairs(after) do
    if not before[key] then redis.call('ZADD', root .. key, number, number) end
    local field, value = what[1], what[2]
    if field and field ~= 'state' then
      named[field] = named[field] or {}
      named[field][value] = math.max(at, named[field][value] or 0)
    end
  end
  local due = is and is.due
  if due then
    redis.call('ZADD', root .. '@DUE@', due, number)
  elseif was and was.due then
    redis.call('ZREM', root .. '@DUE@', number)
  end
  local queue, old = is and is.queue, was and was.queue
  if queue then queues_seen[queue] = math.max(at, queues_seen[queue] or 0) end
  if old and old ~= queue then leave_queue(old) end
  if queue and not old and not job.undated then count_queue(job.created, 'created', queue) end
end

-- How long a job waited and ran, where it is known when it began. `had` is when it had begun before this update.
local function time_names(u, job, had)
  local function take(kind, ms)
    local function under(field)
      taken[field] = taken[field] or {}
      table.insert(taken[field], math.max(0, ms))
    end
    if job.queue then under(kind .. '\t' .. job.agent .. '/' .. job.queue) end
    if job['function'] then under(kind .. '\tf\t' .. job['function']) end
  end
  if not (job.queue or job['function']) then return end
  local has_begun = had or u.sa or job.status == 'processing'
  if not has_begun or not job.started then return end
  local since = job.enqueued or (job.attempt == 1 and job.created)
  if not had and since then take('w', job.started - since) end
  if FINAL[job.status] then take('r', job.finished - job.started) end
end

local function write_names()
  for field, values in pairs(named) do
    local key = root .. '@NAMED@' .. field
    for value, at in pairs(values) do redis.call('ZADD', key, 'GT', at, value) end
    redis.call('ZREMRANGEBYRANK', key, 0, -MOST_NAMED - 1)
  end
  for queue, at in pairs(queues_seen) do redis.call('ZADD', root .. '@QUEUES@', 'GT', at, queue) end
  local key = root .. '@QUEUE_TIMES@'
  for field, spans in pairs(taken) do
    local times = redis.call('HGET', key, field)
    if times or redis.call('HLEN', key) < MOST_TIMED then
      for i, ms in ipairs(spans) do spans[i] = struct.pack('<I4', math.min(ms, 4294967295)) end
      redis.call('HSET', key, field, ((times or '') .. table.concat(spans)):sub(-4 * MOST_TIMES))
    end
  end
end
