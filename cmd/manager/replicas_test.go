// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/sessions/valkey/valkeytest"
)

// onEveryStore runs a test with each session store, and gives it the flags that choose the store.
func onEveryStore(t *testing.T, test func(t *testing.T, inKubernetes bool, args ...string)) {
	t.Helper()
	t.Run("Kubernetes", func(t *testing.T) { test(t, true) })
	t.Run("Valkey", func(t *testing.T) {
		test(t, false, valkeyFlags(t, valkeytest.Start(t))...)
	})
}

// valkeyFlags returns the flags that make a manager keep its sessions on a server.
func valkeyFlags(t *testing.T, server *valkeytest.Server) []string {
	t.Helper()
	passwordFile := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(passwordFile, []byte(server.Password), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"--session-store=valkey", "--valkey-url=valkey://" + server.Address, "--valkey-password-file=" + passwordFile}
}

// startTwo starts two replicas of one issuer, a login Integration, and returns its endpoint at each of them.
func startTwo(
	t *testing.T, edit func(*v1alpha1.Integration), args ...string,
) (at [2]*endpoint, replicas [2]*replica, intg *v1alpha1.Integration) {
	t.Helper()
	issuer := issuerOnFreePort(t)
	var binds [2]string
	for i := range replicas {
		binds[i] = "127.0.0.1:" + freePort(t)
		replicas[i] = startReplica(t, issuer, binds[i], append([]string{"--leader-elect"}, args...)...)
	}
	for _, r := range replicas {
		r.awaitReady()
	}
	t.Cleanup(func() { // The leader gives up its lease, so that the next test need not wait until it expires.
		for _, r := range replicas {
			_ = r.terminate()
		}
	})
	namespace := newNamespace(t)
	newUser(t, namespace, alice, alicePassword)
	intg = newLogin(namespace)
	if edit != nil {
		edit(intg)
	}
	apply(t, intg)
	for i := range at {
		at[i] = endpointAt(t, intg, issuer, binds[i])
	}
	return at, replicas, intg
}

// A redeemer is a client that keeps one login going, at two replicas.
type redeemer struct {
	at     [2]*endpoint
	ledger *ledger
	random *rand.Rand
	// current is the refresh token that is valid, and used the one before.
	current, used string
}

// A ledger counts how often each refresh token was redeemed.
type ledger struct {
	mu       sync.Mutex
	redeemed map[string]int
	// refreshes, races and reuses count what was tried.
	refreshes, races, reuses int
}

func (l *ledger) note(token string, counter *int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*counter++
	if token != "" {
		l.redeemed[token]++
	}
}

func (c *redeemer) any() *endpoint { return c.at[c.random.IntN(len(c.at))] }

func (c *redeemer) login(ctx context.Context) error {
	r, err := c.any().post(ctx, v1alpha1.PathToken, "grant_type", "password", "username", alice, "password", alicePassword)
	if err != nil || r.status != http.StatusOK {
		return fmt.Errorf("log in: %d %s: %w", r.status, r.body, err)
	}
	c.current, c.used = r.RefreshToken, ""
	return nil
}

// refresh redeems the current token at one replica; that always succeeds, or a session was lost.
func (c *redeemer) refresh(ctx context.Context) error {
	r, err := c.any().refresh(ctx, c.current)
	if err != nil || r.status != http.StatusOK {
		return fmt.Errorf("refresh: %d %s: %w", r.status, r.body, err)
	}
	c.ledger.note(c.current, &c.ledger.refreshes)
	c.used, c.current = c.current, r.RefreshToken
	return nil
}

// race redeems the current token at both replicas at once: one wins, and the other's reuse ends the family.
func (c *redeemer) race(ctx context.Context) error {
	var wg sync.WaitGroup
	var replies [2]reply
	var errs [2]error
	for i := range c.at {
		wg.Go(func() { replies[i], errs[i] = c.at[i].refresh(ctx, c.current) })
	}
	wg.Wait()
	won := ""
	for i := range replies {
		switch {
		case errs[i] != nil:
			return errs[i]
		case replies[i].status == http.StatusOK:
			c.ledger.note(c.current, &c.ledger.races)
			won = replies[i].RefreshToken
		case replies[i].Error != "invalid_grant":
			return fmt.Errorf("race: %d %s", replies[i].status, replies[i].body)
		}
	}
	if won == "" {
		return fmt.Errorf("nobody won a race: %s, %s", replies[0].body, replies[1].body)
	}
	return c.ended(ctx, won)
}

// reuse presents a token that was redeemed: it is refused, and ends the family.
func (c *redeemer) reuse(ctx context.Context) error {
	r, err := c.any().refresh(ctx, c.used)
	if err != nil || r.Error != "invalid_grant" {
		return fmt.Errorf("reuse: %d %s: %w", r.status, r.body, err)
	}
	c.ledger.note("", &c.ledger.reuses)
	return c.ended(ctx, c.current)
}

// ended checks that a family has ended, and logs in again.
func (c *redeemer) ended(ctx context.Context, token string) error {
	for _, at := range c.at {
		if r, err := at.refresh(ctx, token); err != nil || r.Error != "invalid_grant" {
			return fmt.Errorf("refresh in a family that has ended: %d %s: %w", r.status, r.body, err)
		}
	}
	return c.login(ctx)
}

// run refreshes until the deadline, and now and then does what must end the family.
func (c *redeemer) run(ctx context.Context, deadline time.Time) error {
	if err := c.login(ctx); err != nil {
		return err
	}
	for time.Now().Before(deadline) {
		step := c.refresh
		switch n := c.random.IntN(12); {
		case n == 0:
			step = c.race
		case n == 1 && c.used != "":
			step = c.reuse
		}
		if err := step(ctx); err != nil {
			return err
		}
	}
	return c.refresh(ctx)
}

func TestEveryRefreshTokenIsRedeemedAtMostOnce(t *testing.T) {
	const clients, duration = 50, 8 * time.Second
	onEveryStore(t, func(t *testing.T, inKubernetes bool, args ...string) {
		t.Helper()
		at, replicas, intg := startTwo(t, nil, args...)
		book := &ledger{redeemed: map[string]int{}}
		deadline := time.Now().Add(duration)
		var wg sync.WaitGroup
		for i := range clients {
			wg.Go(func() {
				c := &redeemer{at: at, ledger: book, random: rand.New(rand.NewPCG(uint64(i), 1))}
				if err := c.run(t.Context(), deadline); err != nil {
					t.Errorf("client %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		for _, r := range replicas {
			r.running()
		}
		for token, times := range book.redeemed {
			if times > 1 {
				t.Errorf("a refresh token was redeemed %d times: %.12s...", times, token)
			}
		}
		t.Logf("%d refreshes, %d races, %d reuses", book.refreshes, book.races, book.reuses)
		if book.refreshes < clients || book.races == 0 || book.reuses == 0 {
			t.Error("there was too little to see")
		}
		if got := len(sessionsOf(t, intg.Namespace)); inKubernetes && got != clients {
			t.Errorf("%d TokenSessions are left, want one for each client", got)
		}
	})
}

// Watches take milliseconds. The test is repeated if a busy machine holds one up, as only a delay that is always there is a defect.
func TestARevocationIsSeenOnTheOtherReplicaWithinASecond(t *testing.T) {
	onEveryStore(t, func(t *testing.T, _ bool, args ...string) {
		t.Helper()
		at, _, _ := startTwo(t, nil, args...)
		for _, tt := range []struct {
			name   string
			revoke func(t *testing.T) (asked string)
		}{
			{"an access token", func(t *testing.T) string {
				t.Helper()
				token := at[0].mustPost(t, http.StatusOK, v1alpha1.PathToken, "grant_type", "client_credentials").AccessToken
				expectActive(t, at[1], token)
				at[0].mustPost(t, http.StatusOK, v1alpha1.PathRevocation, "token", token)
				return token
			}},
			{"the access token of a revoked refresh token", func(t *testing.T) string {
				t.Helper()
				login := at[0].login(t)
				expectActive(t, at[1], login.AccessToken)
				at[0].mustPost(t, http.StatusOK, v1alpha1.PathRevocation, "token", login.RefreshToken)
				return login.AccessToken
			}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				for range 5 {
					token := tt.revoke(t)
					if within(time.Second, func() bool {
						active, err := at[1].active(t.Context(), token)
						return err == nil && !active
					}) {
						if status, _, err := at[1].verify(t.Context(), token, "?audience=https://orders.example"); err != nil || status != http.StatusUnauthorized {
							t.Errorf("verify: %d, %v", status, err)
						}
						return
					}
				}
				t.Error("a revoked token stays active on the other replica for more than a second")
			})
		}
	})
}

func expectActive(t *testing.T, at *endpoint, token string) {
	t.Helper()
	if active, err := at.active(t.Context(), token); err != nil || !active {
		t.Fatalf("a token that was just issued at one replica must count at the other at once: %t, %v", active, err)
	}
}
