// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sessions_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

// An actor holds a token and refreshes with it: the rightful client, or a thief who now and then copies what the client holds.
type actor struct {
	name, token string
	// presented is the session of a refresh that is under way, and using its token.
	presented *sessions.Session
	using     string
}

// A simulation lets a client and a thief refresh one session in random order, and keeps what was given out and redeemed. It knows the
// rule in the terms of its promises: the order in which tokens were given out, and when each was redeemed first.
type simulation struct {
	*testing.T
	random *rand.Rand
	grace  time.Duration
	now    time.Time
	logins *sessions.Logins
	store  *memory
	id     string

	// valid is the last token that was given out. predecessor tells what a token was given for.
	valid       string
	predecessor map[string]string
	// redeemed counts how often a token was good for another one, and first tells when that was first.
	redeemed map[string]int
	first    map[string]time.Time
	ended    bool
	issued   int
}

func newSimulation(t *testing.T, seed uint64, grace time.Duration) *simulation {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, seed))
	sim := &simulation{
		T: t, random: random, grace: grace, now: start, store: newMemory(), id: sessions.NewID(), valid: "login",
		predecessor: map[string]string{}, redeemed: map[string]int{}, first: map[string]time.Time{},
	}
	sim.logins = &sessions.Logins{Store: sim.store, Grace: grace, Most: 10, Now: func() time.Time { return sim.now }}
	err := sim.logins.Begin(t.Context(), &sessions.Session{
		Owner: owner, ID: sim.id, IssuedAt: start, ExpiresAt: start.Add(24 * time.Hour), Current: digest("login"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return sim
}

// good tells whether a token has to be good for another one now.
func (s *simulation) good(token string) bool {
	if s.ended {
		return false
	}
	return token == s.valid || token == s.predecessor[s.valid] && s.grace > 0 && s.now.Before(s.first[token].Add(s.grace))
}

// refused checks the reason why an actor got nothing for a token.
func (s *simulation) refused(token string, err error) {
	s.Helper()
	switch {
	case errors.Is(err, sessions.ErrNotFound):
		if !s.ended {
			s.Fatalf("the session is gone, and nobody reused a token: %q", token)
		}
	case errors.Is(err, sessions.ErrReused):
		if s.good(token) {
			s.Fatalf("the token %q is refused as reused, though it is good", token)
		}
		s.ended = true
	default:
		s.Fatalf("refresh with %q: %v", token, err)
	}
	if s.store.Len() > 0 {
		s.Fatalf("the session is still there after %q was presented", token)
	}
}

// present begins a refresh.
func (s *simulation) present(a *actor) {
	s.Helper()
	session, err := s.logins.Present(s.Context(), owner, s.id, digest(a.token))
	if err != nil {
		s.refused(a.token, err)
		return
	}
	if !s.good(a.token) {
		s.Fatalf("%s may refresh with %q, which is no good", a.name, a.token)
	}
	a.presented, a.using = session, a.token
}

// rotate ends a refresh. The reply may be lost.
func (s *simulation) rotate(a *actor, lost bool) {
	s.Helper()
	s.issued++
	token := fmt.Sprintf("%s %d", a.name, s.issued)
	next := *a.presented
	next.Current = digest(token)
	err := s.logins.Rotate(s.Context(), a.presented, digest(a.using), &next)
	a.presented = nil
	if err != nil {
		s.refused(a.using, err)
		return
	}
	if !s.good(a.using) {
		s.Fatalf("%s is given a token for %q, which is no good", a.name, a.using)
	}
	if s.redeemed[a.using]++; s.redeemed[a.using] == 1 {
		s.first[a.using] = s.now
	}
	s.valid, s.predecessor[token] = token, a.using
	if !lost {
		a.token = token
	}
}

// run lets the actors act in random order, then each in turn after the grace period is over.
func (s *simulation) run(client, thief *actor) {
	s.Helper()
	stolen := false
	for range 30 {
		s.now = s.now.Add(time.Duration(s.random.IntN(4000)) * time.Millisecond)
		a := client
		if stolen && s.random.IntN(2) == 0 {
			a = thief
		}
		switch {
		case a.presented != nil:
			s.rotate(a, s.random.IntN(4) == 0)
		case s.random.IntN(6) == 0:
			thief.token, stolen = client.token, true
		default:
			s.present(a)
		}
	}
	for _, a := range []*actor{client, thief} {
		if a.presented != nil {
			s.rotate(a, false)
		}
	}
	if !stolen {
		return
	}
	s.now = s.now.Add(s.grace + time.Second)
	for _, a := range []*actor{client, thief, client, thief} {
		if s.present(a); a.presented != nil {
			s.rotate(a, false)
		}
	}
	if !s.ended {
		s.Fatalf("the client with %q and the thief with %q both presented their tokens, and the session goes on", client.token, thief.token)
	}
}

// TestAThiefIsFoundOut checks what the package comment promises, in many random histories of a client that loses replies and a thief.
func TestAThiefIsFoundOut(t *testing.T) {
	for _, grace := range []time.Duration{0, 5 * time.Second, time.Minute} {
		t.Run(grace.String(), func(t *testing.T) {
			replays, ends := 0, 0
			for seed := range uint64(1000) {
				sim := newSimulation(t, seed, grace)
				sim.run(&actor{name: "client", token: "login"}, &actor{name: "thief"})
				for token, times := range sim.redeemed {
					if times > 1 {
						replays++
						if grace == 0 {
							t.Fatalf("seed %d: the token %q was redeemed %d times", seed, token, times)
						}
					}
				}
				if sim.ended {
					ends++
				}
			}
			if ends == 0 || (replays > 0) != (grace > 0) {
				t.Errorf("%d histories ended, with %d replays: they prove nothing", ends, replays)
			}
		})
	}
}
