-- Reads one page of a partition's jobs, newest or oldest first, from the indexes of the asked statuses and agent.
-- ARGV[1] is {statuses = list, agent = name or nil, limit = n, below = number, above = number, skip = n}, one of the last three
-- or none: below answers the newest ones under that number, above the oldest ones over it, skip those behind the n newest,
-- none of them the newest.
-- Answers {total, number, job, number, job, …}; a job is its record, false where there is none.

local root = KEYS[1]
local call = cmsgpack.unpack(ARGV[1])
local total, keys, numbers = 0, {}, {}

for i, status in ipairs(call.statuses) do
  keys[i] = root .. '@STATUS@' .. status
  if call.agent then keys[i] = root .. '@AGENT_STATUS@' .. status .. ':' .. call.agent end
  total = total + redis.call('ZCARD', keys[i])
end

-- The lowest and the highest number of all the sets, which are not empty.
local function bounds()
  local low, high = math.huge, 0
  for _, key in ipairs(keys) do
    low = math.min(low, tonumber(redis.call('ZRANGE', key, 0, 0)[1]) or low)
    high = math.max(high, tonumber(redis.call('ZREVRANGE', key, 0, 0)[1]) or high)
  end
  return low, high
end

-- The number that has so many above it. Each set only counts, at the cost of its logarithm, so halve until one number is left.
local function number_behind(newer)
  local low, high = bounds()
  while low < high do
    local middle, count = low + math.ceil((high - low) / 2), 0
    for _, key in ipairs(keys) do count = count + redis.call('ZCOUNT', key, string.format('%d', middle), '+inf') end
    if count > newer then low = middle else high = middle - 1 end
  end
  return low
end

if (call.skip or 0) >= math.max(total, 1) then return {total} end
if (call.skip or 0) > 0 then call.below = number_behind(call.skip) + 1 end

for _, key in ipairs(keys) do
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
