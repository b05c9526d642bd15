-- Sees to it that the next job gets a number above ARGV[1]'s {above}. Answers whether it would have got a lower one.

local root = KEYS[1]
local call = cmsgpack.unpack(ARGV[1])
local last = tonumber(redis.call('GET', root .. '@NUMBER@') or 0)
if last >= call.above then return 0 end
redis.call('SET', root .. '@NUMBER@', string.format('%d', call.above))
return 1
