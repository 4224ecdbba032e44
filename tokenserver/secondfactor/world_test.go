// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package secondfactor_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/grants"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/sealing"
	"github.com/integration-operator/integration-operator/tokenserver/sealing/sealingtest"
	"github.com/integration-operator/integration-operator/tokenserver/secondfactor"
	"github.com/integration-operator/integration-operator/tokenserver/sessions/sessionstest"
)

const (
	rpID   = "shop.example"
	origin = "https://admin.shop.example"
)

// A world is a checker with its store, its keys and its clock, which is years from the system's.
type world struct {
	*secondfactor.Checker
	store *sessionstest.Memory
	keys  *sealing.Set
	now   time.Time
}

// SealingKeys returns the keys.
func (w *world) SealingKeys() *sealing.Set { return w.keys }

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		store: sessionstest.NewMemory(), keys: sealing.NewSet([]*sealing.Key{newKey(t)}),
		now: time.Date(2041, 5, 6, 7, 8, 15, 0, time.UTC),
	}
	w.Checker = &secondfactor.Checker{Spent: w.store, Keys: w, Now: func() time.Time { return w.now }}
	return w
}

// newKey returns an active sealing key.
func newKey(t *testing.T) *sealing.Key {
	t.Helper()
	key, err := sealing.ParseKey(sealingtest.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	key.Active = true
	return key
}

// newClient returns a client whose users may have security keys.
func newClient() *clients.Client {
	return &clients.Client{
		ID: "shop.web", Namespace: "shop", Name: "web", UID: "uid-1", Profile: clients.ProfileMagento,
		RelyingParty: &clients.RelyingParty{ID: rpID, Origins: []string{"https://shop.example", origin}},
	}
}

// check presents a value for a provider.
func (w *world) check(t *testing.T, c *clients.Client, u *clients.User, p oauth2.FactorProvider, value string) error {
	t.Helper()
	return w.Check(t.Context(), c, u, oauth2.SecondFactor{Provider: p, Value: oauth2.Secret(value)})
}

// wantWrong checks that an error is grants.ErrWrongFactor for a reason, and quotes nothing.
func wantWrong(t *testing.T, err error, why string, presented ...string) {
	t.Helper()
	if !errors.Is(err, grants.ErrWrongFactor) || !strings.Contains(err.Error(), why) {
		t.Errorf("got the error %v, want a wrong factor as %q", err, why)
	}
	for _, text := range presented {
		if err != nil && text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("the error %q quotes what was presented", err)
		}
	}
}
