-- Sliding window log: the rule, bound and source are in `sliding_window_log.py`. The state is a list of stamps in
-- microseconds, oldest first: 9 bytes each, where a member of a sorted set takes a hundred.
--
-- Cost: O(log n) looks at the list to find what has expired, none where nothing has. In Lua the state is how many
-- stamps are stored, and how many of `latest` are still to be added.
local PUSHED_AT_ONCE = 1000  -- what fits onto Lua's stack, with room to spare

function readers.sliding_window_log(key)
  return {key = key, stored = redis.call('LLEN', key), added = 0, latest = 0, expired = 0}
end

function writers.sliding_window_log(key, log, reset)
  if log.expired > 0 then
    redis.call('LTRIM', key, digits(log.expired), -1)
  end
  local stamps = {}
  for added = 1, log.added do
    stamps[#stamps + 1] = digits(log.latest)
    if #stamps == PUSHED_AT_ONCE or added == log.added then
      redis.call('RPUSH', key, unpack(stamps))
      stamps = {}
    end
  end
  redis.call('PEXPIRE', key, lifetime(reset))
end

local function stamp(log, index)
  if index >= log.stored then
    return log.latest
  end
  return tonumber(redis.call('LINDEX', log.key, digits(index)))
end

-- How many stamps are `latest` or before.
local function expired_by(log, count, latest)
  if count == 0 or stamp(log, 0) > latest then
    return 0
  end
  local low, high = 1, count  -- the first of those left lies between, both included
  while low < high do
    local middle = math.floor((low + high) / 2)
    if stamp(log, middle) <= latest then
      low = middle + 1
    else
      high = middle
    end
  end
  return low
end

function algorithms.sliding_window_log(log, now, cost, limit, period)
  limit, period = tonumber(limit), tonumber(period)
  local count = log.stored + log.added
  local last = count > 0 and stamp(log, count - 1) or 0
  local latest = math.max(now, last)  -- later than now only if the clock went back
  local expired = expired_by(log, count, latest - period)
  local free = limit - count + expired
  if cost > free then
    local retry = cost <= limit and stamp(log, expired + cost - free - 1) + period - now or NEVER
    return false, nil, math.max(0, free), free < limit and last + period - now or 0, retry, 0
  end
  local remaining = free - cost
  if cost > 0 then
    log = {key = log.key, stored = log.stored, added = log.added + cost, latest = latest, expired = expired}
    last = latest
  end
  return true, log, remaining, remaining < limit and last + period - now or 0, NEVER, 0
end
