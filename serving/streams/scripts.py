"""What must happen at once in Redis, or not at all; each is safe to try again."""

from __future__ import annotations

# Add records unless the stream is full. KEYS: registry, then the inputs. ARGV: member, most, then for each record its
# partition, id, key, row. Returns the entries' ids, or how many wait, negated and less one, when there is no room.
ADD = """
local waiting = 0
for i = 2, #KEYS do waiting = waiting + redis.call('XLEN', KEYS[i]) end
local count = (#ARGV - 2) / 4
if waiting + count > tonumber(ARGV[2]) then return {-1 - waiting} end
redis.call('SADD', KEYS[1], ARGV[1])
local made = {}
for i = 3, #ARGV, 4 do
  local fields = {'row', ARGV[i + 3]}
  if ARGV[i + 1] ~= '' then table.insert(fields, 'id') table.insert(fields, ARGV[i + 1]) end
  if ARGV[i + 2] ~= '' then table.insert(fields, 'key') table.insert(fields, ARGV[i + 2]) end
  table.insert(made, redis.call('XADD', KEYS[2 + tonumber(ARGV[i])], '*', unpack(fields)))
end
return made
"""

# Take new records of those partitions whose leases are still ours: who has slept through its lease takes nothing.
# KEYS: inputs, then their leases. ARGV: group, consumer, token, how many of each. Returns a list for each input.
TAKE = """
local half, found = #KEYS / 2, {}
for i = 1, half do
  found[i] = {}
  if redis.call('GET', KEYS[half + i]) == ARGV[3] and redis.call('XLEN', KEYS[i]) > 0 then
    local some = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', ARGV[4], 'STREAMS', KEYS[i], '>')
    if some then found[i] = some[1][2] end
  end
end
return found
"""

# Put the outcome of entries where it belongs, each once: who finds that somebody else was first leaves it alone.
# KEYS: input, output, dead, ids, counts, tries, pace. ARGV: group, now, since when ids are remembered, how many of
# them, of results and of letters are kept, then for each entry its id, the record's id, whether a producer gave it,
# `out` or `dead`, and the result.
SETTLE = """
local settled = 0
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', ARGV[3])
redis.call('ZREMRANGEBYRANK', KEYS[4], 0, -1 - tonumber(ARGV[4]))
for i = 7, #ARGV, 5 do
  if redis.call('XACK', KEYS[1], ARGV[1], ARGV[i]) == 1 then
    redis.call('XDEL', KEYS[1], ARGV[i])
    redis.call('HDEL', KEYS[6], ARGV[i])
    if ARGV[i + 2] == '1' and redis.call('ZADD', KEYS[4], 'NX', ARGV[2], ARGV[i + 1]) == 0 then
      redis.call('HINCRBY', KEYS[5], 'doubled', 1)
    elseif ARGV[i + 3] == 'out' then
      redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], '*', 'id', ARGV[i + 1], 'result', ARGV[i + 4])
      redis.call('HINCRBY', KEYS[5], 'answered', 1)
      settled = settled + 1
    else
      redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[6], '*', 'id', ARGV[i + 1], 'letter', ARGV[i + 4])
      redis.call('HINCRBY', KEYS[5], 'dead', 1)
      settled = settled + 1
    end
  end
end
redis.call('INCRBY', KEYS[7], settled)
redis.call('EXPIRE', KEYS[7], 120)
return settled
"""

# Send a dead letter in again. KEYS: dead, ids, input. ARGV: entry, the record's id, key, row. Returns 0 for one that is
# gone.
REPLAY = """
if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('ZREM', KEYS[2], ARGV[2])
local fields = {'row', ARGV[4], 'id', ARGV[2]}
if ARGV[3] ~= '' then table.insert(fields, 'key') table.insert(fields, ARGV[3]) end
redis.call('XADD', KEYS[3], '*', unpack(fields))
return 1
"""

# Hold a lease for as long as it is ours. ARGV: token, milliseconds.
RENEW = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
"""
RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
