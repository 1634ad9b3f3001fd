-- One: asks one limit, charges what it admits, and answers with five integers: admitted (1 or 0), remaining, reset,
-- retry, wait. It takes two thirds of the time of `several.lua`, and most requests have one limit.
--
-- KEYS[1]: its state. ARGV: algorithm, cost, and three numbers that the algorithm knows.
local algorithm, cost = ARGV[1], tonumber(ARGV[2])
local before = (readers[algorithm] or read)(KEYS[1])
local admitted, after, remaining, reset, retry, wait =
  algorithms[algorithm](before, now, cost, ARGV[3], ARGV[4], ARGV[5])
if admitted and cost > 0 then
  (writers[algorithm] or write)(KEYS[1], after, reset)
end
return {admitted and 1 or 0, remaining, reset, retry, wait}
