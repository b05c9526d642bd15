-- Appends chunks of log lines, all of a request or none, and lets go what is too much or too old.
-- ARGV[1] is {
--   chunks = {{source, lines, head, field, body}, …}, as `services.log_model` packs them,
--   jobs = {{agent/id, {{number of the chunk, place in it, line}, …}}, …}: what goes to jobs' own lists as well; of head, body and
--     line it is the number in ARGV,
--   frame = a name, frame_s: where one of this name was stored in the last so many seconds, nothing is stored,
--   most = how many bytes stay of all sources, most_jobs = and of all jobs' own lists; the largest source gives first, and the
--     job that was silent longest,
--   before = ms: what came before that goes; room = how many bytes of the store's own limit logs may take from now on, nil where
--     it has none; step = how many chunks and lists may go at most}.
-- Answers {'stored' or 'repeated', how many chunks and lists went, under which name each chunk's lines are counted …}.

local root = KEYS[1]
local call = cmsgpack.unpack(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local MOST_SOURCES, OTHER = 200, 'other'
local MOST_JOB_LINES, MOST_JOB_BYTES = 500, 64 * 1024
local AT_ONCE = 16
local CHUNK_BYTES, LINE_BYTES, LIST_BYTES = 160, 16, 200 -- what an entry, or a list, costs besides what it says

local index, labels = root .. '@LOG_INDEX@', root .. '@LOG_LABELS@'
local all_bytes, all_lines = root .. '@LOG_BYTES@', root .. '@LOG_LINES@'
local jobs, job_bytes = root .. '@LOG_JOBS@', root .. '@LOG_JOB_BYTES@'
local kept_room = root .. '@LOG_ROOM@'

local sizes, sources, total, gone = {}, 0, 0, 0
local kept = redis.call('HGETALL', all_bytes)
for i = 1, #kept, 2 do
  sizes[kept[i]] = tonumber(kept[i + 1])
  sources = sources + 1
  total = total + sizes[kept[i]]
end

local function count(source, bytes, lines)
  if not sizes[source] then
    sizes[source] = 0
    sources = sources + 1
  end
  sizes[source] = sizes[source] + bytes
  total = total + bytes
  redis.call('HINCRBY', all_bytes, source, bytes)
  redis.call('HINCRBY', all_lines, source, lines)
end

local function forget(source)
  total = total - (sizes[source] or 0)
  sizes[source] = nil
  sources = sources - 1
  redis.call('DEL', root .. '@LOGS@' .. source)
  redis.call('HDEL', all_bytes, source)
  redis.call('HDEL', all_lines, source)
end

local function size(head, body)
  return 2 * #head + #body + CHUNK_BYTES
end

-- Metrics never forget a name, so there is a bound on how many they ever get.
local function label(source)
  if redis.call('SISMEMBER', labels, source) == 1 then return source end
  if redis.call('SCARD', labels) >= MOST_SOURCES then return OTHER end
  redis.call('SADD', labels, source)
  return source
end

local function append(chunk)
  local source, lines, field, head, body = chunk[1], chunk[2], chunk[4], ARGV[chunk[3]], ARGV[chunk[5]]
  if not sizes[source] and sources - (sizes[OTHER] and 1 or 0) >= MOST_SOURCES then source = OTHER end
  local key = root .. '@LOGS@' .. source
  local id = redis.call('XADD', index, '*', 's', source, 'h', head)
  local added = redis.pcall('XADD', key, id, 'h', head, field, body)
  if type(added) == 'table' and redis.call('TYPE', key).ok ~= 'stream' then -- somebody else wrote there
    redis.call('DEL', key)
    redis.call('XADD', key, id, 'h', head, field, body)
  elseif type(added) == 'table' then -- so somebody did into the stream, and it is ahead of the index: go on from there
    redis.call('XDEL', index, id)
    id = redis.call('XADD', key, '*', 'h', head, field, body)
    redis.call('XADD', index, id, 's', source, 'h', head)
  end
  count(source, size(head, body), lines)
  return id, label(source)
end

-- Lets the oldest chunks of a source go, up to an id, until so many bytes went; answers how many chunks did.
local function thin(source, last, wanted)
  local key, ids, bytes, lines = root .. '@LOGS@' .. source, {}, 0, 0
  if redis.call('TYPE', key).ok ~= 'stream' then
    forget(source)
    return 0
  end
  for _, entry in ipairs(redis.call('XRANGE', key, '-', last, 'COUNT', AT_ONCE)) do
    if bytes >= wanted then break end
    local fields = entry[2]
    local good, head = pcall(cmsgpack.unpack, fields[2])
    ids[#ids + 1] = entry[1]
    bytes = bytes + size(fields[2], fields[4] or '')
    lines = lines + (good and type(head) == 'table' and tonumber(head[2]) or 0)
  end
  if #ids > 0 then
    redis.call('XDEL', key, unpack(ids))
    redis.call('XDEL', index, unpack(ids))
    count(source, -bytes, -lines)
  end
  if redis.call('XLEN', key) == 0 then forget(source) end
  gone = gone + #ids
  return #ids
end

local function largest()
  local found, most = nil, -1
  for source, bytes in pairs(sizes) do
    if bytes > most then found, most = source, bytes end
  end
  return found
end

local function forget_job(name)
  local bytes = tonumber(redis.call('HGET', job_bytes, name) or 0)
  redis.call('DEL', root .. '@LOG_JOB@' .. name)
  redis.call('HDEL', job_bytes, name)
  redis.call('HINCRBY', job_bytes, '', -bytes)
  redis.call('ZREM', jobs, name)
  gone = gone + 1
end

local function append_to_job(name, lines, ids)
  local key = root .. '@LOG_JOB@' .. name
  local had = tonumber(redis.call('HGET', job_bytes, name) or 0)
  if redis.call('TYPE', key).ok ~= 'list' then redis.call('DEL', key) end
  local length = redis.call('LLEN', key)
  local bytes = length > 0 and had or LIST_BYTES + 3 * #name
  for _, line in ipairs(lines) do
    local element = ids[line[1]] .. '-' .. line[2] .. ' ' .. ARGV[line[3]]
    length = redis.call('RPUSH', key, element)
    bytes = bytes + #element + LINE_BYTES
  end
  while length > MOST_JOB_LINES or (bytes > MOST_JOB_BYTES and length > 1) do
    bytes = bytes - #redis.call('LPOP', key) - LINE_BYTES
    length = length - 1
  end
  redis.call('HSET', job_bytes, name, bytes)
  redis.call('HINCRBY', job_bytes, '', bytes - had)
  redis.call('ZADD', jobs, now, name)
end

-- The room that the store has is noted for those that append.
local function fit_into_room()
  local room = call.room
  if not call.before then room = tonumber(redis.pcall('GET', kept_room) or nil) end
  if not room then return end
  local share = math.min(1, room / (call.most + call.most_jobs))
  call.most, call.most_jobs = math.floor(call.most * share), math.floor(call.most_jobs * share)
end

local function note_room()
  if call.room then redis.pcall('SET', kept_room, call.room) else redis.call('DEL', kept_room) end -- a full store takes it later
end

fit_into_room()
local frame = call.frame and root .. '@LOG_FRAME@' .. call.frame
if frame and redis.call('EXISTS', frame) == 1 then return {'repeated', 0} end

local answer, ids = {'stored', 0}, {}
for number, chunk in ipairs(call.chunks or {}) do
  ids[number], answer[number + 2] = append(chunk)
end
for _, job in ipairs(call.jobs or {}) do append_to_job(job[1], job[2], ids) end
if frame then redis.call('SET', frame, 1, 'EX', call.frame_s) end -- last: what fails before may come again

if call.before then
  local last = string.format('%d', call.before - 1)
  for i = 1, #kept, 2 do
    while gone < call.step and thin(kept[i], last, math.huge) == AT_ONCE do end
  end
  redis.call('XTRIM', index, 'MINID', string.format('%d', call.before))
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', jobs, '-inf', '(' .. string.format('%d', call.before), 'LIMIT', 0, call.step)) do
    forget_job(name)
  end
end

while total > call.most and gone < call.step and largest() do
  thin(largest(), '+', total - call.most)
end
while gone < call.step and tonumber(redis.call('HGET', job_bytes, '') or 0) > call.most_jobs do
  local silent = redis.call('ZRANGE', jobs, 0, 0)[1]
  if not silent then
    redis.call('DEL', job_bytes) -- the lists were lost, so there is nothing to count
    break
  end
  forget_job(silent)
end
if call.before then note_room() end
answer[2] = gone
return answer
