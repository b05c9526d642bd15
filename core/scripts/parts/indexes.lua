-- The indexes of jobs that name a queue, a function or the like; which ones they are follows from the record alone.

-- services.job_rules.ALL_STATES; a test compares them.
local QUEUE_STATES = {'queued', 'scheduled', 'deferred', 'reserved', 'retrying', 'started', 'finished', 'failed', 'stopped',
  'canceled', 'deleted', 'processing', 'completed'}

-- Ends that are no failures, as in services.brokers.model: rates leave them out.
local UNCOUNTED = {canceled = true, deleted = true}

-- {keys = {suffix = {field, value}}, queue = AGENT/QUEUE or nil, due = when it is to begin or nil}; nil of a job that names nothing.
local function indexes_of(job)
  if not (job.queue or job['function'] or job.worker or job.errorType or job.engine or job.state or job.tags) then return nil end
  local keys, queue = {}, nil
  local function by(field, value)
    if value then keys['@BY@' .. field .. ':' .. value] = {field, value} end
  end
  by('queue', job.queue)
  by('function', job['function'])
  by('worker', job.worker)
  by('error', job.errorType)
  for _, tag in ipairs(job.tags or {}) do by('tag', tag) end
  local state = job.state or job.status
  if job.queue or job.engine or job.state then
    by('state', state)
    if UNCOUNTED[state] then keys['@UNCOUNTED@' .. job.agent] = {} end
  end
  if job.queue then
    queue = job.agent .. '/' .. job.queue
    keys['@QUEUE_STATE@' .. state .. ':' .. queue] = {}
  end
  return {keys = keys, queue = queue, due = job.status == 'queued' and job.due or nil}
end

-- Forgets a queue whose last job is gone.
local function leave_queue(queue)
  local states = {}
  for i, state in ipairs(QUEUE_STATES) do states[i] = root .. '@QUEUE_STATE@' .. state .. ':' .. queue end
  if redis.call('EXISTS', unpack(states)) > 0 then return end
  redis.call('ZREM', root .. '@QUEUES@', queue)
  redis.call('HDEL', root .. '@QUEUE_TIMES@', 'w\t' .. queue, 'r\t' .. queue)
  redis.call('HDEL', root .. '@QUEUE_TOTALS@', 'completed\t' .. queue, 'failed\t' .. queue)
end

-- Takes a job that is gone out of its indexes.
local function unindex(number, job)
  local good, filed = pcall(indexes_of, job) -- what somebody else wrote there may hold anything
  if not (good and filed) then return end
  for key in pairs(filed.keys) do redis.call('ZREM', root .. key, number) end
  if filed.queue then leave_queue(filed.queue) end
  local name = job['function']
  if name and redis.call('EXISTS', root .. '@BY@function:' .. name) == 0 then
    redis.call('HDEL', root .. '@QUEUE_TIMES@', 'w\tf\t' .. name, 'r\tf\t' .. name)
  end
end
