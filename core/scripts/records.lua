-- The records of an agent's jobs by their ids: ARGV[1] is {agent, ids}. Answers a record or nothing for each.

local root = KEYS[1]
local call = cmsgpack.unpack(ARGV[1])
local agent, ids = call[1], call[2]

local numbers = redis.call('HMGET', root .. '@IDS@' .. agent, unpack(ids))
local answers, wanted, places = {}, {}, {}
for i, number in ipairs(numbers) do
  answers[i] = false
  if number then
    wanted[#wanted + 1], places[#places + 1] = root .. '@JOB@' .. number, i
  end
end
if #wanted > 0 then
  for i, record in ipairs(redis.call('MGET', unpack(wanted))) do answers[places[i]] = record end
end
return answers
