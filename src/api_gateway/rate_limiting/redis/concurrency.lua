-- Concurrency: the rule, bound and source are in `concurrency.py`. The state is a sorted set of places, each with
-- the time until which it is leased; `places.py` renews them, and gives them back with ZREM.
local ADDED_AT_ONCE = 1000  -- as many pairs fit onto Lua's stack, with room to spare

function readers.concurrency(key)
  return {held = redis.call('ZCOUNT', key, '(' .. digits(now), '+inf'), taken = {}}
end

function writers.concurrency(key, places)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', digits(now))
  local leases = {}
  for index, place in ipairs(places.taken) do
    leases[#leases + 1] = digits(now + places.lease)
    leases[#leases + 1] = place
    if #leases == 2 * ADDED_AT_ONCE or index == #places.taken then
      redis.call('ZADD', key, unpack(leases))
      leases = {}
    end
  end
  redis.call('PEXPIRE', key, lifetime(places.lease))
end

function algorithms.concurrency(places, _, cost, limit, lease, holder)
  limit, lease = tonumber(limit), tonumber(lease)
  local left = limit - places.held
  if cost > left then
    return false, nil, math.max(0, left), 0, cost <= limit and 0 or NEVER, 0
  end
  local taken = {}
  for number, place in ipairs(places.taken) do
    taken[number] = place
  end
  for number = 1, cost do
    taken[#taken + 1] = holder .. ':' .. number
  end
  return true, {held = places.held + cost, taken = taken, lease = lease}, left - cost, 0, NEVER, 0
end
