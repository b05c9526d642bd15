-- What some keys hold, as it is: how many of them were read, which are fewer where much was found, and for each its name, its
-- type, when it expires (ms since the epoch, -1 for never), and its value. Of a stream, and of what has more than so many
-- members, no value: that is read piece by piece.
local ask = cmsgpack.unpack(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local READERS = {
  string = function(key) return redis.call('GET', key) end,
  hash = function(key) return redis.call('HLEN', key) <= ask.members and redis.call('HGETALL', key) end,
  set = function(key) return redis.call('SCARD', key) <= ask.members and redis.call('SMEMBERS', key) end,
  zset = function(key)
    return redis.call('ZCARD', key) <= ask.members and redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  end,
  list = function(key) return redis.call('LLEN', key) <= ask.members and redis.call('LRANGE', key, 0, -1) end,
}

local function expiry(key)
  local at = redis.pcall('PEXPIRETIME', key)
  if type(at) == 'number' then return at end
  local left = redis.call('PTTL', key) -- Redis 6.2
  return left < 0 and -1 or now + left
end

local function size(value)
  if type(value) == 'string' then return #value end
  local sum = 0
  for _, part in ipairs(value or {}) do sum = sum + #part end
  return sum
end

local found, bytes, done = { 0 }, 0, 0
while done < #ARGV - 1 and bytes < ask.bytes do
  done = done + 1
  local key = ARGV[done + 1]
  local kind = redis.call('TYPE', key).ok
  if kind ~= 'none' then
    local value = READERS[kind] and READERS[kind](key)
    bytes = bytes + size(value)
    found[#found + 1] = key
    found[#found + 1] = kind
    found[#found + 1] = expiry(key)
    found[#found + 1] = value or false
  end
end
found[1] = done
return found
