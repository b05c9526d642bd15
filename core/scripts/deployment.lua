-- Writes and removes deployments, each with its place in the list. ARGV[1] is {o = operation, and by operation:
--   'note': i = id, at = ms, r = record, v = version, near = ms: so near to one of the same version, with none of another
--     between them, it is that one; before = ms: older ones go; keep = how many stay
--   'remove': i = id}.
-- Answers 'note' {record, whether it is new}; 'remove' how many went.

local root = KEYS[1]
local call = cmsgpack.unpack(ARGV[1])
local list, records = root .. '@DEPLOYMENTS@', root .. '@DEPLOYMENT@'

local function text(number)
  return string.format('%d', number)
end

-- The one next to it in the list, where that is of the same version.
local function same(command, from, to)
  local id = redis.call(command, list, from, to, 'LIMIT', 0, 1)[1]
  local record = id and redis.call('HGET', records, id)
  local good, one = pcall(cjson.decode, record or '')
  return good and type(one) == 'table' and one.version == call.v and record or nil
end

local function forget(ids)
  for _, id in ipairs(ids) do
    redis.call('ZREM', list, id)
    redis.call('HDEL', records, id)
  end
end

local function note()
  local kept = redis.call('HGET', records, call.i)
    or same('ZREVRANGEBYSCORE', text(call.at), text(call.at - call.near))
    or same('ZRANGEBYSCORE', text(call.at), text(call.at + call.near))
  if kept then return {kept, 0} end
  redis.call('ZADD', list, text(call.at), call.i)
  redis.call('HSET', records, call.i, call.r)
  forget(redis.call('ZRANGEBYSCORE', list, '-inf', '(' .. text(call.before)))
  forget(redis.call('ZRANGE', list, 0, -call.keep - 1))
  return {call.r, 1}
end

local function remove()
  redis.call('ZREM', list, call.i)
  return redis.call('HDEL', records, call.i)
end

return ({note = note, remove = remove})[call.o]()
