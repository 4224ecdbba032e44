// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package valkey_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/integration-operator/integration-operator/tokenserver/sessions"
	"github.com/integration-operator/integration-operator/tokenserver/sessions/sessionstest"
	"github.com/integration-operator/integration-operator/tokenserver/sessions/valkey"
	"github.com/integration-operator/integration-operator/tokenserver/sessions/valkey/valkeytest"
)

const patience = 20 * time.Second

// optionsFor returns the options to reach a server's database 3.
func optionsFor(server *valkeytest.Server) valkey.Options {
	o := valkey.Options{URL: "valkey://" + server.Address + "/3", PasswordFile: server.PasswordFile, MostSpent: 30}
	if server.CAFile != "" {
		o.URL, o.CAFile = "valkeys://"+server.Address+"/3", server.CAFile
	}
	return o
}

func open(t *testing.T, o valkey.Options) *valkey.Store {
	t.Helper()
	store, err := valkey.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return store
}

func newSession() *sessions.Session {
	now := time.Now().UTC().Truncate(time.Second)
	return &sessions.Session{
		Owner: sessions.Owner{Namespace: "shop", Name: "web", UID: "uid-1"}, ID: sessions.NewID(), ClientID: "shop.web", Username: "alice",
		UserKind: "Admin", IssuedAt: now, ExpiresAt: now.Add(time.Hour), KeyID: "kid",
	}
}

func TestStore(t *testing.T) {
	for name, start := range map[string]func(testing.TB, ...string) *valkeytest.Server{
		"with a password": valkeytest.Start, "with TLS": valkeytest.StartTLS,
	} {
		t.Run(name, func(t *testing.T) {
			server := start(t)
			views := []sessions.Store{open(t, optionsFor(server)), open(t, optionsFor(server))}
			sessionstest.Run(t, func(*testing.T) []sessions.Store { return views }, sessionstest.Options{
				Now: time.Now, MostSpent: 30,
				Break: func(*testing.T) func() {
					server.Pause()
					return server.Resume
				},
			})
		})
	}
}

// keys returns the names of all keys in the database.
func keys(t *testing.T, store *valkey.Store) []string {
	t.Helper()
	client := store.Client()
	names, err := client.Do(t.Context(), client.B().Keys().Pattern("*").Build()).AsStrSlice()
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestWhatIsInTheServer(t *testing.T) {
	store := open(t, optionsFor(valkeytest.Start(t)))
	s := newSession()
	s.ExpiresAt = s.IssuedAt.Add(1000 * time.Hour)
	spent := sessions.Spent{Owner: s.Owner, Kind: sessions.KindClientAssertion, TokenID: "a jti", ExpiresAt: s.IssuedAt.Add(2000 * time.Hour)}
	next := *s
	next.ExpiresAt = s.ExpiresAt.Add(time.Hour)
	err := errors.Join(store.Create(t.Context(), s, 10), store.Spend(t.Context(), spent))
	next.Version = s.Version
	if err := errors.Join(err, store.Replace(t.Context(), &next)); err != nil {
		t.Fatal(err)
	}
	client := store.Client()
	names := keys(t, store)
	if len(names) != 4 {
		t.Errorf("got the keys %q, want 4", names)
	}
	for _, name := range names {
		if !strings.HasPrefix(name, valkey.Prefix) || strings.Contains(name, "jti") || strings.Contains(name, s.ID) || strings.Contains(name, "shop") {
			t.Errorf("got the key %q, want the prefix and a digest", name)
		}
		expires, err := client.Do(t.Context(), client.B().Pexpiretime().Key(name).Build()).AsInt64()
		want := next.ExpiresAt
		if strings.HasPrefix(name, valkey.Prefix+"spent") {
			want = spent.ExpiresAt
		}
		if err != nil || expires != want.UnixMilli() {
			t.Errorf("%s expires at %d (%v), want %d", name, expires, err, want.UnixMilli())
		}
	}
	if err := store.End(t.Context(), s.Owner, s.ID); err != nil {
		t.Fatal(err)
	}
	if names := keys(t, store); len(names) != 2 {
		t.Errorf("got the keys %q, want those of the spent token ID", names)
	}
}

func TestKeysExpireByThemselves(t *testing.T) {
	store := open(t, optionsFor(valkeytest.Start(t)))
	s := newSession()
	s.ExpiresAt = s.IssuedAt.Add(time.Second)
	spent := sessions.Spent{Owner: s.Owner, Kind: sessions.KindAccessToken, TokenID: "jti", ExpiresAt: s.ExpiresAt}
	if err := errors.Join(store.Create(t.Context(), s, 10), store.Spend(t.Context(), spent)); err != nil {
		t.Fatal(err)
	}
	g := NewWithT(t)
	g.Eventually(func() []string { return keys(t, store) }, patience, 10*time.Millisecond).Should(BeEmpty())
	if _, err := store.Get(t.Context(), s.Owner, s.ID); !errors.Is(err, sessions.ErrNotFound) {
		t.Errorf("got %v, want %v", err, sessions.ErrNotFound)
	}
	// What has expired already may be written, and leaves nothing.
	spent.ExpiresAt = s.IssuedAt.Add(-time.Hour)
	if err := errors.Join(store.Create(t.Context(), s, 10), store.Spend(t.Context(), spent)); err != nil {
		t.Errorf("write what has expired: %v", err)
	}
	g.Eventually(func() []string { return keys(t, store) }, patience, 10*time.Millisecond).Should(BeEmpty())
}

func TestOthersKeysStay(t *testing.T) {
	store := open(t, optionsFor(valkeytest.Start(t)))
	client := store.Client()
	for _, name := range []string{"session:other", valkey.Prefix + "limits:x", valkey.Prefix + "session:damaged"} {
		if err := client.Do(t.Context(), client.B().Set().Key(name).Value("x").Build()).Error(); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if err := store.Create(t.Context(), newSession(), 10); err != nil {
			t.Fatal(err)
		}
	}
	removed, err := store.Sweep(t.Context(), time.Now().Add(24*time.Hour), func(*sessions.Session) bool { return true })
	if removed != 3 || err != nil {
		t.Errorf("got %d removed (%v), want the 3 sessions", removed, err)
	}
	if names := keys(t, store); len(names) != 3 {
		t.Errorf("got the keys %q, want those that are no sessions", names)
	}
}

// A session that is refreshed while it is judged has to be judged anew.
func TestASessionThatChangesUnderASweep(t *testing.T) {
	server := valkeytest.Start(t)
	here, there := open(t, optionsFor(server)), open(t, optionsFor(server))
	s := newSession()
	if err := here.Create(t.Context(), s, 10); err != nil {
		t.Fatal(err)
	}
	removed, err := here.Sweep(t.Context(), time.Now(), func(judged *sessions.Session) bool {
		refreshed := *judged
		if err := there.Replace(t.Context(), &refreshed); err != nil {
			t.Error(err)
		}
		return true
	})
	if removed != 0 || err != nil {
		t.Errorf("got %d removed (%v), want none", removed, err)
	}
	if _, err := there.Get(t.Context(), s.Owner, s.ID); err != nil {
		t.Errorf("got %v, want the session", err)
	}
}

func TestSweepsOfMany(t *testing.T) {
	server := valkeytest.Start(t)
	store := open(t, valkey.Options{URL: "redis://" + server.Address, PasswordFile: server.PasswordFile})
	const many = 500
	now := time.Now()
	for i := range many {
		s := newSession()
		spent := sessions.Spent{Owner: s.Owner, Kind: sessions.KindAccessToken, TokenID: s.ID, ExpiresAt: now.Add(time.Hour)}
		if i%2 == 0 {
			s.Username = "bob"
		}
		if err := errors.Join(store.Create(t.Context(), s, many), store.Spend(t.Context(), spent)); err != nil {
			t.Fatal(err)
		}
	}
	removed, err := store.Sweep(t.Context(), now, func(s *sessions.Session) bool { return s.Username == "bob" })
	if removed != many/2 || err != nil {
		t.Errorf("got %d removed (%v), want %d", removed, err, many/2)
	}
	removed, err = store.Sweep(t.Context(), now.Add(2*time.Hour), func(*sessions.Session) bool { return false })
	if removed != many/2+many || err != nil {
		t.Errorf("got %d removed (%v), want %d", removed, err, many/2+many)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := store.Sweep(ctx, now, func(*sessions.Session) bool { return false }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestTheEndOfManySessionsOfAUser(t *testing.T) {
	server := valkeytest.Start(t)
	here, there := open(t, optionsFor(server)), open(t, optionsFor(server))
	const many = 900
	bobs := newSession()
	for i := range many {
		s := newSession()
		if i%2 == 0 {
			s.Username = "bob"
			bobs = s
		}
		if err := here.Create(t.Context(), s, many); err != nil {
			t.Fatal(err)
		}
	}
	ended, err := there.EndUser(t.Context(), bobs.Owner, "bob", bobs.UserKind)
	if ended != many/2 || err != nil {
		t.Errorf("got %d ended (%v), want %d", ended, err, many/2)
	}
	// The others, and their sorted set.
	if names := keys(t, here); len(names) != many/2+1 {
		t.Errorf("there are %d keys left, want %d", len(names), many/2+1)
	}
	if _, err := here.Get(t.Context(), bobs.Owner, bobs.ID); !errors.Is(err, sessions.ErrNotFound) {
		t.Errorf("got %v, want %v", err, sessions.ErrNotFound)
	}
}

func TestASessionThatCannotBeReadEndsWithNobodys(t *testing.T) {
	store := open(t, optionsFor(valkeytest.Start(t)))
	client := store.Client()
	damaged, sound := newSession(), newSession()
	if err := store.Create(t.Context(), damaged, 10); err != nil {
		t.Fatal(err)
	}
	for _, name := range keys(t, store) {
		if strings.HasPrefix(name, valkey.Prefix+"session:") {
			if err := client.Do(t.Context(), client.B().Set().Key(name).Value("damaged").Build()).Error(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := store.Create(t.Context(), sound, 10); err != nil {
		t.Fatal(err)
	}
	if ended, err := store.EndUser(t.Context(), sound.Owner, sound.Username, sound.UserKind); ended != 1 || err != nil {
		t.Errorf("got %d ended (%v), want the sound one", ended, err)
	}
}

func TestAServerThatComesAndGoes(t *testing.T) {
	for name, start := range map[string]func(testing.TB, ...string) *valkeytest.Server{
		"with a password": valkeytest.Start, "with TLS": valkeytest.StartTLS,
	} {
		t.Run(name, func(t *testing.T) {
			server := start(t)
			server.Stop()
			store := open(t, optionsFor(server)) // It starts without the server.
			s := newSession()
			if err := store.Create(t.Context(), s, 10); !errors.Is(err, sessions.ErrUnavailable) {
				t.Errorf("got %v, want %v", err, sessions.ErrUnavailable)
			}
			server.Restart()
			g := NewWithT(t)
			g.Eventually(func() error { return store.Create(t.Context(), s, 10) }, patience, 10*time.Millisecond).Should(Succeed())

			// The password and the CA may change while the server is away.
			if server.CAFile != "" {
				server.RenewCertificate()
			}
			server.ChangePassword()
			server.Restart()
			g.Eventually(func() error { return store.Create(t.Context(), s, 10) }, patience, 10*time.Millisecond).Should(Succeed())

			// A server that is there again is asked again, without a failure in between.
			server.Restart()
			if _, err := store.Get(t.Context(), s.Owner, s.ID); !errors.Is(err, sessions.ErrNotFound) {
				t.Errorf("got %v from a server that lost everything, want %v", err, sessions.ErrNotFound)
			}
			store.Close()
			if _, err := store.Get(t.Context(), s.Owner, s.ID); !errors.Is(err, sessions.ErrUnavailable) {
				t.Errorf("got %v after Close, want %v", err, sessions.ErrUnavailable)
			}
		})
	}
}

func TestAServerThatRefuses(t *testing.T) {
	server, secure := valkeytest.Start(t), valkeytest.StartTLS(t)
	wrong := filepath.Join(t.TempDir(), "password")
	const password = "a-wrong-password"
	if err := os.WriteFile(wrong, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]valkey.Options{
		"a wrong password":   {URL: "valkey://" + server.Address, PasswordFile: wrong},
		"an unknown user":    {URL: "valkey://mallory@" + server.Address, PasswordFile: server.PasswordFile},
		"no password":        {URL: "valkey://" + server.Address},
		"no such database":   {URL: "valkey://" + server.Address + "/999", PasswordFile: server.PasswordFile},
		"an unknown issuer":  {URL: "valkeys://" + secure.Address, PasswordFile: secure.PasswordFile},
		"TLS where none is":  {URL: "valkeys://" + server.Address, PasswordFile: server.PasswordFile},
		"no TLS where it is": {URL: "valkey://" + secure.Address, PasswordFile: secure.PasswordFile},
		"another name than the certificate's": {
			URL: "valkeys://" + strings.Replace(secure.Address, "127.0.0.1", "127.0.0.2", 1), PasswordFile: secure.PasswordFile, CAFile: secure.CAFile,
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := open(t, o)
			s := newSession()
			err := store.Create(t.Context(), s, 10)
			if !errors.Is(err, sessions.ErrUnavailable) || strings.Contains(err.Error(), password) || strings.Contains(err.Error(), server.Password) {
				t.Errorf("got %v, want %v and no password", err, sessions.ErrUnavailable)
			}
		})
	}
}

func TestTheCapHoldsAtOnce(t *testing.T) {
	store := open(t, optionsFor(valkeytest.Start(t)))
	const most, many = 5, 40
	var group sync.WaitGroup
	for range many {
		group.Go(func() {
			if err := store.Create(t.Context(), newSession(), most); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	// As many as may be, and their sorted set.
	if names := keys(t, store); len(names) != most+1 {
		t.Errorf("got %d keys after %d concurrent logins, want %d", len(names), many, most+1)
	}
}

// A client needs a nonce for each request, and one assertion for many.
func TestThereIsMoreRoomForNonces(t *testing.T) {
	o := optionsFor(valkeytest.Start(t))
	o.MostSpent = 2
	store := open(t, o)
	spend := func(kind string) error {
		return store.Spend(t.Context(), sessions.Spent{
			Owner: newSession().Owner, Kind: kind, TokenID: sessions.NewID(), ExpiresAt: time.Now().Add(time.Hour),
		})
	}
	for kind, room := range map[string]int{sessions.KindOneTimeCode: 2, sessions.KindNonce: 60} {
		for i := range room {
			if err := spend(kind); err != nil {
				t.Fatalf("%s %d of %d: %v", kind, i+1, room, err)
			}
		}
		if err := spend(kind); !errors.Is(err, sessions.ErrFull) {
			t.Errorf("%s %d: got %v, want %v", kind, room+1, err, sessions.ErrFull)
		}
	}
}
