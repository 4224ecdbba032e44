// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package limits

import (
	"context"
	"sync"
	"time"

	// The standard library has no LRU list; this one is small, plain and widely used.
	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// maxKeys is how many keys of a kind Memory keeps that are within their free failures, and how many that are beyond: in all about two
// hundred thousand keys and thirty megabytes.
const maxKeys = 16_000

// Memory is a Limiter that keeps its counts in memory: each replica counts for itself.
type Memory struct {
	now    func() time.Time
	secret secret
	mu     sync.Mutex
	kinds  map[Kind]*kept
}

// kept are the counts of one kind.
type kept struct {
	rule rule
	// free has the keys within their free failures, and beyond the others. A key is in one of them.
	free, beyond *simplelru.LRU[digest, count]
}

// NewMemory returns a Limiter without counts. It takes the time from now.
func NewMemory(now func() time.Time) *Memory {
	return newMemory(now, maxKeys)
}

// newMemory returns a Limiter that keeps most keys of each sort.
func newMemory(now func() time.Time, most int) *Memory {
	m := &Memory{now: now, secret: newSecret(), kinds: map[Kind]*kept{}}
	for _, kind := range []Kind{ByClient, ByUser, ByUnknownUser, ByLockout, ByUnknownLockout, ByAddress} {
		// The only error is that of a size below one.
		free, _ := simplelru.NewLRU[digest, count](most, nil)
		beyond, _ := simplelru.NewLRU[digest, count](most, nil)
		m.kinds[kind] = &kept{rule: ruleOf(kind), free: free, beyond: beyond}
	}
	return m
}

// Blocked returns how long the longest blocked key stays blocked.
func (m *Memory) Blocked(_ context.Context, keys ...Key) time.Duration {
	return m.each(keys, func(k *kept, id digest, now time.Time) time.Duration { return k.find(id, now).wait(now) })
}

// Failed counts a failure against each key, and returns what Blocked returns after it.
func (m *Memory) Failed(_ context.Context, keys ...Key) time.Duration {
	return m.each(keys, func(k *kept, id digest, now time.Time) time.Duration {
		c := k.find(id, now).fail(k.rule, now)
		k.put(id, c)
		return c.wait(now)
	})
}

// Succeeded forgets the failures of keys.
func (m *Memory) Succeeded(_ context.Context, keys ...Key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range keys {
		if k, ok := m.kinds[key.Kind]; ok {
			k.remove(m.secret.digestOf(key))
		}
	}
}

// each does something for each key of a known kind, and returns the longest wait.
func (m *Memory) each(keys []Key, do func(*kept, digest, time.Time) time.Duration) time.Duration {
	now := m.now()
	var longest time.Duration
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range keys {
		if k, ok := m.kinds[key.Kind]; ok {
			longest = max(longest, do(k, m.secret.digestOf(key), now))
		}
	}
	return longest
}

// find returns the count of a key, zero if there is none or it is forgotten.
func (k *kept) find(id digest, now time.Time) count {
	c, ok := k.beyond.Peek(id)
	if !ok {
		c, ok = k.free.Peek(id)
	}
	if ok && c.forgotten(k.rule, now) {
		k.remove(id)
		return count{}
	}
	return c
}

// put keeps the count of a key where it belongs.
func (k *kept) put(id digest, c count) {
	if c.failures <= k.rule.free {
		k.free.Add(id, c)
		return
	}
	k.free.Remove(id)
	k.beyond.Add(id, c)
}

// remove forgets a key.
func (k *kept) remove(id digest) {
	k.free.Remove(id)
	k.beyond.Remove(id)
}
