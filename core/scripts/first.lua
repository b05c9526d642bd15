-- The jobs with the lowest numbers of an index that some other indexes do not have. Whatever those have, this one has too, and no two of
-- them have the same: so counting tells where the next one is, however many of theirs come before it.
-- ARGV[1] is {index = without the root, without = list of such, limit = how many}.
-- Answers {number, record, number, record, …}; a record is false where there is none.

local root = KEYS[1]
local call = cmsgpack.unpack(ARGV[1])
local index = root .. call.index

local function text(number)
  return string.format('%d', number)
end

-- How many there are above a number, up to another.
local function count(above, upto)
  local many = redis.call('ZCOUNT', index, '(' .. text(above), text(upto))
  for _, key in ipairs(call.without) do
    many = many - redis.call('ZCOUNT', root .. key, '(' .. text(above), text(upto))
  end
  return many
end

local answer, above = {}, 0
local highest = tonumber(redis.call('ZREVRANGE', index, 0, 0)[1] or 0)
while #answer < 2 * call.limit and count(above, highest) > 0 do
  local low, high = above + 1, highest
  while low < high do
    local middle = low + math.floor((high - low) / 2)
    if count(above, middle) > 0 then high = middle else low = middle + 1 end
  end
  local record = redis.pcall('GET', root .. '@JOB@' .. text(low))
  answer[#answer + 1] = text(low)
  answer[#answer + 1] = type(record) == 'string' and record
  above = low
end
return answer
