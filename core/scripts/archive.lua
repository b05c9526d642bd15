-- Hands out what ended: the present records of the jobs of which the stream tells so, at least once. What was handed out and
-- not acknowledged comes first. Where events are lost, or may be, they are given up for a comparison of all finished jobs.
-- ARGV[1] is {of = the database's name, most = how many entries, bytes = about how much of records}.
-- Answers {whether the reading began anew, whether a comparison is due, entries read, {id, …}, {number, record or false, …}}:
-- the ids of entries to acknowledge once these jobs are archived.

local root = KEYS[1]
local call = cmsgpack.unpack(ARGV[1])
local FINAL = {completed = true, failed = true}

-- part: archive

local function fields(flat)
  local named = {}
  for i = 1, #flat, 2 do named[flat[i]] = flat[i + 1] end
  return named
end

local function position()
  local groups = redis.pcall('XINFO', 'GROUPS', stream)
  if groups.err then return nil end
  for _, group in ipairs(groups) do
    group = fields(group)
    if group.name == GROUP then return group['last-delivered-id'] end
  end
end

local function is_after(one, other)
  local ms, seq = one:match('(%d+)-(%d+)')
  local other_ms, other_seq = other:match('(%d+)-(%d+)')
  ms, other_ms = tonumber(ms), tonumber(other_ms)
  return ms > other_ms or (ms == other_ms and tonumber(seq) > tonumber(other_seq))
end

-- Whether entries that nobody read may have been trimmed: the last one that was read is gone.
local function is_trimmed(last)
  local info = fields(redis.call('XINFO', 'STREAM', stream))
  local first = info['first-entry']
  return is_after(info['last-generated-id'], last) and not (first and not is_after(first[1], last))
end

local function read(from)
  local answer = redis.call('XREADGROUP', 'GROUP', GROUP, 'archiver', 'COUNT', call.most, 'STREAMS', stream, from)
  return answer and answer[1] and answer[1][2] or {}
end

-- The number of the job that ended by an entry. Most entries tell of none: their bytes say so without being taken apart.
local function ended(entry)
  local event = entry[1] == 'e' and entry[2]
  if not event or not (event:find('completed', 1, true) or event:find('failed', 1, true)) then return nil end
  local good, told = pcall(cmsgpack.unpack, event)
  if good and type(told) == 'table' and FINAL[told[6]] and type(told[2]) == 'number' then
    return string.format('%d', told[2])
  end
end

settle(call.of)
local last = position()
if not last then
  redis.call('XGROUP', 'CREATE', stream, GROUP, '$', 'MKSTREAM')
  sweep()
  return {1, 1, 0, {}, {}}
end

local entries = read('0')
if #entries == 0 then
  if is_trimmed(last) then
    redis.call('XGROUP', 'SETID', stream, GROUP, '$')
    sweep()
  else
    entries = read('>')
  end
end

local ids, done, jobs, known, size = {}, {}, {}, {}, 0
for _, entry in ipairs(entries) do
  local number = entry[2] and ended(entry[2])
  if not entry[2] then sweep() end
  if not number then
    done[#done + 1] = entry[1]
  elseif known[number] or size < call.bytes then
    if not known[number] then
      known[number] = true
      local record = redis.pcall('GET', root .. '@JOB@' .. number)
      record = type(record) == 'string' and record
      jobs[#jobs + 1] = tonumber(number)
      jobs[#jobs + 1] = record
      size = size + (record and #record or 0)
    end
    ids[#ids + 1] = entry[1]
  end
end
if #done > 0 then redis.call('XACK', stream, GROUP, unpack(done)) end
return {0, redis.call('HEXISTS', state, 'sweep'), #entries, ids, jobs}
