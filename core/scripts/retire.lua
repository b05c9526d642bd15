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
  local job = redis.pcall('HMGET', root .. '@JOB@' .. number, 'agent', 'id')
  redis.call('ZREM', root .. '@FINISHED@', number)
  for _, status in ipairs(STATUSES) do redis.call('ZREM', root .. '@STATUS@' .. status, number) end
  redis.call('UNLINK', root .. '@JOB@' .. number)
  if job.err or not job[1] then return end
  local left = 0
  for _, status in ipairs(STATUSES) do
    local key = root .. '@AGENT_STATUS@' .. status .. ':' .. job[1]
    redis.call('ZREM', key, number)
    left = left + redis.call('ZCARD', key)
  end
  -- The id may have been given to a later job when this one's record was found damaged.
  local ids = root .. '@IDS@' .. job[1]
  if redis.call('HGET', ids, job[2]) == number then redis.call('HDEL', ids, job[2]) end
  if left == 0 then redis.call('ZREM', root .. '@AGENTS@', job[1]) end
end

for i = 1, #oldest, 2 do
  if gone >= beyond and tonumber(oldest[i + 1]) >= call.before then break end
  retire(oldest[i])
  gone = gone + 1
end
return gone
