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
	// hashWait is how long a login waits for its turn to have slow hashes computed, and hashRetryAfter when to try again after that.
	hashWait       = 5 * time.Second
	hashRetryAfter = 5 * time.Second
)

var errHashersBusy = errors.New("too many passwords are being checked")

// Hashers bounds how many slow password hashes are computed at once, in all and for one namespace: who floods their own logins must not
// take everybody else's turn.
type Hashers struct {
	all chan struct{}
	// each is how many a namespace may have at once.
	each int

	mu sync.Mutex
	// turns holds the namespaces that have or wait for a turn.
	turns map[string]*turns
}

// turns are those of one namespace.
type turns struct {
	taken chan struct{}
	// users is how many hold on to it, so that it goes when nobody does.
	users int
}

// NewHashers returns room for so many hashes at once, of which one namespace has at most all but one.
func NewHashers(most int) *Hashers {
	return &Hashers{all: make(chan struct{}, most), each: max(1, most-1), turns: map[string]*turns{}}
}

// take waits for a turn, which release gives back. It returns temporarily_unavailable if there is none in time.
func (h *Hashers) take(ctx context.Context, namespace string) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, hashWait)
	defer cancel()
	busy := oauth2.ErrTemporarilyUnavailable.WithCause(errHashersBusy).WithRetryAfter(hashRetryAfter)
	own := h.join(namespace)
	// First the namespace's own turn: who waits for that keeps nobody else waiting.
	select {
	case own.taken <- struct{}{}:
	case <-ctx.Done():
		h.leave(namespace, own)
		return nil, busy
	}
	select {
	case h.all <- struct{}{}:
	case <-ctx.Done():
		<-own.taken
		h.leave(namespace, own)
		return nil, busy
	}
	return func() {
		<-h.all
		<-own.taken
		h.leave(namespace, own)
	}, nil
}

func (h *Hashers) join(namespace string) *turns {
	h.mu.Lock()
	defer h.mu.Unlock()
	own, ok := h.turns[namespace]
	if !ok {
		own = &turns{taken: make(chan struct{}, h.each)}
		h.turns[namespace] = own
	}
	own.users++
	return own
}

func (h *Hashers) leave(namespace string, own *turns) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if own.users--; own.users == 0 {
		delete(h.turns, namespace)
	}
}
