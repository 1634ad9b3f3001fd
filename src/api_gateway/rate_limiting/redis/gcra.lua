-- GCRA: the rule, bound and source are in `gcra.py`. The state is TAT: whole microseconds, and ticks beyond
-- them, of which a microsecond has `scale`; as one number of ticks it would not fit into a double.
function algorithms.gcra(state, now, cost, scale, interval, burst)
  scale, interval, burst = tonumber(scale), tonumber(interval), tonumber(burst)
  local tolerance, ahead = burst * interval, 0
  if state then
    local tat, ticks = string.match(state, '(%d+) (%d+)')
    ahead = math.max(0, (tat - now) * scale + ticks)
  end
  local after = ahead + cost * interval
  if after > tolerance then
    local remaining = math.max(0, math.floor((tolerance - ahead) / interval))
    local retry = cost <= burst and math.ceil((after - tolerance) / scale) or NEVER
    return false, nil, remaining, math.ceil(ahead / scale), retry, 0
  end
  local whole = math.floor(after / scale)
  local tat = digits(now + whole) .. ' ' .. digits(after - whole * scale)
  return true, tat, math.floor((tolerance - after) / interval), math.ceil(after / scale), NEVER, 0
end
