-- How far the archive is. @ARCHIVE@ holds of which database that is told (`of`), and while finished jobs are compared with it
-- where that stands (`sweep`: `score member` of the last one compared, empty at the beginning) and whether to begin `again`.

local GROUP = 'archive'
local stream, state, finished = root .. '@EVENTS@', root .. '@ARCHIVE@', root .. '@FINISHED@'

-- Something may be missing from the archive: compare all, once more where that was begun before.
local function sweep()
  if redis.call('HEXISTS', state, 'sweep') == 1 then
    redis.call('HSET', state, 'again', 1)
  else
    redis.call('HSET', state, 'sweep', '')
  end
end

local function settle(of)
  if redis.call('HGET', state, 'of') ~= of then
    redis.call('HSET', state, 'of', of, 'sweep', '')
    redis.call('HDEL', state, 'again')
  end
end

-- {number, attempt, updated, …} of finished jobs; the attempt is 0 where the record is missing or can't be read.
local function marks(members)
  local found = {}
  for _, member in ipairs(members) do
    local record = redis.pcall('GET', root .. '@JOB@' .. member)
    local good, job = pcall(cmsgpack.unpack, type(record) == 'string' and record or nil)
    local whole = good and type(job) == 'table' and type(job.attempt) == 'number'
    local updated = whole and (job.updated or job.created)
    if type(updated) ~= 'number' then whole, updated = false, 0 end
    found[#found + 1] = tonumber(member)
    found[#found + 1] = whole and job.attempt or 0
    found[#found + 1] = updated
  end
  return found
end
