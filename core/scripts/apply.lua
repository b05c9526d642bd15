-- Takes updates of one partition's jobs, in order, and writes each whole: its record, its indexes, the counters and the
-- event. A record is a MessagePack map: less work than a hash, and the same bytes however the store is set up.
-- ARGV[1] is {p = partition, P = partitions, keep = oldest time in ms before now that counts, want = whether
-- to answer the jobs, given = where several partitions share the count of numbers, the last one given before this call,
-- above = a number that was given before, maybe by a store that was emptied, spare = how many above it may have been given by then
-- as well, u = updates}. An update is
--   o  'create' (an id that exists stays as it is), 'update' (one that does not is missing), 'put' (either),
--      'import' (as put, and no live counter moves)
--   n  the job's number, or a = agent and i = id
--   t  attempt, q  seq, w  the reporter's time in ms
--   s  status, g  stage, p  progress, m  message, e  error, r  result, d  metadata, l  title
--   v  video id, ep  episode id, pub  whether that is published; the latter two may come after the end
--   ca, sa, fa  created, started, finished in ms, st  stages, fs  the stage it failed in, pa  earlier attempts (imports)
--   qu  queue, fn  function, wk  worker, tg  tags (none of them: an empty list), et  error type, en  engine, xi  the engine's id,
--   x  the engine's state, du  when it is due in ms (0: at no time), qa  since when it is enqueued in ms
-- Answers a list: for each update {outcome, number, job or false}, outcome one of
-- created, applied, kept, missing, damaged.

local root = KEYS[1]
local call = cmsgpack.unpack(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local oldest = now - call.keep

local FINAL = {completed = true, failed = true}
local STATUSES = {'queued', 'processing', 'completed', 'failed'}
local IS_STATUS = {queued = true, processing = true, completed = true, failed = true}
local BOUNDS = {0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200}
local MOST_AGENTS = math.ceil(200 / call.P) -- named in @TOTALS@; the rest counts under "other"
local HEARD_MS = 10000
local CLOCKS_MS = 60000 -- by how much a reporter's clock may be off

local seen = {}

-- part: records
-- part: order
-- part: counts
-- part: indexes
-- part: names
-- part: stage_times
-- part: videos
-- part: episodes
-- part: attempts

-- A row of history counts in the minute that it names, and in none when it names none.
local function count_finish(job, duration_ms, live, timed)
  if live or timed then
    count_end(job.finished, job.status, duration_ms)
    count_agent_end(job.finished, job.status, job.agent)
    if job.queue then count_queue(job.finished, job.status, job.agent .. '/' .. job.queue) end
  end
  if live then
    local bound = 'inf'
    for _, le in ipairs(BOUNDS) do
      if duration_ms <= le * 1000 then
        bound = tostring(le)
        break
      end
    end
    if job.queue then count(queue_totals, 'all', job.status .. '\t' .. job.agent .. '/' .. job.queue, 1) end
    count(totals, job.agent, job.status, 1)
    count(totals, job.agent, 'sum', duration_ms / 1000)
    count(totals, job.agent, 'le\t' .. bound, 1)
  end
end

local function move(job, number, from)
  if from == job.status then return end
  if from then
    redis.call('ZREM', root .. '@STATUS@' .. from, number)
    redis.call('ZREM', root .. '@AGENT_STATUS@' .. from .. ':' .. job.agent, number)
    if FINAL[from] then redis.call('ZREM', root .. '@FINISHED@', number) end
  end
  redis.call('ZADD', root .. '@STATUS@' .. job.status, number, number)
  redis.call('ZADD', root .. '@AGENT_STATUS@' .. job.status .. ':' .. job.agent, number, number)
  if FINAL[job.status] then redis.call('ZADD', root .. '@FINISHED@', job.finished, number) end
end

-- A job at work that tells much is noted every ten seconds or so, not each time. `last` is when it was heard of before.
local function hear(job, number, before, last)
  if job.status ~= 'processing' then
    if before == 'processing' then redis.call('ZREM', root .. '@HEARD@', number) end
  elseif before ~= 'processing' or math.floor(last / HEARD_MS) ~= math.floor(now / HEARD_MS) then
    redis.call('ZADD', root .. '@HEARD@', now, number)
  end
end

-- An event is one MessagePack array, in the order that services.job_events reads; '' stands for nothing.
local function announce(kind, job, number, was, message, error, at)
  local event = cmsgpack.pack({kind, tonumber(number), job.id, job.agent, job.title or '', job.status, was or '', job.stage or '',
    job.progress, message or '', error or '', job.failedStage or '', job.attempt, at, job.videoId or '', job.episodeId or '', job.published or false, job.state or ''})
  redis.call('XADD', root .. '@EVENTS@', 'MAXLEN', '~', 100000, '*', 'e', event)
end

local function has_facts(u, job)
  return (u.ep and u.ep ~= job.episodeId) or (u.pub ~= nil and u.pub ~= (job.published or false))
end

-- Whether all but its facts is so already.
local function moves_nothing(u, job)
  return (not u.s or u.s == job.status) and (not u.p or u.p == job.progress) and (not u.v or u.v == job.videoId)
    and (not u.g or u.g == job.stage or (FINAL[u.g] and u.g == job.status))
    and (not u.m or u.m == job.message) and (not u.e or u.e == job.error) and (not u.r or u.r == job.result)
    and (not u.d or u.d == job.metadata) and (not u.l or u.l == job.title)
    and names_nothing(u, job)
end

local function next_number()
  if call.given then
    call.given = call.given + 1
    return string.format('%d', call.given * call.P + call.p)
  end
  local given = redis.call('INCR', root .. '@NUMBER@')
  if given <= (call.above or 0) then
    given = call.above + call.spare + 1
    redis.call('SET', root .. '@NUMBER@', string.format('%d', given))
  end
  return string.format('%d', given)
end

local function create(u, at, skew)
  local number = next_number()
  redis.call('HSET', root .. '@IDS@' .. u.a, u.i, number)
  local created = u.ca or u.sa or at -- a row's `at` is its end
  if u.ca or u.o ~= 'import' then count_time(created, 'created', 1) end
  if u.v then see_video(u.a, u.v, at) end
  local job = {
    agent = u.a, id = u.i, status = 'queued', progress = 0, attempt = u.t or 1, created = created,
    updated = at, heard = heard(u, at), metadata = u.d, message = u.m, seq = u.q, at = u.w and at or nil, told = ahead(u), skew = skew,
    videoId = u.v,
    -- When it came in stands for when it was created, so a later row may well be from before.
    undated = u.o == 'import' and not u.ca or nil,
  }
  take_names(u, job)
  job.title = u.l -- after what is named: a title from before that is a reporter's
  order_times(job)
  return number, job
end

local function progress(u, job, at, skew)
  local stage_before, stage = job.stage, u.g
  local status = u.s
  if not status and stage and (FINAL[stage] or stage == 'queued') then status = stage end
  if not status and job.status == 'queued' and (stage or u.p) then status = 'processing' end
  job.status, job.progress = status or job.status, u.p or job.progress
  if job.status == 'processing' and not job.started then job.started = u.sa or at end
  if stage and stage ~= stage_before then
    job.stage = stage
    -- Who tells only the last stage of what is over, a row of history or an engine, tells no times of it.
    local is_timed = u.o ~= 'import' and (job.stages or not u.fa)
    if is_timed and not FINAL[stage] and stage ~= 'queued' then enter_stage(job, stage, math.min(at, u.fa or at), true) end
  end
  job.stages, job.error, job.attempts = u.st or job.stages, u.e or job.error, u.pa or job.attempts
  if FINAL[job.status] then finish(u, job, stage_before, at) end
  local message = u.m or (job.status == 'failed' and u.e or nil)
  job.message, job.result, job.metadata = message or job.message, u.r or job.result, u.d or job.metadata
  if u.x and message == '' then job.message = nil end -- an engine takes back what it said
  if u.l and not (u.x and job.titled) then job.title = u.l end
  job.seq, job.at = u.q or job.seq, u.w and at or job.at
  if u.v and u.v ~= job.videoId then
    see_video(job.agent, u.v, at)
    job.videoId = u.v
  end
  job.episodeId = u.ep or job.episodeId
  if u.pub ~= nil then job.published = u.pub end
  if u.w then job.told = ahead(u) end
  job.updated, job.heard, job.skew = at, heard(u, at), skew or job.skew
  order_times(job)
  return message
end

-- After the end no more is learned of a job but which episode it made, whether that is published, and what its engine names of it where it
-- was a reporter that told the end.
local function learn(u, job, at)
  if is_settled_by(u, job) then settle_names(u, job) end
  job.episodeId = u.ep or job.episodeId
  if u.pub ~= nil then job.published = u.pub end
  job.seq, job.at = u.q or job.seq, u.w and at or job.at
  if u.w then job.told = ahead(u) end
  job.updated, job.heard = math.max(at, job.updated or at), heard(u, at)
  order_times(job)
end

-- The episode that a job counts for: it has to be completed.
local function episode_of(job)
  return job and job.status == 'completed' and job.episodeId or nil
end

local function see(agent, at)
  seen[agent] = math.max(at, seen[agent] or at)
end

local function has_progress(u)
  return u.s or u.g or u.p or u.e or u.r
end

-- Whether a row was over before this job began: it tells of an earlier job that had the same id. Its clock need not be ours.
local function is_of_earlier(u, job)
  local last = u.fa or u.sa or u.ca
  return u.o == 'import' and FINAL[u.s] and last and not job.undated and last < job.created - CLOCKS_MS
end

-- Whether an update of a job that exists has nothing to say any more.
local function is_spent(u, job, attempt, at)
  if u.o == 'create' or attempt < job.attempt or is_of_earlier(u, job) then return true end
  if attempt > job.attempt then return false end
  if FINAL[job.status] then
    return not is_settled_by(u, job) and (not (has_facts(u, job) and moves_nothing(u, job)) or is_late(u, job, at))
  end
  if u.o == 'import' then return not FINAL[u.s] end
  return is_late(u, job, at)
    or (u.w and (at == job.at or u.w == job.told) and moves_nothing(u, job) and not has_facts(u, job))
end

local function apply(u)
  local number = find(u)
  local job = number and read(number)
  if job == false then return 'damaged', number end
  if number and not job then
    if u.n then return is_indexed(number) and 'damaged' or 'missing', number end
    if u.o == 'update' then return 'damaged', number end
    forget(number, u.a)
  end
  local at, skew = when(u)
  local live = u.o ~= 'import'
  if not live then at = u.fa or u.sa or u.ca or at end
  local kind, was = live and 'updated' or 'imported', nil
  local outcome, before, had = 'applied', job and job.status, episode_of(job)
  local last = job and (job.heard or job.updated) or 0
  local filed = job and indexes_of(job)
  if not job then
    if u.o == 'update' then return 'missing', number end
    number, job = create(u, at, skew)
    outcome, was = 'created', 'queued'
    if live then announce('created', job, number, nil, not has_progress(u) and u.m, nil, at) end
    -- The first stage of a job that is created at it is no progress to dialect A, in which creating tells nothing.
    if u.o == 'create' and not (FINAL[u.s] or FINAL[u.g]) then kind = 'begun' end
    if not has_progress(u) then
      see(job.agent, at)
      save(number, job)
      move(job, number, nil)
      file(job, number, nil, at)
      return outcome, number
    end
  else
    local attempt = attempt_of(u, job)
    if is_spent(u, job, attempt, at) then return 'kept', number end
    if attempt > job.attempt then begin_attempt(job, attempt) end
    was = before
    if FINAL[job.status] and live then
      learn(u, job, at)
      see(job.agent, at)
      save(number, job)
      settle_episode(job, number, had, episode_of(job), at)
      file(job, number, filed, at)
      announce('facts', job, number, was, nil, nil, at)
      return outcome, number
    end
    take_names(u, job)
  end
  local had_begun = job.started
  local message = progress(u, job, at, skew)
  see(job.agent, at)
  save(number, job)
  if before ~= job.status then
    move(job, number, before)
  elseif FINAL[job.status] then
    redis.call('ZADD', root .. '@FINISHED@', job.finished, number)
  end
  file(job, number, filed, at)
  if live then hear(job, number, before, last) end
  if live and not UNCOUNTED[job.state] then time_names(u, job, had_begun) end
  if FINAL[job.status] and not UNCOUNTED[job.state] then count_finish(job, math.max(0, job.finished - (job.started or job.finished)), live, u.fa) end
  if had or job.episodeId then settle_episode(job, number, had, episode_of(job), at) end
  announce(kind, job, number, was, message, u.e, at)
  return outcome, number
end

local function answer(number)
  if not (call.want and number) then return false end
  local record = redis.pcall('GET', root .. '@JOB@' .. number)
  return type(record) == 'string' and record
end

local answers = {}
for i, u in ipairs(call.u) do
  local outcome, number = apply(u)
  answers[i] = {outcome, number or false, answer(number)}
end

for agent, at in pairs(seen) do redis.call('ZADD', root .. '@AGENTS@', 'GT', at, agent) end
write_counts()
write_stage_times()
write_names()
return answers
