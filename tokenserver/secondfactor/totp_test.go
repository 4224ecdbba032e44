// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package secondfactor_test

import (
	"context"
	"encoding/base32"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/grants"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

const (
	annasSeed = "JBSWY3DPEHPK3PXP"
	bobsSeed  = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
)

// withCodes returns a user with one-time codes.
func withCodes(name, kind, seed string) *clients.User {
	return &clients.User{Name: name, Kind: kind, TOTP: clients.Conceal(seed)}
}

// codeAt returns the code of a seed at a time.
func codeAt(t *testing.T, seed string, at time.Time) string {
	t.Helper()
	code, err := totp.GenerateCode(seed, at)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func TestCodesCountNearTheirStep(t *testing.T) {
	tests := []struct {
		name   string
		offset time.Duration
		want   bool
	}{
		{"the current code", 0, true},
		{"the code of the step before", -30 * time.Second, true},
		{"the code of the step after", 30 * time.Second, true},
		{"the code of two steps before", -60 * time.Second, false},
		{"the code of two steps after", 60 * time.Second, false},
		{"a code of an hour ago", -time.Hour, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			code := codeAt(t, annasSeed, w.now.Add(tt.offset))
			err := w.check(t, newClient(), withCodes("anna", clients.KindAdmin, annasSeed), oauth2.FactorTOTP, code)
			if tt.want && err != nil {
				t.Errorf("refused: %v", err)
			}
			if !tt.want {
				wantWrong(t, err, "not the code of any step", code)
			}
		})
	}
}

// TestCodesAreThoseOfRFC6238 has a value of RFC 6238 appendix B, of which the last six digits are the code.
func TestCodesAreThoseOfRFC6238(t *testing.T) {
	w := newWorld(t)
	w.now = time.Unix(1234567890, 0)
	seed := base32.StdEncoding.EncodeToString([]byte("12345678901234567890"))
	user := withCodes("anna", clients.KindAdmin, strings.TrimRight(seed, "="))
	if err := w.check(t, newClient(), user, oauth2.FactorTOTP, "005924"); err != nil {
		t.Errorf("the code of 89005924 is refused: %v", err)
	}
}

func TestWhatIsNoCodeIsRefused(t *testing.T) {
	w := newWorld(t)
	anna := withCodes("anna", clients.KindAdmin, annasSeed)
	code := codeAt(t, annasSeed, w.now)
	tests := []struct {
		name     string
		user     *clients.User
		provider oauth2.FactorProvider
		value    string
		wantWhy  string
	}{
		{"nothing", anna, oauth2.FactorTOTP, "", "not a code of 6 digits"},
		{"a digit too few", anna, oauth2.FactorTOTP, code[1:], "not a code of 6 digits"},
		{"a digit too many", anna, oauth2.FactorTOTP, code + "0", "not a code of 6 digits"},
		{"a space before", anna, oauth2.FactorTOTP, " " + code, "not a code of 6 digits"},
		{"letters", anna, oauth2.FactorTOTP, "abcdef", "not a code of 6 digits"},
		{"digits of another script", anna, oauth2.FactorTOTP, "١٢٣", "not a code of 6 digits"},
		{"a value without end", anna, oauth2.FactorTOTP, strings.Repeat("7", 1<<20), "not a code of 6 digits"},
		{"a user who has no codes", &clients.User{Name: "anna"}, oauth2.FactorTOTP, code, "no one-time codes"},
		{"a seed that is none", withCodes("anna", clients.KindAdmin, "not-base32!"), oauth2.FactorTOTP, code, "the seed"},
		{"the code of another user", anna, oauth2.FactorTOTP, codeAt(t, bobsSeed, w.now), "not the code of any step"},
		{"a code where an answer belongs", anna, oauth2.FactorSecurityKey, code, "has no security key"},
		{"no provider", anna, "", code, "no such provider"},
		{"an unknown provider", anna, "duo", code, "no such provider"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wantWrong(t, w.check(t, newClient(), tt.user, tt.provider, tt.value), tt.wantWhy, tt.value, annasSeed)
		})
	}
	if err := w.check(t, newClient(), anna, oauth2.FactorTOTP, code); err != nil {
		t.Errorf("what was refused used the code up: %v", err)
	}
}

func TestACodeCountsOnce(t *testing.T) {
	w := newWorld(t)
	client, anna := newClient(), withCodes("anna", clients.KindAdmin, annasSeed)
	code, next := codeAt(t, annasSeed, w.now), codeAt(t, annasSeed, w.now.Add(30*time.Second))
	if err := w.check(t, client, anna, oauth2.FactorTOTP, code); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		err := w.check(t, client, anna, oauth2.FactorTOTP, code)
		wantWrong(t, err, "spent already", code)
		if !errors.Is(err, sessions.ErrUsed) {
			t.Errorf("the cause is not that it was used: %v", err)
		}
		w.now = w.now.Add(30 * time.Second)
	}
	w.now = w.now.Add(-30 * time.Second)
	if err := w.check(t, client, anna, oauth2.FactorTOTP, next); err != nil {
		t.Errorf("the next code is refused: %v", err)
	}
}

// TestUsedCodesAreTheirUsers checks that nobody uses up the codes of others, even of one who has the same seed.
func TestUsedCodesAreTheirUsers(t *testing.T) {
	w := newWorld(t)
	anew := newClient()
	anew.UID = "uid-2"
	elsewhere := newClient()
	elsewhere.Namespace = "other"
	code := codeAt(t, annasSeed, w.now)
	for name, tt := range map[string]struct {
		client *clients.Client
		user   *clients.User
	}{
		"the user":                           {newClient(), withCodes("anna", clients.KindAdmin, annasSeed)},
		"one of another kind":                {newClient(), withCodes("anna", clients.KindCustomer, annasSeed)},
		"one of another name":                {newClient(), withCodes("bob", clients.KindAdmin, annasSeed)},
		"a name that joins with the kind":    {newClient(), withCodes("nanna", "Admi", annasSeed)},
		"one of another Integration":         {elsewhere, withCodes("anna", clients.KindAdmin, annasSeed)},
		"one of an Integration made anew":    {anew, withCodes("anna", clients.KindAdmin, annasSeed)},
		"one whose kind nobody ever defined": {newClient(), withCodes("anna", "", annasSeed)},
	} {
		if err := w.check(t, tt.client, tt.user, oauth2.FactorTOTP, code); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOfManyUsesOfACodeAtOnceOneWins(t *testing.T) {
	w := newWorld(t)
	client, anna := newClient(), withCodes("anna", clients.KindAdmin, annasSeed)
	code := codeAt(t, annasSeed, w.now)
	var won atomic.Int32
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			err := w.Check(t.Context(), client, anna, oauth2.SecondFactor{Provider: oauth2.FactorTOTP, Value: oauth2.Secret(code)})
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, grants.ErrWrongFactor):
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := won.Load(); got != 1 {
		t.Errorf("%d uses counted, want 1", got)
	}
}

// A notebook is a store that notes what is spent.
type notebook struct{ spent []sessions.Spent }

// Spend notes it.
func (n *notebook) Spend(_ context.Context, spent sessions.Spent) error {
	n.spent = append(n.spent, spent)
	return nil
}

func TestUsedCodesAreKeptForAsLongAsTheyCount(t *testing.T) {
	w, notes := newWorld(t), &notebook{}
	w.Spent = notes
	anna := withCodes(strings.Repeat("anna", 1000), clients.KindAdmin, annasSeed)
	step := w.now.Truncate(30 * time.Second)
	for _, offset := range []time.Duration{-30 * time.Second, 0, 30 * time.Second} {
		if err := w.check(t, newClient(), anna, oauth2.FactorTOTP, codeAt(t, annasSeed, w.now.Add(offset))); err != nil {
			t.Fatal(err)
		}
		got := notes.spent[len(notes.spent)-1]
		// The step itself and one more, and what the clocks of replicas may differ by.
		if want := step.Add(offset + 2*time.Minute); !got.ExpiresAt.Equal(want) {
			t.Errorf("a code of %s is kept until %s, want %s", offset, got.ExpiresAt, want)
		}
		if got.Kind != sessions.KindOneTimeCode || got.Owner != sessions.OwnerOf(newClient()) {
			t.Errorf("spent %+v", got)
		}
		if len(got.TokenID) != 64 || strings.Trim(got.TokenID, "0123456789abcdef") != "" {
			t.Errorf("the ID %q is no digest", got.TokenID)
		}
	}
}

func TestWithoutTheStoreThereIsNoTelling(t *testing.T) {
	w := newWorld(t)
	client, anna := newClient(), withCodes("anna", clients.KindAdmin, annasSeed)
	code, next := codeAt(t, annasSeed, w.now), codeAt(t, annasSeed, w.now.Add(30*time.Second))
	repair := w.store.Break()
	err := w.check(t, client, anna, oauth2.FactorTOTP, code)
	if !errors.Is(err, sessions.ErrUnavailable) || errors.Is(err, grants.ErrWrongFactor) {
		t.Errorf("the store is away: got %v, want that there is no telling", err)
	}
	wantWrong(t, w.check(t, client, anna, oauth2.FactorTOTP, codeAt(t, bobsSeed, w.now)), "not the code of any step")
	repair()
	if err := w.check(t, client, anna, oauth2.FactorTOTP, code); err != nil {
		t.Errorf("the store is back: %v", err)
	}
	w.store.MostSpent = 1
	err = w.check(t, client, anna, oauth2.FactorTOTP, next)
	if !errors.Is(err, sessions.ErrUnavailable) || !errors.Is(err, sessions.ErrFull) || errors.Is(err, grants.ErrWrongFactor) {
		t.Errorf("the store is full: got %v, want that there is no telling", err)
	}
	if err != nil && strings.Contains(err.Error(), next) {
		t.Errorf("the error %q quotes the code", err)
	}
}
