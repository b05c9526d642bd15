-- How long an agent's stages took, of each the last few: gathered while a script runs, written by `write_stage_times()`.

local MOST_STAGE_TIMES = 32
local MOST_TIMED_STAGES = 64

local passed, orders = {}, {}

local function pass_stage(agent, span)
  local stages = passed[agent] or {}
  local taken = stages[span[1]] or {}
  passed[agent], stages[span[1]] = stages, taken
  taken[#taken + 1] = span[3] - span[2]
end

local function keep_order(job)
  local order, known = {}, {}
  for _, span in ipairs(job.stages or {}) do
    if not known[span[1]] and #order < MOST_TIMED_STAGES then
      known[span[1]] = true
      order[#order + 1] = span[1]
    end
  end
  if #order > 0 then orders[job.agent] = {order, known} end
end

local function write_stage_times()
  -- A MessagePack array written by hand, all its numbers of 32 bits: the oldest are cut off without reading any.
  local function with_times(record, taken)
    local times = record and #record % 5 == 3 and record:sub(4) or ''
    for _, ms in ipairs(taken) do times = times .. struct.pack('>BI4', 206, math.min(ms, 4294967295)) end
    times = times:sub(-5 * MOST_STAGE_TIMES)
    return struct.pack('>BI2', 220, #times / 5) .. times
  end

  -- Stages that jobs no longer have make room for others, where there is little left.
  local function make_room(key, known)
    if redis.call('HLEN', key) <= MOST_TIMED_STAGES * 3 / 4 then return end
    for _, stage in ipairs(redis.call('HKEYS', key)) do
      if not known[stage] then redis.call('HDEL', key, stage) end
    end
  end

  for agent, stages in pairs(passed) do
    local key = root .. '@STAGE_TIMES@' .. agent
    for stage, taken in pairs(stages) do
      local record = redis.call('HGET', key, stage)
      if record or redis.call('HLEN', key) <= MOST_TIMED_STAGES then
        redis.call('HSET', key, stage, with_times(record, taken))
      end
    end
  end
  for agent, newest in pairs(orders) do
    local key, order = root .. '@STAGE_TIMES@' .. agent, cmsgpack.pack(newest[1])
    if redis.call('HGET', key, '') ~= order then -- no stage has an empty name
      make_room(key, newest[2])
      redis.call('HSET', key, '', order)
    end
  end
end
