// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package grants

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
)

const (
	// turnWait is how long a login waits for its turn to have a password checked, and turnRetryAfter when to try again after that.
	turnWait       = 5 * time.Second
	turnRetryAfter = 5 * time.Second
)

var errNoTurn = errors.New("too many passwords are being checked")

// Turns bounds how many passwords are checked at once: of one user one, so that of many guesses at once no more are looked at than one
// after the other; and where that takes a slow hash, as many as there are CPUs in all, and fewer for one namespace: who floods their own
// logins must not take everybody else's turn.
type Turns struct {
	users      lanes
	namespaces lanes
	hashes     chan struct{}
}

// NewTurns returns turns for so many slow hashes at once, of which one namespace has at most all but one.
func NewTurns(hashes int) *Turns {
	return &Turns{users: newLanes(1), namespaces: newLanes(max(1, hashes-1)), hashes: make(chan struct{}, hashes)}
}

// take waits for a turn of a user, and if the password is a slow one of the namespace. Release gives it back. It returns
// temporarily_unavailable if there is none in time.
func (t *Turns) take(ctx context.Context, user, namespace string, slow bool) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, turnWait)
	defer cancel()
	releaseUser, ok := t.users.take(ctx, user)
	if !ok {
		return nil, noTurn()
	}
	if !slow {
		return releaseUser, nil
	}
	// The namespace's own turn comes first: who waits for that keeps nobody else waiting.
	releaseNamespace, ok := t.namespaces.take(ctx, namespace)
	if !ok {
		releaseUser()
		return nil, noTurn()
	}
	select {
	case t.hashes <- struct{}{}:
	case <-ctx.Done():
		releaseNamespace()
		releaseUser()
		return nil, noTurn()
	}
	return func() {
		<-t.hashes
		releaseNamespace()
		releaseUser()
	}, nil
}

func noTurn() error {
	return oauth2.ErrTemporarilyUnavailable.WithCause(errNoTurn).WithRetryAfter(turnRetryAfter)
}

// lanes let so many through at once for each key. A key that nobody has or waits for takes no memory.
type lanes struct {
	each int
	mu   *sync.Mutex
	keys map[string]*lane
}

// A lane is that of one key; users is how many have a turn in it or wait for one.
type lane struct {
	taken chan struct{}
	users int
}

func newLanes(each int) lanes {
	return lanes{each: each, mu: &sync.Mutex{}, keys: map[string]*lane{}}
}

// take waits for a turn; false if ctx ends before.
func (l lanes) take(ctx context.Context, key string) (release func(), ok bool) {
	own := l.join(key)
	select {
	case own.taken <- struct{}{}:
		return func() {
			<-own.taken
			l.leave(key, own)
		}, true
	case <-ctx.Done():
		l.leave(key, own)
		return nil, false
	}
}

func (l lanes) join(key string) *lane {
	l.mu.Lock()
	defer l.mu.Unlock()
	own, ok := l.keys[key]
	if !ok {
		own = &lane{taken: make(chan struct{}, l.each)}
		l.keys[key] = own
	}
	own.users++
	return own
}

func (l lanes) leave(key string, own *lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if own.users--; own.users == 0 {
		delete(l.keys, key)
	}
}
