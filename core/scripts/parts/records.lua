-- Jobs' records: how one is found, read, written, and given up when it is lost.

local KINDS = {agent = 'string', id = 'string', progress = 'number', attempt = 'number', created = 'number'}
local KINDS_IF_ANY = {seq = 'number', at = 'number', told = 'number', heard = 'number', started = 'number', finished = 'number',
  stages = 'table', attempts = 'table', updated = 'number', videoId = 'string', episodeId = 'string', published = 'boolean',
  engine = 'string', engineId = 'string', queue = 'string', ['function'] = 'string', worker = 'string', state = 'string',
  errorType = 'string', due = 'number', began = 'number', enqueued = 'number', tags = 'table'}

local function find(u)
  if u.n then return string.format('%d', u.n) end
  return redis.call('HGET', root .. '@IDS@' .. u.a, u.i) or nil
end

-- Whether a record holds what the steps below count on; what somebody else wrote there may hold anything.
local function is_whole(job)
  if not IS_STATUS[job.status] then return false end
  for name, kind in pairs(KINDS) do
    if type(job[name]) ~= kind then return false end
  end
  for name, value in pairs(job) do
    local kind = KINDS_IF_ANY[name]
    if kind and type(value) ~= kind then return false end
  end
  for _, tag in ipairs(job.tags or {}) do
    if type(tag) ~= 'string' then return false end
  end
  for _, span in ipairs(job.stages or {}) do
    if type(span) ~= 'table' or type(span[1]) ~= 'string' or type(span[2]) ~= 'number' or type(span[3]) ~= 'number' then
      return false
    end
  end
  return true
end

-- The job at a number; nil where there is none, false where what stands there is no job.
local function read(number)
  local record = redis.pcall('GET', root .. '@JOB@' .. number)
  if not record then return nil end
  if record.err then return false end
  local good, job = pcall(cmsgpack.unpack, record)
  return good and type(job) == 'table' and is_whole(job) and job
end

local function save(number, job)
  redis.call('SET', root .. '@JOB@' .. number, cmsgpack.pack(job))
end

-- Whether an index still names a job whose record is gone (evicted, or deleted by hand).
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
