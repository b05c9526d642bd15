-- Reads one page of a partition's jobs, newest or oldest first, from the indexes of the asked statuses and agent.
-- ARGV[1] is {statuses = list, agent = name or nil, limit = n, below = number or nil, above = number or nil}:
-- below answers the newest ones under that number, above the oldest ones over it, neither the newest.
-- Answers {total, number, job, number, job, …}; a job is its record, false where there is none.

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
local names = {}
for i = 1, math.min(#numbers, call.limit) do names[i] = root .. '@JOB@' .. string.format('%d', numbers[i]) end
local records = #names > 0 and redis.call('MGET', unpack(names)) or {}
for i, record in ipairs(records) do
  answer[#answer + 1] = string.format('%d', numbers[i])
  answer[#answer + 1] = record
end
return answer
