-- Sliding window counter: the rule, bound and source are in `sliding_window_counter.py`. The state is the current
-- window's end, its count, and the count of the one before.

-- The whole part of a * b / c, exactly, also where a * b does not fit into a double: sixteen at a time, as a
-- division on paper. b and c are less than 2^47.
local function share(a, b, c)
  if a * b < 2 ^ 53 then
    return (a * b - math.fmod(a * b, c)) / c
  end
  local digit = 1
  while digit * 16 <= a do
    digit = digit * 16
  end
  local quotient, rest = 0, 0
  while digit >= 1 do
    local times = math.floor(a / digit)
    a = a - times * digit
    rest = rest * 16 + times * b
    quotient = quotient * 16 + (rest - math.fmod(rest, c)) / c
    rest = math.fmod(rest, c)
    digit = digit / 16
  end
  return quotient
end

-- How long before the end of a window `count` of the one before weighs `part`, which is no more.
local function weighing(part, count, period)
  return count > 0 and share(part, period, count) or period
end

local function at(state, now, period)
  local ends, current, previous
  if state then
    ends, current, previous = string.match(state, '(%d+) (%d+) (%d+)')
    ends, current, previous = tonumber(ends), tonumber(current), tonumber(previous)
    if now < ends then  -- by more than a period only if the clock went back
      return ends, current, previous
    elseif now < ends + period then
      return ends + period, 0, current
    end
  end
  return now - now % period + period, 0, 0
end

function algorithms.sliding_window_counter(state, now, cost, limit, period)
  limit, period = tonumber(limit), tonumber(period)
  local ends, current, previous = at(state, now, period)
  local weighted = previous - share(previous, period - math.min(ends - now, period), period)  -- rounded up
  local free = limit - current - weighted
  if cost > free then
    local reset = current > 0 and ends + period - now or previous > 0 and ends - now or 0
    local retry = NEVER
    if cost <= limit then
      local room = limit - cost - current
      if room > 0 then  -- in this window, where the share of the previous one falls to what is free
        retry = ends - weighing(room, previous, period) - now
      else  -- in the next one, where the current one is the previous
        retry = ends + period - weighing(room + current, current, period) - now
      end
    end
    return false, nil, math.max(0, free), reset, retry, 0
  end
  current = current + cost
  local reset = current > 0 and ends + period - now or previous > 0 and ends - now or 0
  return true, digits(ends) .. ' ' .. digits(current) .. ' ' .. digits(previous), free - cost, reset, NEVER, 0
end
