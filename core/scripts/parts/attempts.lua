-- How an attempt of a job begins, goes from stage to stage, and ends.

local MOST_STAGES = 100
local MOST_ATTEMPTS = 20
local MOST_ATTEMPTS_BYTES = 64 * 1024 -- every update reads and writes the whole record; the last attempt stays anyhow
-- What a job forgets when a new attempt begins.
local OF_ATTEMPT = {'stage', 'stages', 'error', 'failedStage', 'started', 'finished', 'seq', 'at', 'told', 'message', 'result',
  'episodeId', 'published', 'worker', 'errorType', 'due', 'enqueued', 'state', 'began'}

-- A higher attempt starts the job anew and keeps what the earlier ones did.
local function begin_attempt(job, attempt)
  local attempts = job.attempts or {}
  attempts[#attempts + 1] = {
    attempt = job.attempt, status = job.status, error = job.error, failedStage = job.failedStage,
    started = job.started, finished = job.finished, progress = job.progress, stages = job.stages,
  }
  while #attempts > MOST_ATTEMPTS or (#attempts > 1 and #cmsgpack.pack(attempts) > MOST_ATTEMPTS_BYTES) do
    table.remove(attempts, 1)
  end
  for _, name in ipairs(OF_ATTEMPT) do job[name] = nil end
  job.attempts, job.attempt, job.status, job.progress = attempts, attempt, 'queued', 0
end

local function enter_stage(job, stage, at, is_passed)
  local stages = job.stages or {}
  local last = stages[#stages]
  if last and last[3] == 0 then
    last[3] = math.max(at, last[2])
    if is_passed then pass_stage(job.agent, last) end
  end
  if stage then
    if #stages >= MOST_STAGES then stages[#stages] = nil end
    stages[#stages + 1] = {stage, at, 0}
  end
  if #stages > 0 then job.stages = stages end
end

local function finish(u, job, stage_before, at)
  -- What was ended on purpose, or failed in an engine, may never have begun; anything else did, at the latest when it was created.
  local has_begun = not UNCOUNTED[job.state] and not (u.x and job.status == 'failed')
  job.started = u.sa or job.started or (has_begun and job.created or nil)
  -- Some updates may name a time by a clock that is behind ours, and others none.
  job.finished = u.fa or math.max(at, job.started or job.created)
  local is_timed = u.o ~= 'import' and job.status == 'completed'
  if not u.st then
    -- What is read of a job at work is heard of a moment later, when it may have ended.
    for _, span in ipairs(job.stages or {}) do
      span[2], span[3] = math.min(span[2], job.finished), math.min(span[3], job.finished)
    end
    enter_stage(job, nil, job.finished, is_timed)
  end
  if is_timed then keep_order(job) end
  if job.status == 'completed' then
    job.progress = 100
  else
    job.failedStage = u.fs or ((u.g and u.g ~= 'failed') and u.g or stage_before)
  end
end
