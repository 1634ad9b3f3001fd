-- Leaky bucket as a meter: the rule, bound and source are in `leaky_bucket.py`. The state is the level, in ticks,
-- of which a microsecond has `scale` and a request fills `drop`; and when it was measured, in microseconds.
function algorithms.leaky_bucket(state, now, cost, scale, drop, burst)
  scale, drop, burst = tonumber(scale), tonumber(drop), tonumber(burst)
  local depth, level = burst * drop, 0
  if state then
    local filled, measured = string.match(state, '(%d+) (%d+)')
    -- A clock that goes back pours back what leaked out, so nothing leaks out twice.
    level = math.max(0, filled - (now - measured) * scale)
  end
  local after = level + cost * drop
  if after > depth then
    local retry = cost <= burst and math.ceil((after - depth) / scale) or NEVER
    return false, nil, math.max(0, math.floor((depth - level) / drop)), math.ceil(level / scale), retry, 0
  end
  local bucket = digits(after) .. ' ' .. digits(now)
  return true, bucket, math.floor((depth - after) / drop), math.ceil(after / scale), NEVER, 0
end
