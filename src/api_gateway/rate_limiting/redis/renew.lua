-- Renew: the places that are still held, for another lease. One that the server has lost, because it came back
-- empty, is held again: it is the gateway that knows. KEYS[1]: the set. ARGV: the lease, then the places.
local ends = digits(now + ARGV[1])
for index = 2, #ARGV do
  redis.call('ZADD', KEYS[1], ends, ARGV[index])
end
redis.call('PEXPIRE', KEYS[1], lifetime(tonumber(ARGV[1])))
return #ARGV - 1
