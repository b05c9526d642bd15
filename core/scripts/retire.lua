-- Removes the oldest finished jobs of a partition: those that finished before a time, and those beyond a count. And with them
-- the agents that have no job any more and were not seen since that time.
-- ARGV[1] is {before = ms, keep = how many finished jobs stay, most = how many may go in this step, sure = by number, when a job
-- was updated that may go so, 0 where its record is damaged; where it is not given, any may}.
-- Answers how many jobs went, and, where `sure` is not given, how many of them are not archived as they were.

local root = KEYS[1]
local call = cmsgpack.unpack(ARGV[1])
local STATUSES = {'queued', 'processing', 'completed', 'failed'}

-- part: archive
-- part: indexes

local beyond = redis.call('ZCARD', root .. '@FINISHED@') - call.keep
local oldest = redis.call('ZRANGE', root .. '@FINISHED@', 0, call.most - 1, 'WITHSCORES')
local gone, lost = 0, 0

local function jobs_of(agent)
  local count = 0
  for _, status in ipairs(STATUSES) do
    count = count + redis.call('ZCARD', root .. '@AGENT_STATUS@' .. status .. ':' .. agent)
  end
  return count
end

local function retire_agent(agent)
  redis.call('ZREM', root .. '@AGENTS@', agent)
  redis.call('UNLINK', root .. '@STAGE_TIMES@' .. agent, root .. '@MADE@' .. agent, root .. '@VIDEOS@' .. agent,
    root .. '@DISCOVERED@' .. agent, root .. '@DISCOVERY@' .. agent, root .. '@EPISODE@' .. agent,
    root .. '@EPISODES@all:' .. agent, root .. '@EPISODES@published:' .. agent, root .. '@EPISODES@unpublished:' .. agent,
    root .. '@BACKFILLS@' .. agent, root .. '@BACKFILL@' .. agent)
end

local function read(number)
  local record = redis.pcall('GET', root .. '@JOB@' .. number)
  local good, job = pcall(cmsgpack.unpack, type(record) == 'string' and record or nil)
  return good and type(job) == 'table' and type(job.agent) == 'string' and type(job.id) == 'string' and job
end

local function may_go(number, job)
  if not call.sure then return true end
  local updated = call.sure[tonumber(number)]
  return updated == 0 or (updated and job and (job.updated or job.created) == updated)
end

local function retire(number, job)
  redis.call('ZREM', root .. '@FINISHED@', number)
  for _, status in ipairs(STATUSES) do redis.call('ZREM', root .. '@STATUS@' .. status, number) end
  redis.call('UNLINK', root .. '@JOB@' .. number)
  if not job then return end
  for _, status in ipairs(STATUSES) do
    redis.call('ZREM', root .. '@AGENT_STATUS@' .. status .. ':' .. job.agent, number)
  end
  -- The id may have been given to a later job when this one's record was found damaged.
  local ids = root .. '@IDS@' .. job.agent
  if redis.call('HGET', ids, job.id) == number then redis.call('HDEL', ids, job.id) end
  if jobs_of(job.agent) == 0 then redis.call('UNLINK', root .. '@STAGE_TIMES@' .. job.agent) end
  unindex(number, job)
end

local group = not call.sure and reading()
local since = group and unread_since(group) or 0
local place, again = redis.call('HGET', state, 'sweep'), redis.call('HEXISTS', state, 'again') == 1
local uncertain = tonumber(redis.call('HGET', state, 'since') or 0)

-- Whether a comparison that goes on has come past a job.
local function is_compared(number, ended)
  local score, member = place:match('^(%S+) (%d+)$')
  if again or not score then return false end
  return ended < tonumber(score) or (ended == tonumber(score) and number <= member)
end

local function is_lost(number, ended, job)
  local changed = job and tonumber(job.heard or job.updated or job.created) or ended
  return changed >= since or (place and changed >= uncertain and not is_compared(number, ended))
end

for i = 1, #oldest, 2 do
  if gone >= beyond and tonumber(oldest[i + 1]) >= call.before then break end
  local job = read(oldest[i])
  if may_go(oldest[i], job) then
    if not call.sure and is_lost(oldest[i], tonumber(oldest[i + 1]), job) then lost = lost + 1 end
    retire(oldest[i], job)
    gone = gone + 1
  end
end

-- Of many that were not seen for long, some may still have a job that never ended: so each time begin elsewhere among them.
local since = '(' .. string.format('%d', call.before)
local unseen = redis.call('ZCOUNT', root .. '@AGENTS@', '-inf', since)
local first = unseen > call.most and call.before % unseen or 0
for _, agent in ipairs(redis.call('ZRANGEBYSCORE', root .. '@AGENTS@', '-inf', since, 'LIMIT', first, call.most)) do
  if jobs_of(agent) == 0 then retire_agent(agent) end
end
return {gone, lost}
