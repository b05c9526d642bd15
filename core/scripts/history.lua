-- Takes a sample of every series into its rings of records, one ring a roll-up, all or nothing.
-- ARGV[1] is {
--   now = s by the sampler's clock, every = s between two samples, rings = {{step in s, slots}, …},
--   gauges = {{name, value}, …}, rates = {{name, total}, …}, histograms = {{name, of, is_whole, {sum, bucket, bucket, …}}, …}:
--     totals that grow; `of` says what is counted in them: where that changes, so does what they grow from; one that `is_whole` was
--     nothing as long as it was not sampled,
--   most = how many series there may be, keep = s after its last sample that a series goes,
--   gap = s without a sample past which it is not told what grew meanwhile, doubt = s that samples may be older than kept ones}.
-- Answers how many of the series found no room.
-- A record is its slot's number since the epoch, how many samples, then smallest, largest, sum, last; of a histogram sum and buckets.

local root = KEYS[1]
local call = cmsgpack.unpack(ARGV[1])
local now = call.now
local state_key, known, records = root .. '@SERIES_STATE@', root .. '@SERIES_KNOWN@', root .. '@SERIES_RECORDS@'
local GAUGE, GAUGE_BYTES = '<I4I4dddd', 40
local MOST_COUNT = 2 ^ 32 - 1

local all_slots = 0
for _, ring in ipairs(call.rings) do
  ring.step, ring.slots, ring.before = ring[1], ring[2], all_slots
  all_slots = all_slots + ring.slots
end

local function read_state()
  local good, state = pcall(cmsgpack.unpack, redis.pcall('GET', state_key))
  if good and type(state) == 'table' and type(state.totals) == 'table' and tonumber(state.newest) then return state end
  return {newest = now, totals = {}}
end

local state = read_state()

-- A clock that stands behind the newest sample may be wrong, or that one's was: what is newer stays until it stood so for long.
if now >= state.newest then
  state.newest, state.behind = now, nil
else
  state.behind = math.min(state.behind or now, now)
  if now - state.behind > call.doubt then state.newest, state.behind = now, nil end
end

local sampled_at = state.at
state.at = now

local hour = math.floor(now / 3600)
local is_new_hour = state.hour ~= hour
state.hour = hour

local present = {}
for _, kind in ipairs({call.gauges, call.rates, call.histograms}) do
  for _, series in ipairs(kind) do present[series[1]] = true end
end

local function forget(name)
  redis.call('DEL', records .. name)
  redis.call('ZREM', known, name)
  state.totals[name] = nil
end

-- Whether one more series may be kept; of those that are sampled no longer, the one that was silent longest goes for it.
local function has_room()
  if redis.call('ZCARD', known) < call.most then return true end
  for _, name in ipairs(redis.call('ZRANGE', known, 0, -1)) do
    if not present[name] then
      forget(name)
      return true
    end
  end
  return false
end

local function note(name)
  redis.call('ZADD', known, hour, name)
  redis.call('EXPIRE', records .. name, call.keep)
end

-- The key of a series, all of whose slots are there from the first on, so that it never grows; nil where it found no room.
local function opened(name, record_bytes)
  local key, bytes = records .. name, all_slots * record_bytes
  if redis.pcall('STRLEN', key) ~= bytes then
    if not redis.call('ZSCORE', known, name) and not has_room() then return nil end
    redis.call('DEL', key)
    redis.call('SETRANGE', key, bytes - 1, '\0')
    note(name)
  elseif is_new_hour then
    note(name)
  end
  return key
end

-- What a slot holds: the fields of its record, or none where it is to be begun; nil where a newer one stands there.
local function held(key, ring, slot, format, bytes)
  local at = (ring.before + slot % ring.slots) * bytes
  local fields = {struct.unpack(format, redis.call('GETRANGE', key, at, at + bytes - 1))}
  if fields[1] == slot then return at, fields end
  if fields[1] > slot and fields[1] <= math.floor(state.newest / ring.step) then return nil end
  return at, nil
end

local function add_gauge(key, ring, slot, samples, value)
  local at, was = held(key, ring, slot, GAUGE, GAUGE_BYTES)
  if not at then return end
  local least, most, sum = value, value, value * samples
  if was then
    samples, least, most, sum = samples + was[2], math.min(least, was[3]), math.max(most, was[4]), sum + was[5]
  end
  redis.call('SETRANGE', key, at, struct.pack(GAUGE, slot, samples, least, most, sum, value))
end

-- `from` and `upto` say which of `all` even parts of the growth are the slot's; rounded so that every ring adds up to all of it.
local function add_histogram(key, ring, slot, format, bytes, grown, from, upto, all)
  local at, was = held(key, ring, slot, format, bytes)
  if not at then return end
  local fields = {slot, upto - from + (was and was[2] or 0), grown[1] * (upto - from) / all + (was and was[3] or 0)}
  for i = 2, #grown do
    local part = math.floor(grown[i] * upto / all + 0.5) - math.floor(grown[i] * from / all + 0.5)
    fields[i + 2] = math.min(part + (was and was[i + 2] or 0), MOST_COUNT)
  end
  if #fields % 2 == 0 then fields[#fields + 1] = 0 end -- so that the record is of whole doubles
  redis.call('SETRANGE', key, at, struct.pack(format, unpack(fields)))
end

-- By how much totals grew since the sample before, and when that was; nil where there was none, or none to go on from.
local function growth(name, of, totals, is_whole)
  local before = state.totals[name]
  if not before and is_whole and sampled_at then
    before = {at = sampled_at, of = of, n = {}}
    for i = 1, #totals do before.n[i] = 0 end
  end
  local goes_on = before and before.of == of and #before.n == #totals and now > before.at and now - before.at <= call.gap
  -- As one process takes over from another they sample soon after each other; what grew in so short a time is told by the next.
  local is_soon = goes_on and now - before.at < call.every / 2
  state.totals[name] = is_soon and before or {at = now, of = of, n = totals}
  if not goes_on or is_soon then return nil end
  local grown = {}
  for i, total in ipairs(totals) do grown[i] = math.max(total - before.n[i], 0) end
  return grown, before.at
end

-- Samples as they would have been taken since a moment, by ring and slot: {slot, from, upto}, of `all` in sum.
local spans = {}
local function spread(from)
  if spans[from] then return spans[from] end
  local all = math.max(1, math.floor((now - from) / call.every + 0.5))
  local rings = {all = all}
  for r, ring in ipairs(call.rings) do
    local slots = {}
    for i = 1, all do
      local slot = math.floor((i == all and now or from + i * (now - from) / all) / ring.step)
      local last = slots[#slots]
      if last and last[1] == slot then last[3] = i else slots[#slots + 1] = {slot, i - 1, i} end
    end
    rings[r] = slots
  end
  spans[from] = rings
  return rings
end

local refused = 0

for _, series in ipairs(call.gauges) do
  local key = opened(series[1], GAUGE_BYTES)
  if key then
    for _, ring in ipairs(call.rings) do add_gauge(key, ring, math.floor(now / ring.step), 1, series[2]) end
  else
    refused = refused + 1
  end
end

for _, series in ipairs(call.rates) do
  local key = opened(series[1], GAUGE_BYTES)
  local grown, from = growth(series[1], nil, {series[2]})
  if key and grown then
    local rings = spread(from)
    for r, ring in ipairs(call.rings) do
      for _, span in ipairs(rings[r]) do add_gauge(key, ring, span[1], span[3] - span[2], grown[1] / (now - from)) end
    end
  elseif not key then
    refused = refused + 1
  end
end

for _, series in ipairs(call.histograms) do
  local name, of, is_whole, totals = unpack(series)
  local buckets = #totals - 1
  buckets = buckets + buckets % 2
  local format, bytes = '<I4I4d' .. string.rep('I4', buckets), 16 + 4 * buckets
  local key = opened(name, bytes)
  local grown, from = growth(name, of, totals, is_whole)
  if key and grown then
    local rings = spread(from)
    for r, ring in ipairs(call.rings) do
      for _, span in ipairs(rings[r]) do
        add_histogram(key, ring, span[1], format, bytes, grown, span[2], span[3], rings.all)
      end
    end
  elseif not key then
    refused = refused + 1
  end
end

if is_new_hour then
  redis.call('ZREMRANGEBYSCORE', known, '-inf', hour - math.floor(call.keep / 3600) - 1)
end
for name, before in pairs(state.totals) do
  if now - before.at > call.gap or before.at > state.newest then state.totals[name] = nil end
end
redis.call('SET', state_key, cmsgpack.pack(state))
return refused
