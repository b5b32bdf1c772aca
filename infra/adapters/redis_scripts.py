"""The atomic operations in Redis, as Lua scripts. Everything here runs on Redis 7.0 and on Valkey.

A cached value is a hash: `n` is the number of the last change, `v` the value, `m` the `n` at which it was read, `u` the
time until which it is valid in any case. Numbers of changes are the server's microseconds, which only grow: a value
that was read before a change never replaces one that was read after it. A value that changed while it was read is
valid until `u` and no longer. Without `v`, the hash is a marker of a read in progress; a change of a value that is
neither stored nor being read leaves nothing behind.

What another program wrote under our keys is removed or ignored: it must neither switch a limit off nor last.
"""

from __future__ import annotations

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
"""

TAKE = (
    _NOW
    + """
local gap, quota = tonumber(ARGV[1]), tonumber(ARGV[2])
local kept = redis.pcall('GET', KEYS[1])
if type(kept) == 'table' then
  redis.call('DEL', KEYS[1])
  kept = false
end
local full = math.min(math.max(tonumber(kept or 0) or 0, now), now + quota * gap)
local room = now + quota * gap - full
if room < gap then
  return {0, 0, math.ceil(gap - room), math.ceil(full - now)}
end
full = full + gap
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000) + 1)
return {1, math.floor((room - gap) / gap + 0.000001), 0, math.ceil(full - now)}
"""
)
"""The generic cell rate algorithm: the key holds the moment at which the whole quota is available again."""

LOOK = (
    _NOW
    + """
local marker_ms = tonumber(ARGV[1])
local found = {}
for i, key in ipairs(KEYS) do
  local entry = redis.pcall('HMGET', key, 'n', 'v', 'm', 'u')
  if entry.err or (entry[1] and not tonumber(entry[1])) then
    redis.call('DEL', key)
    entry = {}
  end
  if not entry[1] then
    local number = string.format('%.0f', now)
    redis.call('HSET', key, 'n', number)
    redis.call('PEXPIRE', key, marker_ms)
    found[i] = {false, number}
  elseif entry[2] and (entry[1] == entry[3] or now < (tonumber(entry[4]) or 0)) then
    found[i] = {entry[2], entry[1]}
  else
    if redis.call('PTTL', key) < marker_ms then redis.call('PEXPIRE', key, marker_ms) end
    found[i] = {false, entry[1]}
  end
end
return found
"""
)

KEEP = (
    _NOW
    + """
local until_at = string.format('%.0f', now + ARGV[2])
local kept = 0
for i, key in ipairs(KEYS) do
  local number = ARGV[1 + 2 * i]
  local entry = redis.pcall('HMGET', key, 'n', 'm')
  if entry.err then entry = {} end
  if entry[1] and tonumber(number) >= (tonumber(entry[2] or 0) or 0) then
    redis.call('HSET', key, 'v', ARGV[2 + 2 * i], 'm', number, 'u', until_at)
    redis.call('PEXPIRE', key, ARGV[1])
    kept = kept + 1
  end
end
return kept
"""
)

INVALIDATE = (
    _NOW
    + """
for _, key in ipairs(KEYS) do
  local last = redis.pcall('HGET', key, 'n')
  if type(last) == 'table' then
    redis.call('DEL', key)
  elseif last then
    redis.call('HSET', key, 'n', string.format('%.0f', math.max(now, (tonumber(last) or 0) + 1)))
    if redis.call('PTTL', key) < tonumber(ARGV[1]) then redis.call('PEXPIRE', key, ARGV[1]) end
  end
end
return 0
"""
)
