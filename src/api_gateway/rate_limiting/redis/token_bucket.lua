-- Token bucket: the rule, bound and source are in `token_bucket.py`. The state is the tokens, in ticks, of which
-- a microsecond has `scale` and a token is worth `interval`; and when they were counted, in microseconds.
function algorithms.token_bucket(state, now, cost, scale, interval, burst)
  scale, interval, burst = tonumber(scale), tonumber(interval), tonumber(burst)
  local full = burst * interval
  local tokens = full
  if state then
    local held, counted = string.match(state, '(%d+) (%d+)')
    -- A clock that goes back takes back what it let drip in, so it can never give it twice.
    tokens = math.min(full, held + (now - counted) * scale)
  end
  local after = tokens - cost * interval
  if after < 0 then
    local retry = cost <= burst and math.ceil(-after / scale) or NEVER
    return false, nil, math.max(0, math.floor(tokens / interval)), math.ceil((full - tokens) / scale), retry, 0
  end
  local bucket = digits(after) .. ' ' .. digits(now)
  return true, bucket, math.floor(after / interval), math.ceil((full - after) / scale), NEVER, 0
end
