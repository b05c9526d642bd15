-- Removes the oldest finished jobs of a partition: those that finished before a time, and those beyond a count.
-- ARGV[1] is {before = ms, keep = how many finished jobs stay, most = how many may go in this step}.
-- Answers how many went.

local root = KEYS[1]
local call = cmsgpack.unpack(ARGV[1])
local STATUSES = {'queued', 'processing', 'completed', 'failed'}

local beyond = redis.call('ZCARD', root .. '@FINISHED@') - call.keep
local oldest = redis.call('ZRANGE', root .. '@FINISHED@', 0, call.most - 1, 'WITHSCORES')
local gone = 0

local function retire(number)
  local record = redis.pcall('GET', root .. '@JOB@' .. number)
  local good, job = pcall(cmsgpack.unpack, type(record) == 'string' and record or nil)
  redis.call('ZREM', root .. '@FINISHED@', number)
  for _, status in ipairs(STATUSES) do redis.call('ZREM', root .. '@STATUS@' .. status, number) end
  redis.call('UNLINK', root .. '@JOB@' .. number)
  if not (good and type(job) == 'table' and type(job.agent) == 'string' and type(job.id) == 'string') then return end
  local left = 0
  for _, status in ipairs(STATUSES) do
    local key = root .. '@AGENT_STATUS@' .. status .. ':' .. job.agent
    redis.call('ZREM', key, number)
    left = left + redis.call('ZCARD', key)
  end
  -- The id may have been given to a later job when this one's record was found damaged.
  local ids = root .. '@IDS@' .. job.agent
  if redis.call('HGET', ids, job.id) == number then redis.call('HDEL', ids, job.id) end
  if left == 0 then redis.call('ZREM', root .. '@AGENTS@', job.agent) end
end

for i = 1, #oldest, 2 do
  if gone >= beyond and tonumber(oldest[i + 1]) >= call.before then break end
  retire(oldest[i])
  gone = gone + 1
end
return gone
