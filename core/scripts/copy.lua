-- What some keys hold, as it is: for each its name, its type, when it expires (ms since the epoch, -1 for never), and its
-- value. Of a stream, and of what has more than so many members, no value: that is read piece by piece.
local most = cmsgpack.unpack(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local READERS = {
  string = function(key) return redis.call('GET', key) end,
  hash = function(key) return redis.call('HLEN', key) <= most and redis.call('HGETALL', key) end,
  set = function(key) return redis.call('SCARD', key) <= most and redis.call('SMEMBERS', key) end,
  zset = function(key) return redis.call('ZCARD', key) <= most and redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end,
  list = function(key) return redis.call('LLEN', key) <= most and redis.call('LRANGE', key, 0, -1) end,
}

local function expiry(key)
  local at = redis.pcall('PEXPIRETIME', key)
  if type(at) == 'number' then return at end
  local left = redis.call('PTTL', key) -- Redis 6.2
  return left < 0 and -1 or now + left
end

local found = {}
for i = 2, #ARGV do
  local key = ARGV[i]
  local kind = redis.call('TYPE', key).ok
  if kind ~= 'none' then
    local read = READERS[kind]
    found[#found + 1] = key
    found[#found + 1] = kind
    found[#found + 1] = expiry(key)
    found[#found + 1] = read and read(key) or false
  end
end
return found
