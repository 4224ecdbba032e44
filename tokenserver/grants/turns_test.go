// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package grants

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
)

// A namespace that floods its own logins leaves a turn for the others.
func TestANamespaceCannotTakeEveryTurn(t *testing.T) {
	turns := NewTurns(2)
	release, err := turns.take(t.Context(), "a", "flood", true)
	if err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := turns.take(gone, "b", "flood", true); !errors.Is(err, oauth2.ErrTemporarilyUnavailable) {
		t.Errorf("the flood's second turn: %v, want it to wait until it gives up", err)
	}
	other, err := turns.take(t.Context(), "c", "shop", true)
	if err != nil {
		t.Fatalf("another namespace gets no turn: %v", err)
	}
	if _, err := turns.take(gone, "d", "third", true); !errors.Is(err, oauth2.ErrTemporarilyUnavailable) {
		t.Errorf("a third turn of two: %v", err)
	}
	quick, err := turns.take(t.Context(), "e", "flood", false)
	if err != nil {
		t.Errorf("a password that takes no slow hash waits for none: %v", err)
	}
	for _, done := range []func(){quick, other, release} {
		done()
	}
	if len(turns.users.keys) != 0 || len(turns.namespaces.keys) != 0 || len(turns.hashes) != 0 {
		t.Errorf("turns are left behind: %+v", turns)
	}
	again, err := turns.take(t.Context(), "a", "flood", true)
	if err != nil {
		t.Fatal(err)
	}
	again()
}

func TestOneUserHasOneTurn(t *testing.T) {
	turns := NewTurns(1)
	checking, most := 0, 0
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			release, err := turns.take(t.Context(), "web:alice", "shop", false)
			if err != nil {
				t.Error(err)
				return
			}
			defer release()
			mu.Lock()
			checking++
			most = max(most, checking)
			mu.Unlock()
			mu.Lock()
			checking--
			mu.Unlock()
		})
	}
	all.Wait()
	if most != 1 {
		t.Errorf("%d passwords of one user were checked at once", most)
	}
}
