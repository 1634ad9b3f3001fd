-- Forget all variants of the keys KEYS; how many there were.
local count = 0
for _, answers in ipairs(KEYS) do
  local variants = redis.pcall('HLEN', answers)  -- an error if it is not ours
  if type(variants) == 'number' then
    count = count + variants
    redis.call('UNLINK', answers)
  end
end
return {count}
