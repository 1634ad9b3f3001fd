-- Leaky bucket as a queue: the rule, bound and source are in `leaky_bucket_queue.py`. The state is when the last
-- turn given away is over: whole microseconds, and ticks beyond them. `most` are those that wait, and the one
-- whose turn it is.
function algorithms.leaky_bucket_queue(state, now, cost, scale, interval, most)
  scale, interval, most = tonumber(scale), tonumber(interval), tonumber(most)
  local ahead = 0
  if state then
    local turn, ticks = string.match(state, '(%d+) (%d+)')
    ahead = math.max(0, (turn - now) * scale + ticks)
  end
  local after = ahead + cost * interval
  if after > most * interval then
    local remaining = math.max(0, most - math.ceil(ahead / interval))
    local retry = cost <= most and math.ceil((after - most * interval) / scale) or NEVER
    return false, nil, remaining, math.ceil(ahead / scale), retry, 0
  end
  local whole = math.floor(after / scale)
  local turn = digits(now + whole) .. ' ' .. digits(after - whole * scale)
  local wait = cost > 0 and math.ceil((after - interval) / scale) or 0
  return true, turn, most - math.ceil(after / interval), math.ceil(after / scale), NEVER, wait
end
