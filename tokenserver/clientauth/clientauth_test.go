// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clientauth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/integration-operator/integration-operator/tokenserver/audit"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/limits"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
)

const secret = "a-secret-with-enough-characters-for-anybody"

var (
	at     = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	source = netip.MustParseAddr("192.0.2.1")
)

func now() time.Time { return at }

// A registry has a few clients.
type registry map[string]*clients.Client

func (r registry) Client(id string) (*clients.Client, bool) {
	c, ok := r[id]
	return c, ok
}

// newRegistry returns clients that have a secret and the methods that their names say, and may be suspended.
func newRegistry() registry {
	r := registry{}
	for id, methods := range map[string][]clients.Method{
		"secret": {clients.MethodClientSecret}, "suspended": {clients.MethodClientSecret}, "revoked": {clients.MethodClientSecret},
		"public": {clients.MethodNone}, "suspended-public": {clients.MethodNone},
		"both": {clients.MethodNone, clients.MethodClientSecret}, "jwt": {clients.MethodPrivateKeyJWT}, "nothing": nil,
	} {
		r[id] = &clients.Client{
			ID: id, Namespace: "shop", Name: "the-" + id, UID: "uid-" + id, Methods: methods,
			Suspended: strings.HasPrefix(id, "suspended"), Secrets: []clients.Secret{{Hash: sha256.Sum256([]byte(secret))}},
		}
	}
	r["revoked"].RevokedBefore = at.Add(time.Second)
	return r
}

// newAuthenticator returns an Authenticator whose failures never matter.
func newAuthenticator() *Authenticator {
	return &Authenticator{
		Clients: newRegistry(), Limits: limits.NewMemory(now), Now: now,
		Assertions: &Assertions{Audiences: []string{"https://tokens.example"}, Spent: &spent{}, Now: now},
	}
}

func TestAuthenticateBySecret(t *testing.T) {
	tests := []struct {
		name, client, secret string
		want                 error
	}{
		{"the right secret", "secret", secret, nil},
		{"the right secret of a client that may be public, too", "both", secret, nil},
		{"a wrong secret", "secret", secret + "x", errWrongSecret},
		{"a secret that is part of the right one", "secret", secret[1:], errWrongSecret},
		{"no secret", "secret", "", errWrongSecret},
		{"an unknown client", "unknown", secret, errUnknownClient},
		{"no client", "", secret, errUnknownClient},
		{"a suspended client", "suspended", secret, errStopped},
		{"a suspended client with a wrong secret", "suspended", "x", errWrongSecret},
		{"a client that is revoked for now", "revoked", secret, errStopped},
		{"a public client that sends a wrong secret", "public", "x", errWrongSecret},
		{"a public client that sends a secret which it once had", "public", secret, errWrongMethod},
		{"a client for assertions only", "jwt", secret, errWrongMethod},
		{"a client without any method", "nothing", secret, errWrongMethod},
		{"a client that may be public with a wrong secret", "both", "x", errWrongSecret},
	}
	for _, tt := range tests {
		for _, method := range []oauth2.Method{oauth2.MethodBasic, oauth2.MethodPost} {
			t.Run(tt.name+" by "+string(method), func(t *testing.T) {
				caller, err := newAuthenticator().Authenticate(t.Context(), source,
					oauth2.Credentials{Method: method, ClientID: tt.client, Secret: oauth2.Secret(tt.secret)})
				if tt.want != nil {
					wantRefused(t, caller, err, tt.want)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if caller.Client().ID != tt.client || caller.Public() {
					t.Errorf("got the client %q, public %t", caller.Client().ID, caller.Public())
				}
			})
		}
	}
}

func TestUsesOfThePreviousSecretAreTold(t *testing.T) {
	const former = "another-secret-with-enough-characters-for-anybody"
	tests := []struct {
		name         string
		secret       string
		until        time.Time
		edit         func(*clients.Client)
		want         error
		wantPrevious bool
	}{
		{name: "the current secret", secret: secret, until: at.Add(time.Hour)},
		{name: "the previous secret", secret: former, until: at.Add(time.Hour), wantPrevious: true},
		{name: "the previous secret when it expires", secret: former, until: at, want: errWrongSecret},
		{name: "a wrong secret", secret: "wrong", until: at.Add(time.Hour), want: errWrongSecret},
		{
			name: "the previous secret of a suspended client", secret: former, until: at.Add(time.Hour),
			edit: func(c *clients.Client) { c.Suspended = true }, want: errStopped,
		},
		{
			name: "the previous secret of a client that may no longer use one", secret: former, until: at.Add(time.Hour),
			edit: func(c *clients.Client) { c.Methods = []clients.Method{clients.MethodNone} }, want: errWrongMethod,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newAuthenticator()
			client, _ := a.Clients.Client("secret")
			client.Secrets = append(client.Secrets, clients.Secret{Hash: sha256.Sum256([]byte(former)), Previous: true, Until: tt.until})
			if tt.edit != nil {
				tt.edit(client)
			}
			var told []*clients.Client
			a.PreviousUsed = func(c *clients.Client) { told = append(told, c) }
			c := guesses("secret", tt.secret)
			caller, err := a.Authenticate(t.Context(), source, c)
			var event audit.Event
			a.Describe(&event, caller, &c, err)
			if tt.want != nil {
				wantRefused(t, caller, err, tt.want)
			} else if err != nil {
				t.Fatal(err)
			}
			if (len(told) == 1 && told[0] == client) != tt.wantPrevious || len(told) > 1 {
				t.Errorf("told of %v, want %t", told, tt.wantPrevious)
			}
			if (event.Credential == audit.PreviousSecret) != tt.wantPrevious {
				t.Errorf("the audit log says credential %q", event.Credential)
			}
			a.PreviousUsed = nil
			if again, _ := a.Authenticate(t.Context(), source, c); (again == nil) != (caller == nil) {
				t.Errorf("with nobody to tell the caller is %v, want as before", again)
			}
		})
	}
}

func TestAuthenticatePublic(t *testing.T) {
	tests := []struct {
		name, client string
		want         error
	}{
		{"a public client", "public", nil},
		{"a client that may be public", "both", nil},
		{"a client with a secret", "secret", errNoCredentials},
		{"a client with keys", "jwt", errNoCredentials},
		{"a suspended client", "suspended-public", errStopped},
		{"an unknown client", "unknown", errUnknownClient},
		{"no client", "", errNoCredentials},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			caller, err := newAuthenticator().Authenticate(t.Context(), source,
				oauth2.Credentials{Method: oauth2.MethodNone, ClientID: tt.client})
			if tt.want != nil {
				wantRefused(t, caller, err, tt.want)
				if !strings.Contains(err.Description(), "by HTTP Basic") {
					t.Errorf("the description %q does not say what to send", err.Description())
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if caller.Client().ID != tt.client || !caller.Public() {
				t.Errorf("got the client %q, public %t", caller.Client().ID, caller.Public())
			}
		})
	}
	t.Run("a method that there is not", func(t *testing.T) {
		caller, err := newAuthenticator().Authenticate(t.Context(), source, oauth2.Credentials{ClientID: "secret", Secret: secret})
		wantRefused(t, caller, err, errNoCredentials)
	})
}

func wantRefused(t *testing.T, caller *Caller, err *oauth2.Error, want error) {
	t.Helper()
	if caller != nil || err == nil {
		t.Fatalf("got the caller %v, want %v", caller, want)
	}
	if err.Code() != "invalid_client" || err.Status() != 401 || !errors.Is(err, want) {
		t.Errorf("got %d %v because %v, want invalid_client because %v", err.Status(), err, err.Unwrap(), want)
	}
}

// guesses are requests that must all look alike.
func guesses(id, secret string) oauth2.Credentials {
	return oauth2.Credentials{Method: oauth2.MethodBasic, ClientID: id, Secret: oauth2.Secret(secret)}
}

// Whatever is wrong, and however often it was tried, the reply is the same to the byte.
func TestRefusalsLookAlike(t *testing.T) {
	groups := map[string][]oauth2.Credentials{
		"secrets": {
			guesses("unknown", secret), guesses("secret", "wrong"), guesses("suspended", secret), guesses("suspended", "wrong"),
			guesses("revoked", secret), guesses("public", secret), guesses("nothing", secret),
		},
		"public clients": {
			{Method: oauth2.MethodNone, ClientID: "unknown"},
			{Method: oauth2.MethodNone, ClientID: "secret"},
			{Method: oauth2.MethodNone, ClientID: "suspended-public"},
		},
	}
	for name, group := range groups {
		var want []string
		for i, c := range group {
			// Fresh counts for each: what is compared is how they look from first to last.
			a := newAuthenticator()
			var got []string
			for range 60 {
				_, err := a.Authenticate(t.Context(), source, c)
				got = append(got, render(err))
			}
			if i == 0 {
				want = got
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %q looks different (-first +this):\n%s", name, c.ClientID, diff)
			}
		}
		statuses := map[string]int{}
		for _, reply := range want {
			statuses[reply[:3]]++
		}
		if diff := cmp.Diff(map[string]int{"401": 10, "429": 50}, statuses); diff != "" {
			t.Errorf("%s: statuses (-want +got):\n%s", name, diff)
		}
	}
}

// render returns everything that a client sees of an error.
func render(err *oauth2.Error) string {
	w := httptest.NewRecorder()
	oauth2.WriteError(w, err)
	return fmt.Sprint(w.Code, w.Header(), w.Body)
}

func TestTooManyFailures(t *testing.T) {
	a := newAuthenticator()
	for range 10 {
		_, err := a.Authenticate(t.Context(), source, guesses("secret", "wrong"))
		wantRefused(t, nil, err, errWrongSecret)
	}
	_, err := a.Authenticate(t.Context(), source, guesses("secret", "wrong"))
	if err.Status() != 429 || err.Code() != "invalid_client" || !errors.Is(err, errWrongSecret) {
		t.Errorf("got %d %v, want invalid_client with 429", err.Status(), err)
	}
	w := httptest.NewRecorder()
	oauth2.WriteError(w, err)
	if w.Header().Get("Retry-After") != "1" || w.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("got the headers %v", w.Header())
	}
	if _, err := a.Authenticate(t.Context(), source, guesses("secret", secret)); err != nil {
		t.Errorf("the right secret is refused after too many wrong ones: %v", err)
	}
	// One address, many clients.
	for i := range 39 {
		_, err := a.Authenticate(t.Context(), source, guesses(fmt.Sprint("unknown", i), "wrong"))
		wantRefused(t, nil, err, errUnknownClient)
	}
	if _, err := a.Authenticate(t.Context(), source, guesses("another", "wrong")); err.Status() != 429 {
		t.Errorf("the address has failed fifty-one times, and the client gets %d", err.Status())
	}
	_, err = a.Authenticate(t.Context(), netip.MustParseAddr("192.0.2.2"), guesses("yet-another", "wrong"))
	wantRefused(t, nil, err, errUnknownClient)
}

// A denying Limiter blocks everything, and fails the test when it is asked by somebody who got in.
type denying struct{ asked int }

func (d *denying) Blocked(context.Context, ...limits.Key) time.Duration { d.asked++; return time.Hour }

func (d *denying) Failed(context.Context, ...limits.Key) time.Duration { d.asked++; return time.Hour }
func (d *denying) Succeeded(context.Context, ...limits.Key)            { d.asked++ }

func TestSuccessNeedsNoLimiter(t *testing.T) {
	a, l := newAuthenticator(), &denying{}
	a.Limits = l
	for _, c := range []oauth2.Credentials{guesses("secret", secret), {Method: oauth2.MethodNone, ClientID: "public"}} {
		if _, err := a.Authenticate(t.Context(), source, c); err != nil {
			t.Errorf("%q: %v", c.ClientID, err)
		}
	}
	if l.asked != 0 {
		t.Errorf("the limiter was asked %d times", l.asked)
	}
}

func TestName(t *testing.T) {
	a := newAuthenticator()
	tests := []struct {
		name        string
		credentials oauth2.Credentials
		want        audit.Event
	}{
		{"a client that exists", guesses("secret", "wrong"), audit.Event{Client: "secret", Integration: "shop/the-secret"}},
		{"a client that does not", guesses("unknown", "wrong"), audit.Event{UnknownClient: "unknown"}},
		{"no client", oauth2.Credentials{Method: oauth2.MethodNone}, audit.Event{}},
		{
			"the subject of an assertion",
			oauth2.Credentials{Method: oauth2.MethodPrivateKeyJWT, Assertion: "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJqd3QifQ.eA"},
			audit.Event{Client: "jwt", Integration: "shop/the-jwt"},
		},
		{"a mangled assertion", oauth2.Credentials{Method: oauth2.MethodPrivateKeyJWT, Assertion: "a.b"}, audit.Event{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got audit.Event
			a.Describe(&got, nil, &tt.credentials, nil)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("event (-want +got):\n%s", diff)
			}
		})
	}
}

// BenchmarkAuthenticate shows that the time tells nothing of why a client is refused: the lines but the first should be alike.
func BenchmarkAuthenticate(b *testing.B) {
	cases := map[string]oauth2.Credentials{
		"0 right secret": guesses("secret", secret), "1 unknown client": guesses("unknown", secret),
		"2 wrong secret": guesses("secret", "wrong"),
		"3 suspended":    guesses("suspended", secret), "4 not by secret": guesses("jwt", secret),
	}
	for _, name := range sorted(maps.Keys(cases)) {
		b.Run(name[2:], func(b *testing.B) {
			a := newAuthenticator()
			b.ReportAllocs()
			for b.Loop() {
				_, _ = a.Authenticate(b.Context(), source, cases[name])
			}
		})
	}
}
