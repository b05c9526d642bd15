-- How notifications get on their way, one delivery for each channel. ARGV[1] is {o = operation, now = ms, and by operation:
--   'route': channels = list of {name, levels = set}, most: finds the channels of those that are new
--   'claim': c = channel, t = token, lease = ms, tries = how many there may be, most, and quiet = {ends = ms, but = set of levels}
--     while the channel is: takes what is due, as one message, for as long as the lease. Nobody else gets it meanwhile
--   'settle': c, t, and either error = why it was not sent, again = list of {id, due = ms or false where it is given up},
--     or sent = list of ids: tells how it went. What another has claimed since is left to that one
--   'strand': channels = set of names: gives up what waits for any other}.
-- Answers how many were routed; {id, record, …}; how many were settled, or given up.

local root = KEYS[1]
local call = cmsgpack.unpack(ARGV[1])
local now = call.now
local LONE_FROM = 4  -- a message that a service refuses must not keep others back for ever: after so many tries each goes alone
local NOT_CONFIGURED = 'no such channel is configured any more'

-- part: notifications

local queue = call.c and root .. '@NOTIFICATION_QUEUE@' .. call.c

-- Brings a notification into the state that its deliveries are in.
local function conclude(id, one)
  local state = 'sent'
  for _, delivery in pairs(one.deliveries) do
    if delivery.state == 'waiting' then state = 'pending' end
    if delivery.state == 'failed' and state == 'sent' then state = 'failed' end
  end
  move_notification(id, one, state)
end

local function channels_of(one)
  local found = {}
  for _, channel in ipairs(call.channels) do
    if one.channel == channel.name or (not one.channel and channel.levels[one.level]) then found[#found + 1] = channel.name end
  end
  return found
end

local function route_one(id, one)
  one.deliveries = one.deliveries or {}
  local found = channels_of(one)
  if not one.channel and #found < 2 then one.channel = found[1] or 'page' end
  if one.channel == 'page' or (one.unbound and #found == 0) then
    one.deliveries.page = {state = 'sent', ended = now}
  elseif #found == 0 then
    one.deliveries[one.channel] = {state = 'failed', ended = now, tries = 0, error = NOT_CONFIGURED}
  end
  for _, name in ipairs(found) do
    if not one.deliveries[name] then
      one.deliveries[name] = {state = 'waiting', tries = 0, due = now}
      redis.call('ZADD', root .. '@NOTIFICATION_QUEUE@' .. name, now, id)
    end
  end
  conclude(id, one)
end

local function route()
  local ids = redis.call('ZRANGE', root .. '@NOTIFICATION_NEW@', 0, call.most - 1)
  for _, id in ipairs(ids) do
    redis.call('ZREM', root .. '@NOTIFICATION_NEW@', id)
    local one = read_notification(id)
    if one then route_one(id, one) else forget_notification(id) end
  end
  return #ids
end

-- The delivery that waits in this channel's queue, and its notification; nil for what somebody else damaged, which goes.
local function waiting(id)
  local one = read_notification(id)
  local delivery = one and type(one.deliveries) == 'table' and one.deliveries[call.c]
  if type(delivery) == 'table' and delivery.state == 'waiting' and type(delivery.tries) == 'number' then return delivery, one end
  redis.call('ZREM', queue, id)
end

local function wait_until(id, one, delivery, due)
  delivery.due = due
  redis.call('ZADD', queue, due, id)
  save_notification(id, one)
end

local function give_up(id, one, delivery, why)
  delivery.state, delivery.ended, delivery.error, delivery.lease, delivery.due = 'failed', now, why, nil, nil
  redis.call('ZREM', queue, id)
  conclude(id, one)
end

local function take(id, one, delivery)
  -- Who held it last has not told how it went, so it may have been sent.
  if delivery.lease then delivery.repeated = true end
  delivery.lease, delivery.tries = call.t, delivery.tries + 1
  wait_until(id, one, delivery, now + call.lease)
end

-- What is due, in the order in which it was noted: what was routed at once is due at once.
local function due_ones()
  local ids, numbers = redis.call('ZRANGEBYSCORE', queue, '-inf', now, 'LIMIT', 0, 500), {}
  for _, id in ipairs(ids) do numbers[id] = tonumber(redis.call('ZSCORE', root .. '@NOTIFICATIONS@', id) or 0) end
  table.sort(ids, function(a, b) return numbers[a] < numbers[b] end)
  return ids
end

local function claim()
  local taken, alone = {}, false
  for _, id in ipairs(due_ones()) do
    local delivery, one = waiting(id)
    if delivery and delivery.tries >= call.tries then
      give_up(id, one, delivery, delivery.error or 'how the last try went was never told')
    elseif delivery and call.quiet and not one.urgent and not call.quiet.but[one.level] then
      wait_until(id, one, delivery, call.quiet.ends)
    elseif delivery then
      alone = delivery.tries + 1 >= LONE_FROM
      if not (alone and #taken > 0) then
        take(id, one, delivery)
        taken[#taken + 1] = id
        taken[#taken + 1] = redis.call('HGET', root .. '@NOTIFICATION@', id)
      end
      if alone or #taken >= call.most * 2 then break end
    end
  end
  return taken
end

local function settle_one(id, due)
  local delivery, one = waiting(id)
  if not delivery or delivery.lease ~= call.t then return 0 end
  delivery.lease = nil
  if not call.error then
    delivery.state, delivery.ended, delivery.error, delivery.due = 'sent', now, nil, nil
    redis.call('ZREM', queue, id)
    conclude(id, one)
  elseif due then
    delivery.error = call.error
    count_notification('retried')
    wait_until(id, one, delivery, due)
  else
    give_up(id, one, delivery, call.error)
  end
  return 1
end

local function settle()
  local settled = 0
  for _, id in ipairs(call.sent or {}) do settled = settled + settle_one(id) end
  for _, one in ipairs(call.again or {}) do settled = settled + settle_one(one[1], one[2]) end
  return settled
end

local function strand()
  local gone = 0
  for _, id in ipairs(redis.call('ZRANGE', root .. '@NOTIFICATION_STATE@pending', 0, -1)) do
    local one = read_notification(id)
    for channel, delivery in pairs(one and one.deliveries or {}) do
      if delivery.state == 'waiting' and not call.channels[channel] then
        queue = root .. '@NOTIFICATION_QUEUE@' .. channel
        give_up(id, one, delivery, NOT_CONFIGURED)
        gone = gone + 1
      end
    end
  end
  return gone
end

return ({route = route, claim = claim, settle = settle, strand = strand})[call.o]()
