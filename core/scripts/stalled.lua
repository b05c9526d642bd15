-- Counts the jobs at work that were not heard of since a time. What is noted of a job that is not at work any more goes.
-- ARGV[1] is {before = ms, agent = of which agent or nil, most = how many are looked at}. Answers how many, `most` at most.

local root = KEYS[1]
local call = cmsgpack.unpack(ARGV[1])
local processing = root .. '@STATUS@processing'
local of_agent = call.agent and root .. '@AGENT_STATUS@processing:' .. call.agent
local silent = 0

for _, number in ipairs(redis.call('ZRANGEBYSCORE', root .. '@HEARD@', '-inf', '(' .. string.format('%d', call.before), 'LIMIT', 0, call.most)) do
  if not redis.call('ZSCORE', processing, number) then
    redis.call('ZREM', root .. '@HEARD@', number)
  elseif not of_agent or redis.call('ZSCORE', of_agent, number) then
    silent = silent + 1
  end
end
return silent
