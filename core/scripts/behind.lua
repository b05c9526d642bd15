-- How far a partition's archive is behind.
-- Answers {how many finished jobs it may lack at most, since when in ms or 0, how many are left to be compared with it}.

local root = KEYS[1]

-- part: archive

local group = reading()

-- When the job at a rank ended, in ms; infinite where there is none.
local function ended(rank)
  return tonumber(redis.call('ZRANGE', finished, rank, rank, 'WITHSCORES')[2] or math.huge)
end

if not group then
  local all, since = redis.call('ZCARD', finished), ended(0)
  return {all, since < math.huge and since or 0, all}
end

local since = unread_since(group)
local behind = since < math.huge and redis.call('ZCOUNT', finished, string.format('%d', since), '+inf') or 0

local left, place = 0, redis.call('HGET', state, 'sweep')
if place then
  local rank = rank_behind(place)
  left = redis.call('ZCARD', finished) - rank
  since = math.min(since, tonumber(redis.call('HGET', state, 'since') or ended(rank)))
end
return {math.max(behind, left), since < math.huge and since or 0, left}
