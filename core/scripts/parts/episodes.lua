-- The distinct episodes that an agent's completed jobs made: the newest, and how many there ever were.

local MOST_EPISODES = 100000

-- A job counted for the episode `had`, and now does for `has`; nil is none.
local function settle_episode(job, number, had, has, at)
  local agent = job.agent
  local records, made = root .. '@EPISODE@' .. agent, root .. '@MADE@' .. agent

  local function list(which)
    return root .. '@EPISODES@' .. which .. ':' .. agent
  end

  local function kept(episode)
    local good, record = pcall(cmsgpack.unpack, redis.call('HGET', records, episode) or nil)
    return good and type(record) == 'table' and type(record.since) == 'number' and record or nil
  end

  local function drop(episode)
    for _, which in ipairs({'all', 'published', 'unpublished'}) do redis.call('ZREM', list(which), episode) end
    redis.call('HDEL', records, episode)
  end

  -- It stays where a later job made it as well.
  local function leave(episode)
    local record = kept(episode)
    if not record or record.number ~= tonumber(number) then return end
    drop(episode)
    redis.call('HINCRBY', made, 'episodes', -1)
    if record.published then redis.call('HINCRBY', made, 'published', -1) end
  end

  local function enter(episode, published)
    local record = kept(episode)
    local since = record and record.since or at
    local was = record and record.published or false
    if not record then
      redis.call('ZADD', list('all'), since, episode)
      redis.call('HINCRBY', made, 'episodes', 1)
    end
    if not record or was ~= published then
      redis.call('ZADD', list(published and 'published' or 'unpublished'), since, episode)
      redis.call('ZREM', list(published and 'unpublished' or 'published'), episode)
    end
    if was ~= published then redis.call('HINCRBY', made, 'published', published and 1 or -1) end
    redis.call('HSET', records, episode, cmsgpack.pack({
      number = tonumber(number), job = job.id, video = job.videoId, title = job.title, published = published, since = since,
    }))
    if not record and redis.call('ZCARD', list('all')) > MOST_EPISODES then
      drop(redis.call('ZRANGE', list('all'), 0, 0)[1])
    end
  end

  if had and had ~= has then leave(had) end
  if has then enter(has, job.published or false) end
end
