-- Counts are gathered while a script runs and written once, at its end, by `write_counts()`.

local MINUTES_MS, HOURS_MS = 25 * 3600 * 1000, 91 * 24 * 3600 * 1000
local BUCKET = math.log(1.1)
local MOST_QUEUES = math.ceil(200 / call.P) -- counted by minute and hour; the rest under none

local minutes, hours, totals = {}, {}, {}
local agent_minutes, agent_hours = {}, {}
local queue_minutes, queue_hours, queue_totals = {}, {}, {}

local function count(into, key, field, by)
  local fields = into[key]
  if not fields then
    fields = {}
    into[key] = fields
  end
  fields[field] = (fields[field] or 0) + by
end

local function count_time(at, field, by)
  local age = now - at
  if age < MINUTES_MS then count(minutes, math.floor(at / 60000), field, by) end
  if age < HOURS_MS then count(hours, math.floor(at / 3600000), field, by) end
end

-- Durations are kept as how many fell between which powers of 1.1, in ms: any quantile comes of that within 5 %.
local function count_end(at, status, duration_ms)
  count_time(at, status, 1)
  count_time(at, 'duration_ms', duration_ms)
  count_time(at, 'd' .. math.floor(math.log(math.max(duration_ms, 1)) / BUCKET), 1)
end

-- The same by agent, and by queue, in keys of their own, so that the series of all agents cost no more for it.
local function count_of(by_minute, by_hour, at, field)
  local age = now - at
  if age < MINUTES_MS then count(by_minute, math.floor(at / 60000), field, 1) end
  if age < HOURS_MS then count(by_hour, math.floor(at / 3600000), field, 1) end
end

local function count_agent_end(at, status, agent)
  count_of(agent_minutes, agent_hours, at, status .. '\t' .. agent)
end

local function count_queue(at, what, queue)
  count_of(queue_minutes, queue_hours, at, what .. '\t' .. queue)
end

local function write_counts()
  -- Where a key would get more than `most` fields, what came last counts under none: the field ''.
  local function write_times(name, units, seconds, most)
    for unit, fields in pairs(units) do
      local key, is_new = root .. name .. string.format('%d', unit), false
      for field, by in pairs(fields) do
        by = string.format('%d', by)
        if redis.call('HINCRBY', key, field, by) == tonumber(by) then
          is_new = true
          if most and redis.call('HLEN', key) > most then
            redis.call('HDEL', key, field)
            redis.call('HINCRBY', key, '', by)
          end
        end
      end
      if is_new then redis.call('EXPIRE', key, seconds) end
    end
  end
  write_times('@MINUTE@', minutes, MINUTES_MS / 1000)
  write_times('@HOUR@', hours, HOURS_MS / 1000)
  write_times('@AGENT_MINUTE@', agent_minutes, MINUTES_MS / 1000, 2 * MOST_AGENTS)
  write_times('@AGENT_HOUR@', agent_hours, HOURS_MS / 1000, 2 * MOST_AGENTS)
  write_times('@QUEUE_MINUTE@', queue_minutes, MINUTES_MS / 1000, 3 * MOST_QUEUES)
  write_times('@QUEUE_HOUR@', queue_hours, HOURS_MS / 1000, 3 * MOST_QUEUES)

  local key = root .. '@QUEUE_TOTALS@'
  for field, by in pairs(queue_totals.all or {}) do
    by = string.format('%d', by)
    if redis.call('HINCRBY', key, field, by) == tonumber(by) and redis.call('HLEN', key) > 2 * MOST_QUEUES + 2 then
      redis.call('HDEL', key, field)
      redis.call('HINCRBY', key, field:match('^%a+\t'), by)
    end
  end

  key = root .. '@TOTALS@'
  for agent, fields in pairs(totals) do
    if agent ~= 'other' and redis.call('HEXISTS', key, agent .. '\tsum') == 0 then
      if redis.call('HINCRBY', key, 'agents', 1) > MOST_AGENTS then
        redis.call('HSET', key, 'agents', MOST_AGENTS)
        redis.call('HINCRBY', key, 'overflow', (fields.completed or 0) + (fields.failed or 0))
        agent = 'other'
      end
    end
    for field, by in pairs(fields) do redis.call('HINCRBYFLOAT', key, agent .. '\t' .. field, by) end
  end
end
