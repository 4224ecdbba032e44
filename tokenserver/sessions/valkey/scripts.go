// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package valkey

import "github.com/valkey-io/valkey-go"

// What the scripts answer.
const (
	answerDone = iota
	answerNotFound
	answerConflict
	answerUsed
	answerFull
	answerNoRoom
)

// Scripts get the names of keys that they touch, except for those of the members of a sorted set, which are in it without the prefix that
// ARGV holds. Times are Unix milliseconds. A sorted set goes when the last of its members expires.

// createScript adds a session (KEYS[1]) to its owner's (KEYS[2]) and, if ARGV[6] is 1, to those of visitors (KEYS[3]). ARGV: version and
// document, when it expires, member, most, prefix, whether it is a visitor's. A member that is there already is of the same call, which has
// made room for it.
var createScript = valkey.NewLuaScriptRetryable(`
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
local visitors = ARGV[6] == '1'
if not redis.call('ZSCORE', KEYS[2], ARGV[3]) then
  local most = tonumber(ARGV[4])
  local all = redis.call('ZCARD', KEYS[2])
  if visitors and all - redis.call('ZCARD', KEYS[3]) >= most then return 5 end
  local over = all + 1 - most
  local function make_room(of)
    if over <= 0 then return end
    for _, member in ipairs(redis.call('ZRANGE', of, 0, over - 1)) do
      redis.call('DEL', ARGV[5] .. member)
      redis.call('ZREM', KEYS[3], member)
      over = over - redis.call('ZREM', KEYS[2], member)
    end
  end
  make_room(KEYS[3])
  if not visitors then make_room(KEYS[2]) end
end
redis.call('SET', KEYS[1], ARGV[1], 'PXAT', ARGV[2])
for i = 2, visitors and 3 or 2 do
  redis.call('ZADD', KEYS[i], ARGV[2], ARGV[3])
  redis.call('PEXPIREAT', KEYS[i], redis.call('ZREVRANGE', KEYS[i], 0, 0, 'WITHSCORES')[2])
end
return 0`)

// replaceScript writes a session (KEYS[1]) of an owner (KEYS[2]), and of its visitors (KEYS[3]) if ARGV[5] is 1, that is still at a version.
// ARGV: that version, the new version and document, when it expires, member, whether it is a visitor's.
var replaceScript = valkey.NewLuaScriptRetryable(`
local now = redis.call('GET', KEYS[1])
if not now then return 1 end
local length = string.len(ARGV[1])
local version = string.sub(now, 1, length)
if version == string.sub(ARGV[2], 1, length) then return 0 end
if version ~= ARGV[1] then return 2 end
redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
for i = 2, ARGV[5] == '1' and 3 or 2 do
  redis.call('ZADD', KEYS[i], ARGV[3], ARGV[4])
  redis.call('PEXPIREAT', KEYS[i], redis.call('ZREVRANGE', KEYS[i], 0, 0, 'WITHSCORES')[2])
end
return 0`)

// endScript removes a session (KEYS[1]) of an owner (KEYS[2]), and of its visitors (KEYS[3]), which counts how many it removed. ARGV: member
// and, where the session has to be at it still, a version.
var endScript = valkey.NewLuaScriptRetryable(`
if ARGV[2] ~= '' then
  local now = redis.call('GET', KEYS[1])
  if not now or string.sub(now, 1, string.len(ARGV[2])) ~= ARGV[2] then return 0 end
end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
return redis.call('DEL', KEYS[1])`)

// endAllScript removes some sessions of an owner (KEYS[1]), and of its visitors (KEYS[2]), and counts how many it removed. ARGV: prefix, members.
var endAllScript = valkey.NewLuaScriptRetryable(`
local removed = 0
for i = 2, #ARGV do
  redis.call('ZREM', KEYS[1], ARGV[i])
  redis.call('ZREM', KEYS[2], ARGV[i])
  removed = removed + redis.call('DEL', ARGV[1] .. ARGV[i])
end
return removed`)

// spendScript records a token ID (KEYS[1]) among those of an owner and kind (KEYS[2]). ARGV: a value that no other call has, when it expires, member, most.
var spendScript = valkey.NewLuaScriptRetryable(`
local by = redis.call('GET', KEYS[1])
if by == ARGV[1] then return 0 end
if by then return 3 end
local t = redis.call('TIME')
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', t[1] * 1000 + math.floor(t[2] / 1000))
if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[4]) then return 4 end
redis.call('SET', KEYS[1], ARGV[1], 'PXAT', ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[3])
redis.call('PEXPIREAT', KEYS[2], redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2])
return 0`)

// forgetScript removes the members of a sorted set (KEYS[1]) that expire by a time, some at a time, with their keys, and returns how
// many keys it removed and how many members it saw. ARGV: the time, prefix, how many.
var forgetScript = valkey.NewLuaScriptRetryable(`
local removed = 0
local members = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
for _, member in ipairs(members) do
  removed = removed + redis.call('DEL', ARGV[2] .. member)
  redis.call('ZREM', KEYS[1], member)
end
return {removed, #members}`)
