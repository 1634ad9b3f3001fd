-- Keep an answer: KEYS are the hash of its key's variants, and the set of each of its tags. ARGV are the variant, the
-- answer, its lifetime in milliseconds, and how many bytes and variants one key may have.
local answers, variant, answer, lifetime = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])

-- Not where there is nothing: once a script has written anything, a server without memory lets it write on.
local kind = redis.call('TYPE', answers).ok
if kind ~= 'hash' and kind ~= 'none' then
  redis.call('UNLINK', answers)  -- not ours
end
local left = redis.call('PTTL', answers)  -- negative if it is new
redis.call('HSET', answers, variant, answer)

-- A key whose variants outgrow their room begins anew: a cache may forget, and there is nothing to sort.
local variants, bytes = redis.call('HKEYS', answers), 0
for _, each in ipairs(variants) do
  bytes = bytes + redis.call('HSTRLEN', answers, each)
end
if bytes > tonumber(ARGV[4]) or #variants > tonumber(ARGV[5]) then
  redis.call('UNLINK', answers)
  redis.call('HSET', answers, variant, answer)
  left = -1
end
if left < lifetime then
  redis.call('PEXPIRE', answers, lifetime)
end

if #KEYS > 1 then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  for index = 2, #KEYS do
    local tag = KEYS[index]
    redis.call('ZREMRANGEBYSCORE', tag, '-inf', now)
    redis.call('ZADD', tag, now + lifetime, variant .. answers)
    if redis.call('PTTL', tag) < lifetime then
      redis.call('PEXPIRE', tag, lifetime)
    end
  end
end
return {1}
