-- The distinct videos that an agent saw: the newest, and how many there ever were.

local MOST_VIDEOS = 100000

local function see_video(agent, video, at)
  local key = root .. '@VIDEOS@' .. agent
  if redis.call('ZADD', key, 'NX', at, video) == 0 then return end
  redis.call('HINCRBY', root .. '@MADE@' .. agent, 'videos', 1)
  redis.call('ZREMRANGEBYRANK', key, 0, -MOST_VIDEOS - 1)
end
