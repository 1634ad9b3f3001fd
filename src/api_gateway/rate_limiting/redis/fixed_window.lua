-- Fixed window: the rule, bound and source are in `fixed_window.py`. The state is the window's end and its count.
-- Windows are aligned to multiples of the period since 1970, on the server's clock.
function algorithms.fixed_window(state, now, cost, limit, period)
  limit, period = tonumber(limit), tonumber(period)
  local ends, count = now - now % period + period, 0
  if state then
    local window, counted = string.match(state, '(%d+) (%d+)')
    if tonumber(window) >= ends then  -- greater only if the clock went back
      ends, count = tonumber(window), tonumber(counted)
    end
  end
  local left = limit - count
  if cost > left then
    return false, nil, math.max(0, left), count > 0 and ends - now or 0, cost <= limit and ends - now or NEVER, 0
  end
  count = count + cost
  return true, digits(ends) .. ' ' .. digits(count), limit - count, count > 0 and ends - now or 0, NEVER, 0
end
