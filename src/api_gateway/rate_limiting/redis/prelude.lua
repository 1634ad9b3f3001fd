-- Prelude: what all algorithms stand on. `clock.lua` comes before it, one file for each algorithm after it,
-- and `one.lua` or `several.lua` last; `scripts.py` puts them together.
--
-- An algorithm is a pure function, as in Python: algorithms.NAME(state, now, cost, a, b, c) gives
--     admitted, state after, remaining, reset, retry, wait
-- in whole microseconds, rounded up. Its state is a string in one key unless it brings a reader and a writer.
-- Numbers are doubles: exact up to 2^53, which `numbers.py` sees to.

local NEVER = -1  -- as retry: there is none

local algorithms, readers, writers = {}, {}, {}

local function read(key)
  return redis.call('GET', key)  -- false where there is none
end

local function write(key, state, reset)
  redis.call('SET', key, state, 'PX', lifetime(reset))
end

local function digits(number)
  return string.format('%.0f', number)  -- tostring keeps 14 digits, and the time has 16
end
