// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package limits

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A clock is moved by the test.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock {
	return &clock{now: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

const s, m = time.Second, time.Minute

// blocks are what failures that come whenever the block before is over lead to, after the free ones.
var blocks = map[Kind][]time.Duration{
	ByClient:         {1 * s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 1 * m, 1 * m},
	ByUser:           {1 * s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 64 * s, 128 * s, 256 * s, 512 * s, 15 * m, 15 * m},
	ByAddress:        {1 * s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 1 * m, 1 * m},
	ByLockout:        {30 * m, 30 * m, 30 * m},
	ByUnknownLockout: {30 * m, 30 * m, 30 * m},
	ByUnknownUser:    {1 * s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 64 * s, 128 * s, 256 * s, 512 * s, 15 * m, 15 * m},
}

var (
	freeFailures = map[Kind]int{ByClient: 10, ByUser: 5, ByUnknownUser: 5, ByLockout: 5, ByUnknownLockout: 5, ByAddress: 50}
	quietPeriods = map[Kind]time.Duration{
		ByClient: 10 * m, ByUser: 60 * m, ByUnknownUser: 60 * m, ByLockout: 31 * m, ByUnknownLockout: 31 * m, ByAddress: 10 * m,
	}
)

// testLimiter checks what every Limiter promises.
func testLimiter(t *testing.T, open func(*testing.T, *clock) Limiter) {
	t.Helper()
	for kind, want := range blocks {
		key := Key{Kind: kind, ID: "a\x00:é \r\n" + strings.Repeat("long", 200)}
		t.Run(string(kind)+" failures are free at first, then block for longer and longer", func(t *testing.T) {
			clock := newClock()
			l := open(t, clock)
			for i := range freeFailures[kind] {
				if got := l.Failed(t.Context(), key); got != 0 {
					t.Fatalf("failure %d blocks for %s", i+1, got)
				}
			}
			for i, d := range want {
				if got := l.Blocked(t.Context(), key); got != 0 {
					t.Fatalf("the key is blocked for %s before failure %d beyond", got, i+1)
				}
				if got := l.Failed(t.Context(), key); got != d {
					t.Fatalf("failure %d beyond blocks for %s, want %s", i+1, got, d)
				}
				clock.move(d - s/2)
				if got := l.Blocked(t.Context(), key); got != s/2 {
					t.Fatalf("half a second before the end the key is blocked for %s", got)
				}
				clock.move(s / 2)
			}
		})
		t.Run(string(kind)+" failures are forgotten after a quiet period and not before", func(t *testing.T) {
			clock := newClock()
			l := open(t, clock)
			for range freeFailures[kind] {
				l.Failed(t.Context(), key)
			}
			clock.move(quietPeriods[kind] - s)
			if got := l.Failed(t.Context(), key); got != want[0] {
				t.Errorf("a failure before the end of the quiet period blocks for %s, want %s", got, want[0])
			}
			clock.move(quietPeriods[kind])
			if got := l.Blocked(t.Context(), key); got != 0 {
				t.Errorf("the key is blocked for %s after the quiet period", got)
			}
			if got := l.Failed(t.Context(), key); got != 0 {
				t.Errorf("a failure after the quiet period blocks for %s", got)
			}
		})
	}
	t.Run("failures at one time all count", func(t *testing.T) {
		l := open(t, newClock())
		failMany(t, l, 6, UserKey("c", "bob"))
		if got := l.Failed(t.Context(), UserKey("c", "bob")); got != 2*s {
			t.Errorf("the seventh failure blocks for %s, want %s", got, 2*s)
		}
	})
	t.Run("each failure while a user is locked out counts the time anew, and success ends it", func(t *testing.T) {
		clock := newClock()
		l := open(t, clock)
		ada := LockoutKey("c", "Customer", "ada")
		failMany(t, l, 6, ada)
		clock.move(20 * m)
		if got := l.Blocked(t.Context(), ada); got != 10*m {
			t.Errorf("20 minutes after the sixth failure the user is locked out for %s, want %s", got, 10*m)
		}
		if got := l.Failed(t.Context(), ada); got != 30*m {
			t.Errorf("the seventh failure locks the user out for %s, want %s", got, 30*m)
		}
		for _, other := range []Key{LockoutKey("c", "Admin", "ada"), LockoutKey("d", "Customer", "ada"), UserKey("c", "ada")} {
			if got := l.Blocked(t.Context(), other); got != 0 {
				t.Errorf("%v is blocked for %s", other, got)
			}
		}
		l.Succeeded(t.Context(), ada)
		if got := l.Blocked(t.Context(), ada); got != 0 {
			t.Errorf("after a success the user is locked out for %s", got)
		}
		failMany(t, l, 5, ada)
		if got := l.Blocked(t.Context(), ada); got != 0 {
			t.Errorf("five failures after a success lock the user out for %s", got)
		}
	})
	t.Run("success forgets one key and no other", func(t *testing.T) {
		l := open(t, newClock())
		bob, address := UserKey("c", "bob"), AddressKey(netip.MustParseAddr("192.0.2.1"))
		failMany(t, l, 51, bob, address)
		l.Succeeded(t.Context(), bob)
		if got := l.Blocked(t.Context(), bob); got != 0 {
			t.Errorf("the key that succeeded is blocked for %s", got)
		}
		if got := l.Blocked(t.Context(), address); got != s {
			t.Errorf("the other key is blocked for %s, want %s", got, s)
		}
	})
	t.Run("the longest block of several keys counts, in any order", func(t *testing.T) {
		l := open(t, newClock())
		bob, client := UserKey("c", "bob"), ClientKey("c")
		failMany(t, l, 8, bob)
		for _, keys := range [][]Key{{bob, client}, {client, bob}} {
			if got := l.Blocked(t.Context(), keys...); got != 4*s {
				t.Errorf("got %s, want %s", got, 4*s)
			}
		}
		if got := l.Failed(t.Context(), bob, client); got != 8*s {
			t.Errorf("got %s, want %s", got, 8*s)
		}
	})
	t.Run("keys are alike only if kind and ID are", func(t *testing.T) {
		l := open(t, newClock())
		failMany(t, l, 60, ClientKey("a"))
		for _, other := range []Key{ClientKey("A"), ClientKey("a "), ClientKey(""), {Kind: ByUser, ID: "a"}, {Kind: ByAddress, ID: "a"}} {
			if got := l.Blocked(t.Context(), other); got != 0 {
				t.Errorf("%v is blocked for %s", other, got)
			}
		}
	})
	t.Run("many at once lose no failure", func(t *testing.T) {
		l := open(t, newClock())
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 7 {
					l.Failed(t.Context(), AddressKey(netip.MustParseAddr("192.0.2.1")))
				}
			})
		}
		all.Wait()
		// 8 times 7 are 6 beyond the free ones.
		if got := l.Blocked(t.Context(), AddressKey(netip.MustParseAddr("192.0.2.1"))); got != 32*s {
			t.Errorf("the key is blocked for %s, want %s", got, 32*s)
		}
	})
}

func failMany(t *testing.T, l Limiter, times int, keys ...Key) {
	t.Helper()
	for range times {
		l.Failed(t.Context(), keys...)
	}
}

func TestMemory(t *testing.T) {
	testLimiter(t, func(_ *testing.T, c *clock) Limiter { return NewMemory(c.Now) })
}

func TestMemoryIsBounded(t *testing.T) {
	const most = 10
	clock := newClock()
	l := newMemory(clock.Now, most)
	blocked := UserKey("c", "bob")
	failMany(t, l, 9, blocked)
	for i := range 1000 {
		failMany(t, l, 1, UserKey("c", fmt.Sprint("user", i)), ClientKey(fmt.Sprint("client", i)))
	}
	if got := l.Blocked(t.Context(), blocked); got != 8*s {
		t.Errorf("a flood of keys within their free failures pushes out a blocked one: it is blocked for %s", got)
	}
	for i := range 100 {
		failMany(t, l, 11, ClientKey(fmt.Sprint("client", i)))
	}
	if got := l.Blocked(t.Context(), blocked); got != 8*s {
		t.Errorf("a flood of one kind pushes out a key of another: it is blocked for %s", got)
	}
	for kind, k := range l.kinds {
		if k.free.Len() > most || k.beyond.Len() > most {
			t.Errorf("there are %d and %d keys of the kind %s", k.free.Len(), k.beyond.Len(), kind)
		}
	}
	if l.kinds[ByUser].free.Contains(l.secret.digestOf(blocked)) {
		t.Error("a key must be in one of the two lists")
	}
	l.Succeeded(t.Context(), blocked)
	if l.kinds[ByUser].beyond.Len() != 0 {
		t.Error("a key that succeeded must be gone")
	}
}

func TestObserved(t *testing.T) {
	var got []Kind
	l := Observed(NewMemory(newClock().Now), func(k Kind) { got = append(got, k) })
	user, address := UserKey("c", "bob"), AddressKey(netip.MustParseAddr("192.0.2.1"))
	failMany(t, l, 5, user, address)
	l.Blocked(t.Context(), user, address)
	if len(got) != 0 {
		t.Fatalf("nothing was refused, but %v were told", got)
	}
	l.Failed(t.Context(), user, address)
	l.Blocked(t.Context(), address, user)
	l.Succeeded(t.Context(), user)
	failMany(t, l, 45, address)
	l.Blocked(t.Context(), user, address)
	lockout := LockoutKey("c", "Admin", "eve")
	failMany(t, l, 6, lockout)
	if want := []Kind{ByUser, ByUser, ByAddress, ByAddress, ByLockout}; !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
}

func TestKeys(t *testing.T) {
	tests := []struct {
		name      string
		got, want Key
	}{
		{"a client", ClientKey("shop.sync"), Key{Kind: ByClient, ID: "shop.sync"}},
		{"a user", UserKey("shop.sync", "a:b"), Key{Kind: ByUser, ID: "shop.sync:a:b"}},
		{"an IPv4 address", AddressKey(netip.MustParseAddr("192.0.2.1")), Key{Kind: ByAddress, ID: "192.0.2.1"}},
		{"an IPv4 address written as IPv6", AddressKey(netip.MustParseAddr("::ffff:192.0.2.1")), Key{Kind: ByAddress, ID: "192.0.2.1"}},
		{"an IPv6 address", AddressKey(netip.MustParseAddr("2001:db8:1:2:3:4:5:6")), Key{Kind: ByAddress, ID: "2001:db8:1:2::/64"}},
		{"an IPv6 address with a zone", AddressKey(netip.MustParseAddr("fe80::1%eth0")), Key{Kind: ByAddress, ID: "fe80::/64"}},
		{"no address", AddressKey(netip.Addr{}), Key{Kind: ByAddress, ID: "invalid IP"}},
		{
			"a login's address", LoginAddressKey("shop.web", netip.MustParseAddr("2001:db8:1:2:3:4:5:6")),
			Key{Kind: ByAddress, ID: "login shop.web 2001:db8:1:2::/64"},
		},
		{"a client that there is not", UnknownClientKey("nobody"), Key{Kind: ByClient, Unknown: Unknown{true, "nobody"}}},
		{"a user who may be locked out", LockoutKey("shop.web", "Admin", "a:b"), Key{Kind: ByLockout, ID: "shop.web:Admin:a:b"}},
		{
			"a user who may be locked out and whom the client does not know", UnknownLockoutKey("shop.web", "Admin", "nobody"),
			Key{ByUnknownLockout, "shop.web:Admin", Unknown{true, "nobody"}},
		},
		{"a user whom the client does not know", UnknownUserKey("shop.web", "nobody"), Key{ByUnknownUser, "shop.web", Unknown{true, "nobody"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.got); diff != "" {
				t.Errorf("key (-want +got):\n%s", diff)
			}
		})
	}
}

// Made-up names fill neither memory nor a shared store.
func TestNamesThatDoNotExistShareCounts(t *testing.T) {
	of := newSecret()
	clients, users, lockedOut := map[digest]bool{}, map[digest]bool{}, map[digest]bool{}
	for i := range 50_000 {
		name := strconv.Itoa(i)
		clients[of.digestOf(UnknownClientKey(name))] = true
		users[of.digestOf(UnknownUserKey("c", name))] = true
		lockedOut[of.digestOf(UnknownLockoutKey("c", "Admin", name))] = true
	}
	few := func(counts map[digest]bool) bool {
		return len(counts) > unknownUsers*9/10 && len(counts) <= unknownUsers
	}
	if len(clients) > unknownClients || len(clients) < unknownClients/3 || !few(users) || !few(lockedOut) {
		t.Errorf("50,000 names have %d counts as clients, %d as users of one and %d as those that may be locked out",
			len(clients), len(users), len(lockedOut))
	}
}

// Nothing but the secret tells which names share a count, and what is learnt at one client is worth nothing at another.
func TestWhichNamesShareACountIsASecret(t *testing.T) {
	one, other := newSecret(), newSecret()
	sharing := func(of secret, key func(name string) Key) string {
		wanted := of.bucket(key("nobody"))
		for i := 0; ; i++ {
			if name := strconv.Itoa(i); of.bucket(key(name)) == wanted {
				return name
			}
		}
	}
	for kind, key := range map[Kind]func(name string) Key{
		ByClient:         UnknownClientKey,
		ByUnknownUser:    func(name string) Key { return UnknownUserKey("c", name) },
		ByUnknownLockout: func(name string) Key { return UnknownLockoutKey("c", "Admin", name) },
	} {
		// Two names may share a count by chance, but not two of three times.
		known := 0
		for range 3 {
			name := sharing(one, key)
			one = newSecret()
			if one.digestOf(key(name)) == one.digestOf(key("nobody")) {
				known++
			}
		}
		if known > 1 {
			t.Errorf("%s: which names share a count does not depend on the secret", kind)
		}
	}
	if a, b := UnknownUserKey("c", "nobody"), UnknownUserKey("c", "nobody"); other.digestOf(a) != other.digestOf(b) {
		t.Error("a name has two counts")
	}
	same := 0
	for i := range 10 {
		name := strconv.Itoa(i)
		if other.bucket(UnknownUserKey("c", name)) == other.bucket(UnknownUserKey("d", name)) {
			same++
		}
	}
	if same > 2 {
		t.Errorf("%d of 10 names are in the same place at two clients", same)
	}
}
