-- Goes through a partition's finished jobs, oldest first, to compare them with the archive; goes on where it was.
-- ARGV[1] is {of = the database's name, most = how many jobs, was, done = the place before the last step and behind it, once that
-- step's jobs are archived}.
-- Answers {place, place behind this step, {number, attempt, updated, …}}; nothing where all are compared.

local root = KEYS[1]
local call = cmsgpack.unpack(ARGV[1])

-- part: archive

settle(call.of)
if call.done and redis.call('HGET', state, 'sweep') == call.was then redis.call('HSET', state, 'sweep', call.done) end
local place = redis.call('HGET', state, 'sweep')
if not place then return {} end

local first = rank_behind(place)
local found = redis.call('ZRANGE', finished, first, first + call.most - 1, 'WITHSCORES')
if #found == 0 and redis.call('HDEL', state, 'again') == 1 then
  place, first = '', 0
  redis.call('HSET', state, 'sweep', place)
  found = redis.call('ZRANGE', finished, 0, call.most - 1, 'WITHSCORES')
end
if #found == 0 then
  redis.call('HDEL', state, 'sweep', 'since')
  return {}
end
local members = {}
for i = 1, #found, 2 do members[#members + 1] = found[i] end
return {place, found[#found] .. ' ' .. found[#found - 1], marks(members)}
