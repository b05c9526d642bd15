-- Sums what happened in the minutes or hours of a partition, a step at a time.
-- ARGV[1] is {hours = true for hours, else minutes, first = the first of them since the epoch, each = how many a step, steps = n}.
-- Answers MessagePack: for each step a map of the fields' sums; of `depth_max` it is the largest.

local call = cmsgpack.unpack(ARGV[1])
local root = KEYS[1] .. (call.hours and '@HOUR@' or '@MINUTE@')
local steps = {}

for step = 1, call.steps do
  local sums = {created = 0} -- an empty table would be packed as a list
  local first = call.first + (step - 1) * call.each
  for unit = first, first + call.each - 1 do
    local fields = redis.pcall('HGETALL', root .. string.format('%d', unit))
    for i = 1, #fields, 2 do -- none where something else stands there
      local name, value = fields[i], tonumber(fields[i + 1])
      if value then
        value = math.floor(value)
        sums[name] = name == 'depth_max' and math.max(sums[name] or 0, value) or (sums[name] or 0) + value
      end
    end
  end
  steps[step] = sums
end

return cmsgpack.pack(steps)
