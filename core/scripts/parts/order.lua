-- Where an update stands in time, and among those of its job.

-- When an update happened: the reporter's own time where it can be, else the time of arrival and by how far it is off.
local function when(u)
  local at = u.w
  if not at then return now, nil end
  if at > now then return now, (at - now > 1000) and math.floor((at - now) / 1000) or nil end
  if at < oldest then return now, math.floor((at - now) / 1000) end
  return at, nil
end

-- Several clocks tell a job's times, in whatever order: it was created before all else, and had begun when it ended.
local function order_times(job)
  local created = job.created
  if job.started and job.finished then job.started = math.min(job.started, job.finished) end
  job.created = math.min(created, job.enqueued or created, job.started or created, job.finished or created)
end

-- When a live update arrived, where that is later than when it happened: its reporter's clock is behind, or it was kept back.
local function heard(u, at)
  return u.o ~= 'import' and now - at > 1000 and now or nil
end

-- The reporter's own time where its clock is ahead of ours.
local function ahead(u)
  return u.w and u.w > now and u.w or nil
end

local function is_late(u, job, at)
  if u.q and job.seq then return u.q <= job.seq end
  if not (u.w and job.at) then return false end
  -- Of two times by a clock that is ahead of ours its own order counts; one that was set right meanwhile begins anew.
  if job.told and u.w - now > (job.told - job.at) / 2 then return u.w < job.told end
  return at < job.at
end
