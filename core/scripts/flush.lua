-- Adds what one process's counters grew by, once, and answers the figures of all. ARGV[1] is {process, seq = number of
-- this flush, acked = the last flush it knows to be counted, epoch = the one it knows, fresh = a name for a new one,
-- limit = most series, ttl = seconds a heartbeat counts, growth = {series, by, stand-in or '', …}, families = {name,
-- JSON, …}, gauges = JSON, about = JSON, leaving = whether it ends, base = nil or {series, figure, …}}.
--
-- A store that lost figures (emptied, restored, failed over) does not know the process's epoch or its last flush. It then
-- answers {again = true} and counts nothing; the process repeats the call with `base`, the figures it saw last. A new
-- epoch begins there, and each process that comes lifts the base to the highest figure that any of them saw.

local root = KEYS[1]
local call = cmsgpack.unpack(ARGV[1])
local metrics, base, families = root .. '@METRICS@', root .. '@METRICS_BASE@', root .. '@METRICS_FAMILIES@'
local processes, own = root .. '@PROCESSES@', root .. '@PROCESS@' .. call.process
local mark = root .. '@METRICS_SEQ@' .. call.process
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local epoch = redis.call('HGET', metrics, 'epoch')
local counted = tonumber(redis.call('GET', mark) or 0)

local function pairs_of(key)
  local flat, i = redis.call('HGETALL', key), -1
  return function()
    i = i + 2
    return flat[i], flat[i + 1]
  end
end

local function begin_epoch()
  for series, figure in pairs_of(metrics) do
    if series ~= 'epoch' then redis.call('HINCRBYFLOAT', base, series, figure) end
  end
  redis.call('DEL', metrics)
  redis.call('HSET', metrics, 'epoch', call.fresh)
  epoch = call.fresh
end

local function lift_base()
  for i = 1, #call.base, 2 do
    local kept = tonumber(redis.call('HGET', base, call.base[i]) or '-inf')
    if tonumber(call.base[i + 1]) > kept then redis.call('HSET', base, call.base[i], call.base[i + 1]) end
  end
end

local function count()
  local room = call.limit - redis.call('HLEN', metrics)
  for i = 1, #call.growth, 3 do
    local series, by, stand_in = call.growth[i], call.growth[i + 1], call.growth[i + 2]
    if stand_in ~= '' and redis.call('HEXISTS', metrics, series) == 0 then
      if room < 1 then series = stand_in end
      room = room - 1
    end
    local grown = redis.pcall('HINCRBYFLOAT', metrics, series, by)
    if type(grown) == 'table' and grown.err then redis.call('HSET', metrics, series, by) end
  end
  redis.call('SET', mark, call.seq, 'EX', 86400)
end

local function heartbeat()
  redis.call('ZREMRANGEBYSCORE', processes, '-inf', now - call.ttl * 1000)
  if call.leaving then
    redis.call('ZREM', processes, call.process)
    redis.call('DEL', own)
  else
    redis.call('ZADD', processes, now, call.process)
    redis.call('HSET', own, 'gauges', call.gauges, 'about', call.about)
    redis.call('EXPIRE', own, call.ttl)
  end
  if #call.families > 0 then redis.call('HSET', families, unpack(call.families)) end
end

if call.acked > 0 and (epoch ~= call.epoch or counted < call.acked) then
  if not call.base then return cmsgpack.pack({again = true}) end
  if not epoch or epoch == call.epoch then begin_epoch() end
  lift_base()
elseif not epoch then
  begin_epoch()
end
if call.seq > counted then count() end
heartbeat()

local gauges = {}
for _, process in ipairs(redis.call('ZRANGE', processes, 0, -1)) do
  gauges[#gauges + 1] = process
  gauges[#gauges + 1] = redis.call('HGET', root .. '@PROCESS@' .. process, 'gauges') or '{}'
end
return cmsgpack.pack({
  again = false, epoch = epoch, growth = redis.call('HGETALL', metrics), base = redis.call('HGETALL', base),
  families = redis.call('HGETALL', families), gauges = gauges,
})
