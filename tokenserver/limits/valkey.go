// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package limits

import (
	"context"
	"encoding/hex"
	"errors"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/valkey-io/valkey-go"
)

const (
	// valkeyTimeout bounds how long an attempt waits for the server, and valkeyPause is how long no attempt does after that.
	valkeyTimeout = 250 * time.Millisecond
	valkeyPause   = time.Second

	keyPrefix = "integration-operator:limits:"
	// secretKey holds the secret that all replicas share, and secretFor is how long a replica relies on what it has read there: a server
	// may lose its memory.
	secretKey = "integration-operator:limits-key"
	secretFor = time.Minute
)

var errPaused = errors.New("the server did not answer a moment ago")

// countScript does to each key what the type count does, and returns how many milliseconds each stays blocked. Its arguments are
// whether to count a failure and the time, and then the rule of each key; all times are in milliseconds. A key expires by itself when
// it is forgotten.
const countScript = `
local fail, now = ARGV[1] == "fail", tonumber(ARGV[2])
local waits = {}
for i, key in ipairs(KEYS) do
  local at = 2 + (i - 1) * 4
  local free, base = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local longest, quiet = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  local kept = redis.call("HMGET", key, "failures", "last", "until")
  local failures, last, blocked = tonumber(kept[1] or "0"), tonumber(kept[2] or "0"), tonumber(kept[3] or "0")
  if now - last >= quiet then
    failures, blocked = 0, 0
  end
  if fail then
    failures = failures + 1
    blocked = now
    if failures > free then
      blocked = now + math.min(longest, base * 2 ^ math.min(failures - free - 1, 40))
    end
    redis.call("HSET", key, "failures", string.format("%.0f", failures), "last", ARGV[2], "until", string.format("%.0f", blocked))
    redis.call("PEXPIRE", key, ARGV[at + 4])
  end
  waits[i] = math.max(0, blocked - now)
end
return waits
`

// Valkey is a Limiter that shares its counts with all replicas through a Valkey or Redis server. While that does not answer, each
// replica counts for itself.
type Valkey struct {
	client   valkey.Client
	fallback Limiter
	now      func() time.Time
	script   *valkey.Lua
	// pausedUntil is the time, in Unix milliseconds, until when the server is not asked.
	pausedUntil atomic.Int64
	// shared is the secret of all replicas; nil until the server has said what it is.
	shared atomic.Pointer[sharedSecret]
}

// A sharedSecret is a secret as the server has it.
type sharedSecret struct {
	secret
	// until is the time, in Unix milliseconds, until when the server is not asked for it again.
	until int64
}

// NewValkey returns a Limiter on a server that client is connected to, which stays the caller's. It goes on with fallback while the
// server does not answer within a quarter of a second. It takes the time from now, so the replicas' clocks should roughly agree.
func NewValkey(client valkey.Client, fallback Limiter, now func() time.Time) *Valkey {
	return &Valkey{client: client, fallback: fallback, now: now, script: valkey.NewLuaScript(countScript)}
}

// Blocked returns how long the longest blocked key stays blocked.
func (v *Valkey) Blocked(ctx context.Context, keys ...Key) time.Duration {
	return v.each(ctx, "look", keys, v.fallback.Blocked)
}

// Failed counts a failure against each key, and returns what Blocked returns after it.
func (v *Valkey) Failed(ctx context.Context, keys ...Key) time.Duration {
	return v.each(ctx, "fail", keys, v.fallback.Failed)
}

// Succeeded forgets the failures of keys.
func (v *Valkey) Succeeded(ctx context.Context, keys ...Key) {
	v.fallback.Succeeded(ctx, keys...)
	_ = v.ask(ctx, func(ctx context.Context) error {
		names, err := v.names(ctx, keys)
		if err != nil {
			return err
		}
		return v.client.Do(ctx, v.client.B().Del().Key(names...).Build()).Error()
	})
}

// each runs the script, or instead of it what the fallback does.
func (v *Valkey) each(
	ctx context.Context, what string, keys []Key, instead func(context.Context, ...Key) time.Duration,
) time.Duration {
	var longest time.Duration
	err := v.ask(ctx, func(ctx context.Context) error {
		names, err := v.names(ctx, keys)
		if err != nil {
			return err
		}
		waits, err := v.script.Exec(ctx, v.client, names, v.arguments(what, keys)).AsIntSlice()
		if err != nil {
			return err
		}
		for _, milliseconds := range waits {
			longest = max(longest, time.Duration(milliseconds)*time.Millisecond)
		}
		return nil
	})
	if err != nil {
		return instead(ctx, keys...)
	}
	return longest
}

// ask asks the server something, unless it did not answer a moment ago.
func (v *Valkey) ask(ctx context.Context, question func(context.Context) error) error {
	now := v.now().UnixMilli()
	if now < v.pausedUntil.Load() {
		return errPaused
	}
	// Whoever hangs up must be counted all the same, so the end of the request is not the end of the question.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), valkeyTimeout)
	defer cancel()
	err := question(ctx)
	if err != nil {
		v.pausedUntil.Store(now + valkeyPause.Milliseconds())
	}
	return err
}

// arguments returns the arguments of the script.
func (v *Valkey) arguments(what string, keys []Key) []string {
	args := make([]string, 0, 2+4*len(keys))
	args = append(args, what, strconv.FormatInt(v.now().UnixMilli(), 10))
	for _, key := range keys {
		r := ruleOf(key.Kind)
		for _, n := range []int64{r.free, r.base.Milliseconds(), r.longest.Milliseconds(), r.quiet.Milliseconds()} {
			args = append(args, strconv.FormatInt(n, 10))
		}
	}
	return args
}

// names returns what the counts of keys are called on the server.
func (v *Valkey) names(ctx context.Context, keys []Key) ([]string, error) {
	s, err := v.secret(ctx)
	if err != nil {
		return nil, err
	}
	named := make([]string, len(keys))
	for i, key := range keys {
		id := s.digestOf(key)
		named[i] = keyPrefix + hex.EncodeToString(id[:])
	}
	return named, nil
}

// secret returns the secret of all replicas. The first of them makes it, and where the server has lost it, the first one that asks puts it
// back.
func (v *Valkey) secret(ctx context.Context) (secret, error) {
	now, known := v.now().UnixMilli(), v.shared.Load()
	var mine secret
	switch {
	case known == nil:
		mine = newSecret()
	case now < known.until:
		return known.secret, nil
	default:
		mine = known.secret
	}
	// Redis before 7 cannot do both in one.
	answers := v.client.DoMulti(ctx,
		v.client.B().Set().Key(secretKey).Value(valkey.BinaryString(mine)).Nx().Build(),
		v.client.B().Get().Key(secretKey).Build())
	if err := answers[0].Error(); err != nil && !valkey.IsValkeyNil(err) {
		return nil, err
	}
	shared, err := answers[1].AsBytes()
	if err != nil {
		return nil, err
	}
	v.shared.Store(&sharedSecret{secret: shared, until: now + secretFor.Milliseconds()})
	return shared, nil
}
