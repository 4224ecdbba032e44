// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package limits

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"github.com/valkey-io/valkey-go"

	"github.com/integration-operator/integration-operator/tokenserver/sessions/valkey/valkeytest"
)

// connect returns a client of a server.
func connect(t *testing.T, server *valkeytest.Server) valkey.Client {
	t.Helper()
	client, err := valkey.NewClient(valkey.ClientOption{
		InitAddress: []string{server.Address}, Password: server.Password, ForceSingleClient: true, DisableCache: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// A forbidden Limiter fails the test when it is asked.
type forbidden struct{ t *testing.T }

func (f forbidden) Blocked(context.Context, ...Key) time.Duration {
	f.t.Error("the fallback is asked")
	return 0
}

func (f forbidden) Failed(context.Context, ...Key) time.Duration {
	f.t.Error("the fallback counts")
	return 0
}

func (f forbidden) Succeeded(context.Context, ...Key) {}

func TestValkey(t *testing.T) {
	client := connect(t, valkeytest.Start(t))
	testLimiter(t, func(t *testing.T, c *clock) Limiter {
		t.Helper()
		if err := client.Do(t.Context(), client.B().Flushall().Build()).Error(); err != nil {
			t.Fatal(err)
		}
		return NewValkey(client, forbidden{t}, c.Now)
	})
}

func TestValkeyIsShared(t *testing.T) {
	server, clock := valkeytest.Start(t), newClock()
	one := NewValkey(connect(t, server), forbidden{t}, clock.Now)
	other := NewValkey(connect(t, server), forbidden{t}, clock.Now)
	for range 3 {
		one.Failed(t.Context(), UserKey("c", "bob"))
		other.Failed(t.Context(), UserKey("c", "bob"))
	}
	if got := one.Blocked(t.Context(), UserKey("c", "bob")); got != s {
		t.Errorf("three failures at each of two replicas block for %s, want %s", got, s)
	}
	one.Succeeded(t.Context(), UserKey("c", "bob"))
	if got := other.Blocked(t.Context(), UserKey("c", "bob")); got != 0 {
		t.Errorf("a success at the other replica leaves the key blocked for %s", got)
	}
}

// Names that do not exist count alike at every replica, by a secret that outlives the memory of the server.
func TestValkeySharesItsSecret(t *testing.T) {
	server, clock := valkeytest.Start(t), newClock()
	client := connect(t, server)
	one, other := NewValkey(client, NewMemory(clock.Now), clock.Now), NewValkey(connect(t, server), NewMemory(clock.Now), clock.Now)
	tries := 0
	shared := func() string {
		t.Helper()
		held := ""
		// On a busy machine the server may not answer in time now and then, and each replica counts for itself.
		gomega.NewWithT(t).Eventually(func() bool {
			clock.move(2 * valkeyPause)
			tries++
			key := UnknownUserKey("c", fmt.Sprint("nobody", tries))
			failMany(t, one, 3, key)
			failMany(t, other, 3, key)
			held, _ = client.Do(t.Context(), client.B().Get().Key("integration-operator:limits-key").Build()).ToString()
			a, b := one.shared.Load(), other.shared.Load()
			return one.Blocked(t.Context(), key) == s && a != nil && b != nil && string(a.secret) == held && string(b.secret) == held
		}, "20s", "10ms").Should(gomega.BeTrue(), "three failures at each of two replicas should block for a second")
		if len(held) != 32 {
			t.Errorf("the secret has %d bytes", len(held))
		}
		return held
	}
	first := shared()
	server.Restart()
	clock.move(secretFor)
	if second := shared(); second != first {
		t.Error("the replicas do not put back what a server has lost")
	}
	other = NewValkey(connect(t, server), NewMemory(clock.Now), clock.Now)
	if third := shared(); third != first {
		t.Error("a new replica does not take the secret that there is")
	}
}

// What is kept tells nothing, and goes by itself.
func TestValkeyKeepsLittle(t *testing.T) {
	client := connect(t, valkeytest.Start(t))
	l := NewValkey(client, forbidden{t}, newClock().Now)
	for kind := range quietPeriods {
		l.Failed(t.Context(), Key{Kind: kind, ID: "hush"})
	}
	// Whoever only looks leaves nothing behind.
	l.Blocked(t.Context(), ClientKey("other"))
	names, err := client.Do(t.Context(), client.B().Keys().Pattern("*").Build()).AsStrSlice()
	if err != nil {
		t.Fatal(err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == "integration-operator:limits-key" })
	if len(names) != len(quietPeriods) {
		t.Errorf("there are %d keys besides the one of the secret, want %d", len(names), len(quietPeriods))
	}
	longest := time.Duration(0)
	for _, name := range names {
		if !strings.HasPrefix(name, "integration-operator:limits:") || strings.Contains(name, "hush") {
			t.Errorf("there is a key %q", name)
		}
		left, err := client.Do(t.Context(), client.B().Pttl().Key(name).Build()).AsInt64()
		if err != nil || left <= 0 {
			t.Errorf("the key %q expires in %d ms: %v", name, left, err)
		}
		longest = max(longest, time.Duration(left)*time.Millisecond)
	}
	if longest > quietPeriods[ByUser] || longest < quietPeriods[ByUser]-m {
		t.Errorf("the last key expires in %s, want %s", longest, quietPeriods[ByUser])
	}
}

func TestValkeyGoesOnWithoutServer(t *testing.T) {
	server, clock := valkeytest.Start(t), newClock()
	l := NewValkey(connect(t, server), NewMemory(clock.Now), clock.Now)
	key := UserKey("c", "bob")
	failMany(t, l, 7, key)

	// Whether it is gone or only hangs, this replica counts for itself.
	for _, step := range []struct {
		name string
		end  func()
	}{{"the server hangs", server.Pause}, {"the server is gone", server.Stop}} {
		step.end()
		name := step.name
		for i := range 5 {
			if got := l.Failed(t.Context(), UserKey("c", name)); got != 0 {
				t.Errorf("%s: failure %d blocks for %s", name, i+1, got)
			}
			clock.move(2 * valkeyPause)
		}
		if got := l.Failed(t.Context(), UserKey("c", name)); got != s {
			t.Errorf("%s: the sixth failure blocks for %s, want %s", name, got, s)
		}
		if got := l.Blocked(t.Context(), UserKey("c", name)); got != s {
			t.Errorf("%s: the key is blocked for %s, want %s", name, got, s)
		}
		l.Succeeded(t.Context(), UserKey("c", name))
		if got := l.Blocked(t.Context(), UserKey("c", name)); got != 0 {
			t.Errorf("%s: after a success the key is blocked for %s", name, got)
		}
		server.Resume()
	}

	server.Restart()
	counts := 0
	gomega.NewWithT(t).Eventually(func() (int64, error) {
		clock.move(2 * valkeyPause)
		counts++
		key := UserKey("c", fmt.Sprint("new", counts))
		l.Failed(t.Context(), key)
		names, err := l.names(t.Context(), []Key{key})
		if err != nil {
			return 0, err
		}
		return l.client.Do(t.Context(), l.client.B().Exists().Key(names...).Build()).AsInt64()
	}, "20s", "10ms").Should(gomega.BeEquivalentTo(1), "the server is back and nobody asks it")
}

// Who hangs up before the answer is counted all the same.
func TestValkeyCountsWhoHangsUp(t *testing.T) {
	l := NewValkey(connect(t, valkeytest.Start(t)), forbidden{t}, newClock().Now)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 6 {
		l.Failed(ctx, UserKey("c", "bob"))
	}
	if got := l.Blocked(t.Context(), UserKey("c", "bob")); got != s {
		t.Errorf("the key is blocked for %s, want %s", got, s)
	}
}

// A server that does not answer is not asked for every attempt.
func TestValkeyRestsAfterFailure(t *testing.T) {
	server, clock := valkeytest.Start(t), newClock()
	l := NewValkey(connect(t, server), NewMemory(clock.Now), clock.Now)
	server.Pause()
	l.Failed(t.Context(), ClientKey("a"))
	if got, want := l.pausedUntil.Load(), clock.Now().Add(valkeyPause).UnixMilli(); got != want {
		t.Fatalf("it rests until %d, want %d", got, want)
	}
	asked := false
	if err := l.ask(t.Context(), func(context.Context) error { asked = true; return nil }); err == nil || asked {
		t.Errorf("the server is asked again at once: %v", err)
	}
	clock.move(valkeyPause)
	if err := l.ask(t.Context(), func(context.Context) error { asked = true; return nil }); err != nil || !asked {
		t.Errorf("the server is not asked any more: %v", err)
	}
}
