-- How far the archive is. @ARCHIVE@ holds of which database that is told (`of`), and while finished jobs are compared with it
-- where that stands (`sweep`: `score member` of the last one compared, empty at the beginning), whether to begin `again`, and
-- from when on (`since`, ms) jobs may be missing, where that is known.

local GROUP = 'archive'
local stream, state, finished = root .. '@EVENTS@', root .. '@ARCHIVE@', root .. '@FINISHED@'

local function named(flat)
  local fields = {}
  for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
  return fields
end

-- What the store knows of the reading of the stream; nil where that has not begun, or is forgotten.
local function reading()
  local groups = redis.pcall('XINFO', 'GROUPS', stream)
  if groups.err then return nil end
  for _, group in ipairs(groups) do
    group = named(group)
    if group.name == GROUP then return group end
  end
end

local function ms_of(id)
  return tonumber(id:match('%d+'))
end

local function is_after(one, other)
  if ms_of(one) ~= ms_of(other) then return ms_of(one) > ms_of(other) end
  return tonumber(one:match('%d+$')) > tonumber(other:match('%d+$'))
end

-- Whether there are unread entries, and whether some of them may have been trimmed: the last one that was read is gone.
local function unread(last)
  local info = named(redis.call('XINFO', 'STREAM', stream))
  local first = info['first-entry']
  local is_any = is_after(info['last-generated-id'], last)
  local is_whole = (first and not is_after(first[1], last)) or info['entries-added'] == info.length
  return is_any, is_any and not is_whole
end

-- From when on (ms) the stream tells of ends that are not archived; infinite where it tells of none.
local function unread_since(group)
  local since, last = math.huge, group['last-delivered-id']
  local is_any, is_trimmed = unread(last)
  if is_trimmed and ms_of(last) > 0 then
    since = ms_of(last)
  elseif is_any then
    local first = redis.call('XRANGE', stream, '(' .. last, '+', 'COUNT', 1)[1]
    since = first and ms_of(first[1]) or since
  end
  if group.pending > 0 then since = math.min(since, ms_of(redis.call('XPENDING', stream, GROUP)[2])) end
  return since
end

-- Something may be missing from the archive: compare all, once more where that was begun before.
local function sweep(since)
  if since and since > 0 then redis.call('HSETNX', state, 'since', since) end
  if redis.call('HEXISTS', state, 'sweep') == 1 then
    redis.call('HSET', state, 'again', 1)
  else
    redis.call('HSET', state, 'sweep', '')
  end
end

-- The rank behind a place. Jobs come and go meanwhile: where the last one is gone, those of its time are compared again.
local function rank_behind(place)
  local score, member = place:match('^(%S+) (%d+)$')
  if not score then return 0 end
  if redis.call('ZSCORE', finished, member) == score then return redis.call('ZRANK', finished, member) + 1 end
  return redis.call('ZCOUNT', finished, '-inf', '(' .. score)
end

-- Begins a comparison where what is known is of another database; whether that is so.
local function settle(of)
  if redis.call('HGET', state, 'of') == of then return false end
  redis.call('HSET', state, 'of', of, 'sweep', '')
  redis.call('HDEL', state, 'again', 'since')
  return true
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
