-- The oldest finished jobs of a partition that retention no longer keeps, at most `most` of them.
-- ARGV[1] is {before = ms, keep = how many finished jobs stay, most}. Answers {number, attempt, updated, …}.

local root = KEYS[1]
local call = cmsgpack.unpack(ARGV[1])

-- part: archive

local beyond = redis.call('ZCARD', finished) - call.keep
local oldest = redis.call('ZRANGE', finished, 0, call.most - 1, 'WITHSCORES')
local members = {}
for i = 1, #oldest, 2 do
  if #members >= beyond and tonumber(oldest[i + 1]) >= call.before then break end
  members[#members + 1] = oldest[i]
end
return marks(members)
