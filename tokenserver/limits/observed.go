// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package limits

import (
	"context"
	"time"
)

// Observed returns a Limiter that does what l does, and tells observe the kind of key whenever l has an attempt refused. Of several
// blocked keys it tells the first one's.
func Observed(l Limiter, observe func(Kind)) Limiter {
	return &observed{Limiter: l, observe: observe}
}

type observed struct {
	Limiter
	observe func(Kind)
}

// Blocked returns how long the longest blocked key stays blocked.
func (o *observed) Blocked(ctx context.Context, keys ...Key) time.Duration {
	return o.tell(ctx, o.Limiter.Blocked(ctx, keys...), keys)
}

// Failed counts a failure against each key, and returns what Blocked returns after it.
func (o *observed) Failed(ctx context.Context, keys ...Key) time.Duration {
	return o.tell(ctx, o.Limiter.Failed(ctx, keys...), keys)
}

// tell observes a refusal.
func (o *observed) tell(ctx context.Context, wait time.Duration, keys []Key) time.Duration {
	if wait <= 0 {
		return wait
	}
	last := len(keys) - 1
	for _, key := range keys[:last] {
		if o.Limiter.Blocked(ctx, key) > 0 {
			o.observe(key.Kind)
			return wait
		}
	}
	o.observe(keys[last].Kind)
	return wait
}
