-- Clock: the server's own, so that gateways whose clocks differ agree. Whole microseconds, rounded down.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- How long a key must live, in milliseconds, to be there for `microseconds` from now. Rounded up, and one more,
-- because the server counts from the millisecond that has begun. So never 0, which would delete the key.
local function lifetime(microseconds)
  return math.ceil(microseconds / 1000) + 1
end
