-- Reads one page of a partition's jobs, newest or oldest first, from the indexes of the asked statuses and agent.
-- ARGV[1] is {statuses = list, agent = name or nil, limit = n, below = number or nil, above = number or nil}:
-- below answers the newest ones under that number, above the oldest ones over it, neither the newest.
-- Answers {total, number, job, number, job, …}; a job is MessagePack of its hash, false where it is damaged.

local root = KEYS[1]
local call = cmsgpack.unpack(ARGV[1])
local total, numbers = 0, {}

for _, status in ipairs(call.statuses) do
  local key = root .. '@STATUS@' .. status
  if call.agent then key = root .. '@AGENT_STATUS@' .. status .. ':' .. call.agent end
  total = total + redis.call('ZCARD', key)
  local found
  if call.above then
    found = redis.call('ZRANGEBYSCORE', key, '(' .. string.format('%d', call.above), '+inf', 'LIMIT', 0, call.limit)
  else
    local top = call.below and ('(' .. string.format('%d', call.below)) or '+inf'
    found = redis.call('ZREVRANGEBYSCORE', key, top, '-inf', 'LIMIT', 0, call.limit)
  end
  for _, number in ipairs(found) do numbers[#numbers + 1] = tonumber(number) end
end

if call.above then
  table.sort(numbers)
else
  table.sort(numbers, function(a, b) return a > b end)
end

local answer = {total}
for i = 1, math.min(#numbers, call.limit) do
  local number = string.format('%d', numbers[i])
  local flat = redis.pcall('HGETALL', root .. '@JOB@' .. number)
  local job = {}
  if not flat.err then
    for f = 1, #flat, 2 do job[flat[f]] = flat[f + 1] end
  end
  answer[#answer + 1] = number
  answer[#answer + 1] = next(job) and cmsgpack.pack(job) or false
end
return answer
