-- Notifications: how one is added, read and written. Each new one and each change of a state has its entry `n` in the events.
-- Whoever uses this part has the locals `root`, of partition 0, and `now`, in ms.

local function read_notification(id)
  local record = redis.call('HGET', root .. '@NOTIFICATION@', id)
  local good, one = pcall(cmsgpack.unpack, record or nil)
  if not (good and type(one) == 'table' and type(one.number) == 'number' and type(one.state) == 'string') then return nil end
  return one
end

local function save_notification(id, one)
  redis.call('HSET', root .. '@NOTIFICATION@', id, cmsgpack.pack(one))
end

local function count_notification(what)
  redis.call('HINCRBY', root .. '@NOTIFICATION_TOTALS@', what, 1)
end

local function announce_notification(kind, id, one)
  redis.call('XADD', root .. '@EVENTS@', 'MAXLEN', '~', 100000, '*', 'n', cmsgpack.pack({kind, one.number, id, one.title,
    one.body, one.level, one.channel or '', one.state, one.source, one.created}))
end

-- Brings a notification into a state, and writes it as it is.
local function move_notification(id, one, state)
  if one.state ~= state then
    redis.call('ZREM', root .. '@NOTIFICATION_STATE@' .. one.state, id)
    redis.call('ZADD', root .. '@NOTIFICATION_STATE@' .. state, one.number, id)
    one.state, one.finished = state, state ~= 'pending' and now or nil
    if state ~= 'pending' then count_notification(state) end
    announce_notification('changed', id, one)
  end
  save_notification(id, one)
end

local function forget_notification(id)
  for _, state in ipairs({'pending', 'sent', 'failed'}) do
    redis.call('ZREM', root .. '@NOTIFICATION_STATE@' .. state, id)
  end
  redis.call('ZREM', root .. '@NOTIFICATIONS@', id)
  redis.call('ZREM', root .. '@NOTIFICATION_NEW@', id)
  redis.call('HDEL', root .. '@NOTIFICATION@', id)
end

-- Notes a notification, which waits until it is sent. `new` is {title, and if any: id, body, level, channel, source, link,
-- urgent = whether it takes no heed of quiet hours, unbound = whether it may name a channel that there is not}. Without an id it gets one that there never was.
-- Answers its id, and whether it is new: one whose id exists stays as it is.
local function add_notification(new)
  local number = redis.call('GET', root .. '@NOTIFICATION_NUMBER@') or 0
  local id = new.id or redis.sha1hex(root .. now .. ':' .. number .. new.title):sub(1, 32)
  if redis.call('HEXISTS', root .. '@NOTIFICATION@', id) == 1 then return id, false end
  number = redis.call('INCR', root .. '@NOTIFICATION_NUMBER@')
  local one = {number = number, title = new.title, body = new.body or '', level = new.level or 'info', channel = new.channel,
    source = new.source or '', link = new.link, urgent = new.urgent, unbound = new.unbound, created = now, state = 'pending'}
  save_notification(id, one)
  redis.call('ZADD', root .. '@NOTIFICATIONS@', number, id)
  redis.call('ZADD', root .. '@NOTIFICATION_STATE@pending', number, id)
  redis.call('ZADD', root .. '@NOTIFICATION_NEW@', number, id)
  count_notification('created')
  announce_notification('created', id, one)
  return id, true
end
