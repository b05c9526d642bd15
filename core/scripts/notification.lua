-- Takes what is asked of notifications, and writes it whole, with its event. ARGV[1] is {o = operation, and by operation:
--   'create': new = as `add_notification` takes it, most = how many may wait
--   'resend': i = id: those of its deliveries that failed begin anew
--   'prune': before = ms, keep = how many stay, most = how many may go in this step}.
-- Answers 'create' {outcome, record or false}, outcome one of created, kept, full; 'resend' the same, outcome one of pending,
-- kept (it did not fail), missing; 'prune' how many went. What waits is never pruned.

local root = KEYS[1]
local call = cmsgpack.unpack(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- part: notifications

local function record_of(id)
  return redis.call('HGET', root .. '@NOTIFICATION@', id)
end

local function create()
  local kept = record_of(call.new.id)
  if kept then return {'kept', kept} end
  if redis.call('ZCARD', root .. '@NOTIFICATION_STATE@pending') >= call.most then return {'full', false} end
  return {'created', record_of(add_notification(call.new))}
end

local function resend()
  local one = read_notification(call.i)
  if not one then return {'missing', false} end
  if one.state ~= 'failed' then return {'kept', record_of(call.i)} end
  for channel, delivery in pairs(one.deliveries or {}) do
    if delivery.state == 'failed' then one.deliveries[channel] = nil end
  end
  if not next(one.deliveries or {}) then one.deliveries = nil end  -- an empty map would be packed as a list
  redis.call('ZADD', root .. '@NOTIFICATION_NEW@', one.number, call.i)
  move_notification(call.i, one, 'pending')
  return {'pending', record_of(call.i)}
end

-- The oldest of those that are over, by state.
local function oldest(state)
  local id = redis.call('ZRANGE', root .. '@NOTIFICATION_STATE@' .. state, 0, 0, 'WITHSCORES')
  return id[1], tonumber(id[2])
end

local function prune()
  local gone = 0
  while gone < call.most do
    local sent, sent_number = oldest('sent')
    local failed, failed_number = oldest('failed')
    local id = sent
    if failed and (not sent or failed_number < sent_number) then id = failed end
    if not id then break end
    local one = read_notification(id)
    local is_old = not one or type(one.created) ~= 'number' or one.created < call.before
    if not is_old and redis.call('ZCARD', root .. '@NOTIFICATIONS@') <= call.keep then break end
    forget_notification(id)
    gone = gone + 1
  end
  return gone
end

return ({create = create, resend = resend, prune = prune})[call.o]()
