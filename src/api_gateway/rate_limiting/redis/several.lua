-- Several: asks each limit in turn, charges all or none, and answers for each as `one.lua` does.
--
-- KEYS: one for each ask, all in one hash slot. ARGV: for each ask the five of `one.lua`.
-- The same key may come twice: the second ask sees what the first would charge.
local FIELDS = 5

local function decide(index, state, cost)
  local at = (index - 1) * FIELDS
  return algorithms[ARGV[at + 1]](state, now, cost, ARGV[at + 3], ARGV[at + 4], ARGV[at + 5])
end

local function algorithm(index)
  return ARGV[(index - 1) * FIELDS + 1]
end

local function cost(index)
  return tonumber(ARGV[(index - 1) * FIELDS + 2])
end

local before, after, changes = {}, {}, {}
local found, answers, all_admitted = {}, {}, true

for index, key in ipairs(KEYS) do
  if before[key] == nil then
    before[key] = (readers[algorithm(index)] or read)(key)
    after[key] = before[key]
  end
  local admitted, state, remaining, reset, retry, wait = decide(index, after[key], cost(index))
  found[index] = admitted
  if not admitted then
    all_admitted = false
  elseif cost(index) > 0 then
    after[key] = state
    changes[key] = {algorithm(index), state, reset}
  end
  local at = (index - 1) * FIELDS
  answers[at + 1], answers[at + 2], answers[at + 3] = admitted and 1 or 0, remaining, reset
  answers[at + 4], answers[at + 5] = retry, wait
end

if all_admitted then
  for key, change in pairs(changes) do
    (writers[change[1]] or write)(key, change[2], change[3])
  end
  return answers
end

-- Nothing is charged, so a limit that would have admitted says what there is without this request.
for index, key in ipairs(KEYS) do
  if found[index] then
    local at = (index - 1) * FIELDS
    local _, _, remaining, reset = decide(index, before[key], 0)
    answers[at + 2], answers[at + 3], answers[at + 5] = remaining, reset, 0
  end
end
return answers
