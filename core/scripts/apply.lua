-- Takes updates of one partition's jobs, in order, and writes each whole: the hash, its indexes, the counters and the
-- event. ARGV[1] is {p = partition, P = partitions, keep = oldest time in ms before now that counts, want = whether
-- to answer the jobs, u = updates}. An update is
--   o  'create' (an id that exists stays as it is), 'update' (one that does not is missing), 'put' (either),
--      'import' (as put, and no live counter moves)
--   n  the job's number, or a = agent and i = id
--   t  attempt, q  seq, w  the reporter's time in ms
--   s  status, g  stage, p  progress, m  message, e  error, r  result, d  metadata, l  title
--   ca, sa, fa  created, started, finished in ms, st  stages as JSON (imports)
-- Answers a list: for each update {outcome, number, job or false}, outcome one of
-- created, applied, kept, missing, damaged.

local root = KEYS[1]
local call = cmsgpack.unpack(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local oldest = now - call.keep

local FINAL = {completed = true, failed = true}
local STATUSES = {'queued', 'processing', 'completed', 'failed'}
local BOUNDS = {0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200}
-- What every update needs of a job; what only some need is read when it is (`fetch`).
local READ = {'agent', 'id', 'title', 'status', 'stage', 'progress', 'attempt', 'seq', 'at', 'started'}
local RARE = {'created', 'finished', 'stages', 'attempts', 'error', 'failedStage'}
local MOST_STAGES = 100
local MOST_ATTEMPTS = 20
local MOST_AGENTS = math.ceil(200 / call.P) -- named in @TOTALS@; the rest counts under "other"
local MINUTES_MS = 25 * 3600 * 1000

local minutes, totals, seen = {}, {}, {}

local function digits(number)
  return number == math.floor(number) and string.format('%d', number) or string.format('%.14g', number)
end

local function count(into, key, field, by)
  local fields = into[key]
  if not fields then
    fields = {}
    into[key] = fields
  end
  fields[field] = (fields[field] or 0) + by
end

local function count_minute(at, field, by)
  if now - at < MINUTES_MS then
    count(minutes, string.format('%d', math.floor(at / 60000)), field, by)
  end
end

local function count_finish(job, duration_ms, live)
  count_minute(job.finished, job.status, 1)
  count_minute(job.finished, 'duration_ms', duration_ms)
  if live then
    local bound = 'inf'
    for _, le in ipairs(BOUNDS) do
      if duration_ms <= le * 1000 then
        bound = tostring(le)
        break
      end
    end
    count(totals, job.agent, job.status, 1)
    count(totals, job.agent, 'sum', duration_ms / 1000)
    count(totals, job.agent, 'le\t' .. bound, 1)
  end
end

local function find(u)
  if u.n then return string.format('%d', u.n) end
  return redis.call('HGET', root .. '@IDS@' .. u.a, u.i) or nil
end

-- The job at a number; nil where there is none, false where what stands there is no job.
local function read(number)
  local values = redis.pcall('HMGET', root .. '@JOB@' .. number, unpack(READ))
  if values.err then return false end
  local job = {}
  for i, name in ipairs(READ) do job[name] = values[i] or nil end
  if not next(job) then return nil end
  if not (job.agent and job.id and job.status) then return false end
  job.progress = tonumber(job.progress) or 0
  job.attempt = tonumber(job.attempt) or 1
  job.seq, job.at, job.started = tonumber(job.seq), tonumber(job.at), tonumber(job.started)
  job.number = number
  return job
end

-- Reads the fields that only a new stage, an end or a new attempt looks at.
local function fetch(job)
  if job.fetched then return end
  job.fetched = true
  local values = redis.call('HMGET', root .. '@JOB@' .. job.number, unpack(RARE))
  for i, name in ipairs(RARE) do job[name] = values[i] or nil end
  job.created, job.finished = tonumber(job.created), tonumber(job.finished)
end

local function move(job, number, from)
  if from == job.status then return end
  if from then
    redis.call('ZREM', root .. '@STATUS@' .. from, number)
    redis.call('ZREM', root .. '@AGENT_STATUS@' .. from .. ':' .. job.agent, number)
    if FINAL[from] then redis.call('ZREM', root .. '@FINISHED@', number) end
  end
  redis.call('ZADD', root .. '@STATUS@' .. job.status, number, number)
  redis.call('ZADD', root .. '@AGENT_STATUS@' .. job.status .. ':' .. job.agent, number, number)
  if FINAL[job.status] then redis.call('ZADD', root .. '@FINISHED@', job.finished, number) end
end

-- An event is one MessagePack array, in the order that services.job_events reads; '' stands for nothing.
local function announce(kind, job, number, was, message, error, at)
  local event = cmsgpack.pack({kind, tonumber(number), job.id, job.agent, job.title or '', job.status, was or '', job.stage or '',
    job.progress, message or '', error or '', job.failedStage or '', job.attempt, at})
  redis.call('XADD', root .. '@EVENTS@', 'MAXLEN', '~', 100000, '*', 'e', event)
end

-- When an update happened: the reporter's own time where it can be, else the time of arrival and by how far it is off.
local function when(u)
  local at = u.w
  if not at then return now, nil end
  if at > now then return now, (at - now > 1000) and math.floor((at - now) / 1000) or nil end
  if at < oldest then return now, math.floor((at - now) / 1000) end
  return at, nil
end

local function is_late(u, job, at)
  if u.q and job.seq then return u.q <= job.seq end
  return u.w ~= nil and job.at ~= nil and at < job.at
end

local function changes_nothing(u, job)
  return (not u.s or u.s == job.status) and (not u.g or u.g == job.stage) and (not u.p or u.p == job.progress)
    and not (u.m or u.e or u.r or u.d or u.l)
end

-- A higher attempt starts the job anew and keeps what the earlier ones did.
local function begin_attempt(job, attempt, write, drop)
  fetch(job)
  local attempts = job.attempts and cjson.decode(job.attempts) or {}
  attempts[#attempts + 1] = {
    attempt = job.attempt, status = job.status, error = job.error, failedStage = job.failedStage,
    started = job.started, finished = job.finished, progress = job.progress,
    stages = job.stages and cjson.decode(job.stages) or nil,
  }
  while #attempts > MOST_ATTEMPTS do table.remove(attempts, 1) end
  write.attempts = cjson.encode(attempts)
  write.attempt, job.attempt = attempt, attempt
  job.status, write.status = 'queued', 'queued'
  job.progress, write.progress = 0, 0
  for _, name in ipairs({'stage', 'stages', 'error', 'failedStage', 'started', 'finished', 'seq', 'at'}) do
    job[name] = nil
    drop[name] = true
  end
  drop.message, drop.result = true, true
end

local function enter_stage(job, stage, at, write)
  fetch(job)
  local stages = job.stages and cjson.decode(job.stages) or {}
  local last = stages[#stages]
  if last and last[3] == 0 then last[3] = at end
  if stage then
    if #stages >= MOST_STAGES then stages[#stages] = nil end
    stages[#stages + 1] = {stage, at, 0}
  end
  if #stages > 0 then
    job.stages = cjson.encode(stages)
    write.stages = job.stages
  end
end

local function finish(u, job, stage_before, at, write)
  fetch(job)
  job.finished = u.fa or at
  job.started = u.sa or job.started or job.created or job.finished
  write.finished, write.started = job.finished, job.started
  if not u.st then enter_stage(job, nil, job.finished, write) end
  if job.status == 'completed' then
    job.progress, write.progress = 100, 100
  else
    job.failedStage = (u.g and u.g ~= 'failed') and u.g or stage_before
    write.failedStage = job.failedStage
  end
end

local function save(number, write, drop)
  local flat, gone = {}, {}
  for name, value in pairs(write) do
    flat[#flat + 1] = name
    flat[#flat + 1] = type(value) == 'number' and digits(value) or value
    drop[name] = nil
  end
  for name in pairs(drop) do gone[#gone + 1] = name end
  local key = root .. '@JOB@' .. number
  if #gone > 0 then redis.call('HDEL', key, unpack(gone)) end
  redis.call('HSET', key, unpack(flat))
end

local function create(u, at, skew)
  local number = string.format('%d', redis.call('INCR', root .. '@NUMBER@') * call.P + call.p)
  local job = {
    number = number, fetched = true, agent = u.a, id = u.i, title = u.l, status = 'queued', progress = 0,
    attempt = u.t or 1, created = u.ca or at, seq = u.q, at = u.w and at or nil,
  }
  local write = {
    agent = u.a, id = u.i, status = 'queued', progress = 0, attempt = job.attempt, created = job.created,
    updated = at, title = u.l, metadata = u.d, message = u.m, seq = job.seq, at = job.at, skew = skew,
  }
  redis.call('HSET', root .. '@IDS@' .. u.a, u.i, number)
  count_minute(job.created, 'created', 1)
  return number, job, write
end

local function progress(u, job, at, skew, write, drop)
  local stage_before, stage = job.stage, u.g
  local status = u.s
  if not status and stage and (FINAL[stage] or stage == 'queued') then status = stage end
  if not status and job.status == 'queued' and (stage or u.p) then status = 'processing' end
  if u.p then job.progress, write.progress = u.p, u.p end
  if status then job.status, write.status = status, status end
  if job.status == 'processing' and not job.started then
    job.started = u.sa or at
    write.started = job.started
  end
  if stage and stage ~= stage_before then
    job.stage, write.stage = stage, stage
    -- A row of history that tells only its last stage tells no times of it.
    if u.o ~= 'import' and not FINAL[stage] and stage ~= 'queued' then enter_stage(job, stage, at, write) end
  end
  if u.st then job.stages, write.stages = u.st, u.st end
  if u.e then write.error = u.e end
  if FINAL[job.status] then finish(u, job, stage_before, at, write) end
  local message = u.m or (job.status == 'failed' and u.e or nil)
  write.message, write.result, write.metadata, write.title = message, u.r, u.d, u.l
  if u.l then job.title = u.l end
  if u.q then job.seq, write.seq = u.q, u.q end
  if u.w then job.at, write.at = at, at end
  write.updated, write.skew = at, skew
  return message
end

local function has_progress(u)
  return u.s or u.g or u.p or u.e or u.r
end

-- Whether an index still names a job whose hash is gone (evicted, or deleted by hand).
local function is_indexed(number)
  for _, status in ipairs(STATUSES) do
    if redis.call('ZSCORE', root .. '@STATUS@' .. status, number) then return true end
  end
  return false
end

local function forget(number, agent)
  for _, status in ipairs(STATUSES) do
    redis.call('ZREM', root .. '@STATUS@' .. status, number)
    redis.call('ZREM', root .. '@AGENT_STATUS@' .. status .. ':' .. agent, number)
  end
  redis.call('ZREM', root .. '@FINISHED@', number)
end

-- Whether an update of a job that exists has nothing to say any more.
local function is_spent(u, job, attempt, at)
  if u.o == 'create' or attempt < job.attempt then return true end
  if attempt > job.attempt then return false end
  if FINAL[job.status] then return true end
  if u.o == 'import' then return not FINAL[u.s] end
  return is_late(u, job, at) or (u.w and at == job.at and changes_nothing(u, job))
end

local function apply(u)
  local number = find(u)
  local job = number and read(number)
  if job == false then return 'damaged', number end
  if number and not job then
    if u.n then return is_indexed(number) and 'damaged' or 'missing', number end
    if u.o == 'update' then return 'damaged', number end
    forget(number, u.a)
  end
  local at, skew = when(u)
  local live = u.o ~= 'import'
  if not live then at = u.fa or u.sa or u.ca or at end
  local write, drop, was = {}, {}, nil
  local outcome, before = 'applied', job and job.status
  if not job then
    if u.o == 'update' then return 'missing', number end
    number, job, write = create(u, at, skew)
    if live then announce('created', job, number, nil, u.m, nil, at) end
    outcome = 'created'
    if not has_progress(u) then
      seen[job.agent] = at
      save(number, write, drop)
      move(job, number, nil)
      return outcome, number
    end
  else
    local attempt = u.t or job.attempt
    if is_spent(u, job, attempt, at) then return 'kept', number end
    if attempt > job.attempt then begin_attempt(job, attempt, write, drop) end
    was = before
  end
  local message = progress(u, job, at, skew, write, drop)
  seen[job.agent] = at
  save(number, write, drop)
  if before ~= job.status then
    move(job, number, before)
  elseif FINAL[job.status] then
    redis.call('ZADD', root .. '@FINISHED@', job.finished, number)
  end
  if FINAL[job.status] then count_finish(job, math.max(0, job.finished - job.started), live) end
  announce(live and 'updated' or 'imported', job, number, was or 'queued', message, u.e, at)
  return outcome, number
end

local function answer(number)
  if not (call.want and number) then return false end
  local flat = redis.pcall('HGETALL', root .. '@JOB@' .. number)
  if flat.err then return false end
  local job = {}
  for i = 1, #flat, 2 do job[flat[i]] = flat[i + 1] end
  return cmsgpack.pack(job)
end

local answers = {}
for i, u in ipairs(call.u) do
  local outcome, number = apply(u)
  answers[i] = {outcome, number or false, answer(number)}
end

for agent, at in pairs(seen) do redis.call('ZADD', root .. '@AGENTS@', 'GT', at, agent) end
for minute, fields in pairs(minutes) do
  local key = root .. '@MINUTE@' .. minute
  for field, by in pairs(fields) do redis.call('HINCRBY', key, field, string.format('%d', by)) end
  redis.call('EXPIRE', key, 90000)
end
for agent, fields in pairs(totals) do
  local key = root .. '@TOTALS@'
  if agent ~= 'other' and redis.call('HEXISTS', key, agent .. '\tsum') == 0 then
    if redis.call('HINCRBY', key, 'agents', 1) > MOST_AGENTS then
      redis.call('HSET', key, 'agents', MOST_AGENTS)
      agent = 'other'
    end
  end
  for field, by in pairs(fields) do redis.call('HINCRBYFLOAT', key, agent .. '\t' .. field, by) end
end
return answers
