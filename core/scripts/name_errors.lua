-- Gives failed jobs of a partition the types of their errors, where they have none, and puts them into the index of these.
-- ARGV[1] is {jobs = list of {number, attempt, type}, place = behind which failures there are others, or that there are none}.

local root = KEYS[1]
local call = cmsgpack.unpack(ARGV[1])
local MOST_NAMED = 1000
local IS_STATUS = {queued = true, processing = true, completed = true, failed = true}
local STATUSES = {'queued', 'processing', 'completed', 'failed'}

-- part: records

for _, one in ipairs(call.jobs) do
  local number, attempt, error_type = string.format('%d', one[1]), one[2], one[3]
  local job = read(number)
  if job and job.status == 'failed' and job.attempt == attempt and not job.errorType then
    job.errorType = error_type
    save(number, job)
    redis.call('ZADD', root .. '@BY@error:' .. error_type, number, number)
    redis.call('ZADD', root .. '@NAMED@error', 'GT', job.finished or job.created, error_type)
  end
end
redis.call('ZREMRANGEBYRANK', root .. '@NAMED@error', 0, -MOST_NAMED - 1)
redis.call('SET', root .. '@FORMER_ERRORS@', call.place)
