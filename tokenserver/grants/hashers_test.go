// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package grants

import (
	"context"
	"errors"
	"testing"

	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
)

// A namespace that floods its own logins leaves a turn for the others.
func TestANamespaceCannotTakeEveryTurn(t *testing.T) {
	h := NewHashers(2)
	release, err := h.take(t.Context(), "flood")
	if err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.take(cancelled, "flood"); !errors.Is(err, oauth2.ErrTemporarilyUnavailable) {
		t.Errorf("the flood's second turn: %v, want it to wait until it gives up", err)
	}
	other, err := h.take(t.Context(), "shop")
	if err != nil {
		t.Fatalf("another namespace gets no turn: %v", err)
	}
	if _, err := h.take(cancelled, "third"); !errors.Is(err, oauth2.ErrTemporarilyUnavailable) {
		t.Errorf("a third turn of two: %v", err)
	}
	other()
	release()
	if len(h.turns) != 0 || len(h.all) != 0 {
		t.Errorf("%d namespaces and %d turns are left behind", len(h.turns), len(h.all))
	}
	again, err := h.take(t.Context(), "flood")
	if err != nil {
		t.Fatal(err)
	}
	again()
}

func TestOneCPUHasATurnForEverybody(t *testing.T) {
	h := NewHashers(1)
	for range 3 {
		release, err := h.take(t.Context(), "shop")
		if err != nil {
			t.Fatal(err)
		}
		release()
	}
}
