-- Writes what is known of one tile: its value, or why there is none, and the point of its minute in its history.
-- ARGV[1] is {i = id, now = ms, o = operation, and by operation:
--   'set': v = the value's text, nil where the source says that there is none; took = seconds
--   'add': by = what is added to the value, or to 0; once = its name, nil for none: of one name no second is added within 15 min
--   'fail': why = words; took = seconds. The last value stays.
--   'forget': nothing more; what nobody declares or pushes goes, once its history has gone
-- most = how many ids there may be that headway.toml does not declare, nil for one that it declares}.
-- Answers {outcome, record, id}, outcome one of stored, infinite, full, beside: another id, the third, stands in the way.

local root = KEYS[1]
local call = cmsgpack.unpack(ARGV[1])
local tiles, undeclared = root .. '@TILES@', root .. '@UNDECLARED_TILES@'
local history = root .. '@TILE_HISTORY@' .. call.i
local MINUTES = 1440

local function begins(id, with)
  return id:sub(1, #with) == with
end

-- Whether the id is declared, was pushed before, or finds room beside those that were.
local function admit()
  if not call.most or redis.call('SISMEMBER', undeclared, call.i) == 1 then return 'stored' end
  local ids = redis.call('SMEMBERS', undeclared)
  for _, id in ipairs(ids) do
    if begins(call.i, id .. '.') or begins(id, call.i .. '.') then return 'beside', id end
  end
  return #ids < call.most and 'stored' or 'full'
end

local function read()
  local good, record = pcall(cmsgpack.unpack, redis.call('HGET', tiles, call.i) or nil)
  return good and type(record) == 'table' and record or {}
end

local function text(number)
  local whole = number == math.floor(number) and math.abs(number) < 2 ^ 53
  return string.format(whole and '%.0f' or '%.17g', number)
end

local function keep_point(value)
  local minute = math.floor(call.now / 60000)
  redis.call('ZREMRANGEBYSCORE', history, minute, minute)
  redis.call('ZADD', history, minute, minute .. ':' .. value)
  redis.call('ZREMRANGEBYSCORE', history, '-inf', minute - MINUTES)
  redis.call('EXPIRE', history, (MINUTES + 60) * 60)
end

local function set(record, value)
  record.v, record.good, record.why, record.since = value, call.now, nil, nil
  if value then keep_point(value) end
end

local function add(record)
  local sum = (tonumber(record.v) or 0) + call.by
  if sum - sum ~= 0 then return 'infinite' end
  set(record, text(sum))
end

local named = call.once and root .. '@TILE_INCREMENT@' .. call.i .. ':' .. call.once

local function fail(record)
  record.why, record.since, record.fails = call.why, record.since or call.now, (record.fails or 0) + 1
end

if call.o == 'forget' then
  if redis.call('EXISTS', history) == 0 and redis.call('SISMEMBER', undeclared, call.i) == 0 then
    redis.call('HDEL', tiles, call.i)
  end
  return {'stored', '', ''}
end

local outcome, other = admit()
if outcome ~= 'stored' then return {outcome, '', other or ''} end
local record, fault = read(), nil
if named and redis.call('EXISTS', named) == 1 then return {'stored', cmsgpack.pack(record), ''} end
if call.o == 'set' then set(record, call.v) elseif call.o == 'add' then fault = add(record) else fail(record) end
if fault then return {fault, '', ''} end
if named then redis.call('SET', named, 1, 'EX', 900) end
if call.most then redis.call('SADD', undeclared, call.i) end
record.at, record.took = call.now, call.took
local packed = cmsgpack.pack(record)
redis.call('HSET', tiles, call.i, packed)
return {'stored', packed, ''}
