-- Go on with an operation: only who holds its lease may, and writes how far it is. Answers how far it was, or is now, and whether
-- it is to stop; nothing where another process holds the lease, or where it is forgotten.
local call = cmsgpack.unpack(ARGV[1])
local root = KEYS[1]
local lease, operation = root .. '@OPERATION_LEASE@' .. call.number, root .. '@OPERATION@' .. call.number
local holder = redis.call('GET', lease)
if holder and holder ~= call.holder then return false end
if redis.call('HEXISTS', operation, 'asked') == 0 then return false end
if call.progress then redis.call('HSET', operation, 'progress', call.progress) end
redis.call('SET', lease, call.holder, 'PX', call.lease)
return {redis.call('HGET', operation, 'progress'), redis.call('HEXISTS', operation, 'stop')}
