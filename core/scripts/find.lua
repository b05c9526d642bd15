-- Finds jobs of a partition that are in an index of each of some groups, by walking the group with the fewest of them.
-- ARGV[1] is {groups = lists of indexes without the root, without = indexes of jobs that are not meant: each is in the
-- only group where there is one, and in no other of these, below = number or nil, above = number or nil (then the oldest above it
-- come first), limit = how many, steps = how many may be looked at, records = whether to answer them}.
-- Answers {how many the only group has or -1, how many were looked at, the number where it ended or false at the end of the
-- index, number, record, number, record, …}; a record is false where there is none. Entries of jobs that no list has go.

local root = KEYS[1]
local call = cmsgpack.unpack(ARGV[1])
local MOST_AT_ONCE = 500
local STATUSES = {'queued', 'processing', 'completed', 'failed'}

local function text(number)
  return string.format('%d', number)
end

-- The group with the fewest entries is walked, the others are asked.
local function split(groups)
  local walked, least, others = nil, math.huge, {}
  for i, group in ipairs(groups) do
    local size = 0
    for _, key in ipairs(group) do size = size + redis.call('ZCARD', root .. key) end
    if size < least then walked, least = i, size end
  end
  for i, group in ipairs(groups) do
    if i ~= walked then others[#others + 1] = group end
  end
  return groups[walked], others, #groups == 1 and least or -1
end

local walked, others, total = split(call.groups)

local without = {}
for _, key in ipairs(call.without) do
  local size = redis.call('ZCARD', root .. key)
  if size > 0 then without[#without + 1] = key end
  if total >= 0 then total = math.max(0, total - size) end
end
local is_rising = call.above ~= nil
local chunk = math.min(call.limit, MOST_AT_ONCE)

-- The next numbers of all the sets together, in order; and whether these were the last.
local function next_numbers(from)
  local known, numbers, bound = {}, {}, nil
  for _, key in ipairs(walked) do
    local found
    if is_rising then
      found = redis.call('ZRANGEBYSCORE', root .. key, from and '(' .. text(from) or '-inf', '+inf', 'LIMIT', 0, chunk)
    else
      found = redis.call('ZREVRANGEBYSCORE', root .. key, from and '(' .. text(from) or '+inf', '-inf', 'LIMIT', 0, chunk)
    end
    for _, number in ipairs(found) do
      number = tonumber(number)
      if not known[number] then
        known[number] = true
        numbers[#numbers + 1] = number
      end
    end
    if #found == chunk then -- beyond its last one this set may have more
      local last = tonumber(found[chunk])
      bound = bound and (is_rising and math.min(bound, last) or math.max(bound, last)) or last
    end
  end
  table.sort(numbers, function(a, b) if is_rising then return a < b end return a > b end)
  while bound and numbers[#numbers] ~= bound do numbers[#numbers] = nil end
  return numbers, bound == nil
end

-- By place, those of some numbers that any of some indexes has.
local function held(names, indexes)
  local has = {}
  for _, key in ipairs(indexes) do
    for at = 1, #names, MOST_AT_ONCE do
      local scores = redis.call('ZMSCORE', root .. key, unpack(names, at, math.min(at + MOST_AT_ONCE - 1, #names)))
      for i, score in ipairs(scores) do
        if score then has[at + i - 1] = true end
      end
    end
  end
  return has
end

-- Those of some numbers that an index of every other group has, and none of those without.
local function fitting(numbers)
  local names, fits = {}, {}
  for i, number in ipairs(numbers) do names[i], fits[i] = text(number), true end
  for _, group in ipairs(others) do
    local has = held(names, group)
    for i = 1, #names do fits[i] = fits[i] and has[i] end
  end
  for i in pairs(held(names, without)) do fits[i] = false end
  return fits
end

local function record_of(number)
  local record = redis.pcall('GET', root .. '@JOB@' .. number)
  return type(record) == 'string' and record
end

-- Whether a job without a record is in no list either: it was given up, and its indexes could not be known.
local function is_left_over(number)
  for _, status in ipairs(STATUSES) do
    if redis.call('ZSCORE', root .. '@STATUS@' .. status, number) then return false end
  end
  for _, group in ipairs(call.groups) do
    for _, key in ipairs(group) do redis.call('ZREM', root .. key, number) end
  end
  return true
end

local answer, looked, found, ended = {total, 0, false}, 0, 0, false
local from = call.above or call.below
while not ended and found < call.limit and looked < call.steps do
  local numbers, is_last = next_numbers(from)
  local fits = fitting(numbers)
  for i, number in ipairs(numbers) do
    from, looked = number, looked + 1
    local record = fits[i] and call.records and record_of(text(number))
    if fits[i] and (record or not call.records or not is_left_over(text(number))) then
      found = found + 1
      answer[#answer + 1] = number
      answer[#answer + 1] = record
    end
    if found == call.limit then break end
  end
  chunk = math.min(2 * chunk, MOST_AT_ONCE)
  ended = is_last and (#numbers == 0 or from == numbers[#numbers])
end
answer[2], answer[3] = looked, not ended and from or false
return answer
