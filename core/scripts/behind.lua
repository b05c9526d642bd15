-- How far a partition's archive is behind.
-- Answers {how many finished jobs it may lack at most, since when in ms or 0, how many are left to be compared with it}.

local root = KEYS[1]

-- part: archive

local group = reading()
if not group then return {redis.call('ZCARD', finished), 0, redis.call('ZCARD', finished)} end

local since = math.huge
local last = group['last-delivered-id']
local is_any, is_trimmed = unread(last)
if is_trimmed and ms_of(last) > 0 then
  since = ms_of(last)
elseif is_any then
  local first = redis.call('XRANGE', stream, '(' .. last, '+', 'COUNT', 1)[1]
  since = first and ms_of(first[1]) or since
end
if group.pending > 0 then since = math.min(since, ms_of(redis.call('XPENDING', stream, GROUP)[2])) end
local behind = since < math.huge and redis.call('ZCOUNT', finished, string.format('%d', since), '+inf') or 0

local left, place = 0, redis.call('HGET', state, 'sweep')
if place then
  left = redis.call('ZCARD', finished) - rank_behind(place)
  since = math.min(since, tonumber(redis.call('HGET', state, 'since') or math.huge))
end
return {math.max(behind, left), since < math.huge and since or 0, left}
