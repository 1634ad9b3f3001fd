-- Forget some of the answers with the tag KEYS[1]: of each other key the variant in ARGV; how many there were.
local count = 0
for index, variant in ipairs(ARGV) do
  local answers = KEYS[index + 1]
  local deleted = redis.pcall('HDEL', answers, variant)  -- an error if it is not ours
  if type(deleted) == 'number' then
    count = count + deleted
  end
  redis.call('ZREM', KEYS[1], variant .. answers)
end
return {count}
