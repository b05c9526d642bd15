-- Hands out what ended: the present records of the jobs of which the stream tells so, at least once. What was handed out and
-- not acknowledged comes first. Where events are lost, or may be, they are given up for a comparison of all finished jobs.
-- ARGV[1] is {of = the database's name, most = how many entries, bytes = about how much of records}.
-- Answers {whether the reading began anew, whether a comparison is due, whether there is more, {id, …}, {number, record or false, …}}:
-- the ids of entries to acknowledge once these jobs are archived.

local root = KEYS[1]
local call = cmsgpack.unpack(ARGV[1])
local FINAL = {completed = true, failed = true}

-- part: archive

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

local is_another, group = settle(call.of), reading()
if not group then
  redis.call('XGROUP', 'CREATE', stream, GROUP, '$', 'MKSTREAM')
  if not is_another then sweep() end
  return {1, 1, 0, {}, {}}
end

local entries, last, since = read('0'), group['last-delivered-id'], nil
for _, entry in ipairs(entries) do
  if not entry[2] then since = since or ms_of(entry[1]) end
end
if #entries == 0 or since then
  local _, is_trimmed = unread(last)
  if is_trimmed then
    redis.call('XGROUP', 'SETID', stream, GROUP, '$')
    since = since or ms_of(last)
  elseif #entries == 0 then
    entries = read('>')
  end
  if since then sweep(since) end
end

local ids, done, jobs, known, size = {}, {}, {}, {}, 0
for _, entry in ipairs(entries) do
  local number = entry[2] and ended(entry[2])
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
local has_more = #entries == call.most or #done + #ids < #entries
return {0, redis.call('HEXISTS', state, 'sweep'), has_more and 1 or 0, ids, jobs}
