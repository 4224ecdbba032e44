// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clientauth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

func sorted(names iter.Seq[string]) []string { return slices.Sorted(names) }

// spent remembers token IDs as a session store does.
type spent struct {
	mu   sync.Mutex
	seen map[sessions.Spent]bool
	err  error
}

func (s *spent) Spend(_ context.Context, one sessions.Spent) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	id := one
	id.ExpiresAt = time.Time{}
	if s.seen[id] {
		return fmt.Errorf("spend: %w", sessions.ErrUsed)
	}
	if s.seen == nil {
		s.seen = map[sessions.Spent]bool{}
	}
	s.seen[id], s.seen[one] = true, true
	return nil
}

// keySource answers for one URL.
type keySource struct {
	set   *jose.JSONWebKeySet
	err   error
	asked []string
}

func (k *keySource) Keys(_ context.Context, url, keyID string) (*jose.JSONWebKeySet, error) {
	k.asked = append(k.asked, url+" "+keyID)
	return k.set, k.err
}

// signingKeys are made once, as RSA keys take their time.
var signingKeys = sync.OnceValue(func() map[string]crypto.Signer {
	keys := map[string]crypto.Signer{}
	must := func(name string, key crypto.Signer, err error) {
		if err != nil {
			panic(err)
		}
		keys[name] = key
	}
	for _, name := range []string{"ec", "ec2"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(name, key, err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must("p384", p384, err)
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	must("ed", edwards, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	must("rsa", rsaKey, err)
	return keys
})

func public(name, id, algorithm, use string) jose.JSONWebKey {
	return jose.JSONWebKey{Key: signingKeys()[name].Public(), KeyID: id, Algorithm: algorithm, Use: use}
}

const issuer = "https://tokens.example"

// goodClaims returns claims that are as they should be; each call has a jti of its own.
func goodClaims() jwt.MapClaims {
	return jwt.MapClaims{
		"iss": "jwt", "sub": "jwt", "aud": issuer, "jti": rand.Text(), "iat": at.Unix(), "nbf": at.Unix(), "exp": at.Add(time.Minute).Unix(),
	}
}

// sign makes an assertion. Headers come in pairs; nil takes one away.
func sign(tb testing.TB, method jwt.SigningMethod, key any, claims jwt.Claims, headers ...any) oauth2.Secret {
	tb.Helper()
	token := jwt.NewWithClaims(method, claims)
	for pair := range slices.Chunk(headers, 2) {
		name, _ := pair[0].(string)
		if pair[1] == nil {
			delete(token.Header, name)
			continue
		}
		token.Header[name] = pair[1]
	}
	signed, err := token.SignedString(key)
	if err != nil {
		tb.Fatal(err)
	}
	return oauth2.Secret(signed)
}

// withKeys returns an Authenticator whose client "jwt" has keys.
func withKeys(keys ...jose.JSONWebKey) *Authenticator {
	a := newAuthenticator()
	a.Assertions.Audiences = []string{issuer, issuer + "/oauth2/token"}
	r, _ := a.Clients.(registry)
	r["jwt"].AssertionKeys = &jose.JSONWebKeySet{Keys: keys}
	r["suspended-jwt"] = &clients.Client{
		ID: "suspended-jwt", Methods: []clients.Method{clients.MethodPrivateKeyJWT}, AssertionKeys: r["jwt"].AssertionKeys, Suspended: true,
	}
	return a
}

func presented(assertion oauth2.Secret) oauth2.Credentials {
	return oauth2.Credentials{Method: oauth2.MethodPrivateKeyJWT, Assertion: assertion}
}

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// A guessByKey returns what is presented to whom, and why it is refused.
type guessByKey func() (*Authenticator, oauth2.Credentials, error)

// guessesByKey are assertions that nobody's key signed, or that are for a client which does not get in by one.
func guessesByKey(tb testing.TB) map[string]guessByKey {
	tb.Helper()
	k := signingKeys()
	as := func(client string) jwt.MapClaims {
		claims := goodClaims()
		claims["iss"], claims["sub"] = client, client
		return claims
	}
	forEncryption := public("rsa", "", "", "enc")
	private := jose.JSONWebKey{Key: k["ec"]}
	guess := func(want error, client string, key any, method jwt.SigningMethod, headers []any, keys ...jose.JSONWebKey) guessByKey {
		return func() (*Authenticator, oauth2.Credentials, error) {
			return withKeys(keys...), presented(sign(tb, method, key, as(client), headers...)), want
		}
	}
	es := jwt.SigningMethodES256
	return map[string]guessByKey{
		"an unknown client":           guess(errUnknownClient, "unknown", k["ec"], es, nil, public("ec", "", "", "")),
		"a client with a secret only": guess(errWrongMethod, "secret", k["ec"], es, nil, public("ec", "", "", "")),
		"a suspended client":          guess(errStopped, "suspended-jwt", k["ec"], es, nil, public("ec", "", "", "")),
		"another key":                 guess(errWrongSignature, "jwt", k["ec2"], es, nil, public("ec", "", "", "")),
		"another key for the kid": guess(errWrongSignature, "jwt", k["ec2"], es, []any{"kid", "k1"},
			public("ec", "k1", "", ""), public("ec2", "k2", "", "")),
		"a kid that there is not": guess(errWrongSignature, "jwt", k["ec"], es, []any{"kid", "k3"}, public("ec", "k1", "", "")),
		"no keys":                 guess(errWrongSignature, "jwt", k["ec"], es, nil),
		"a key of another type":   guess(errWrongSignature, "jwt", k["ec"], es, nil, public("rsa", "", "", "")),
		"a key of another curve":  guess(errWrongSignature, "jwt", k["ec"], es, nil, public("p384", "", "", "")),
		"an algorithm that the key is not for": guess(errWrongSignature, "jwt", k["rsa"], jwt.SigningMethodRS256, nil,
			public("rsa", "", "PS256", "")),
		"a key for encryption":                     guess(errWrongSignature, "jwt", k["rsa"], jwt.SigningMethodRS256, nil, forEncryption),
		"a private key where a public one belongs": guess(errWrongSignature, "jwt", k["ec"], es, nil, private),
		"the ninth key without kid": guess(errWrongSignature, "jwt", k["ec"], es, nil,
			append(slices.Repeat([]jose.JSONWebKey{public("ec2", "", "", "")}, 8), public("ec", "", "", ""))...),
		"a key that the header brings along": guess(errWrongSignature, "jwt", k["ec2"], es, []any{"jwk", jwkOf(tb, "ec2")},
			public("ec", "", "", "")),
	}
}

func jwkOf(tb testing.TB, name string) map[string]any {
	tb.Helper()
	key := public(name, "", "", "")
	data, err := json.Marshal(&key)
	if err != nil {
		tb.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(data, &members); err != nil {
		tb.Fatal(err)
	}
	return members
}

func TestAssertionsThatProveNothing(t *testing.T) {
	cases := guessesByKey(t)
	want := ""
	for _, name := range sorted(maps.Keys(cases)) {
		t.Run(name, func(t *testing.T) {
			a, credentials, cause := cases[name]()
			caller, err := a.Authenticate(t.Context(), source, credentials)
			wantRefused(t, caller, err, cause)
			got := render(err)
			if want == "" {
				want = got
			}
			if got != want {
				t.Errorf("it looks different from the others:\n%s\n%s", got, want)
			}
			if wait := a.Limits.Failed(t.Context()); wait != 0 {
				t.Errorf("one failure blocks for %s", wait)
			}
		})
	}
}

// Nothing may change, in any bit, not even those at the end of a part that no byte needs.
func TestAssertionsThatWereEdited(t *testing.T) {
	a := withKeys(public("ec", "", "", ""))
	assertion := sign(t, jwt.SigningMethodES256, signingKeys()["ec"], goodClaims()).Reveal()
	for i := range len(assertion) {
		for bit := range 8 {
			edited := []byte(assertion)
			edited[i] ^= 1 << bit
			if _, err := a.Authenticate(t.Context(), source, presented(oauth2.Secret(edited))); err == nil {
				t.Errorf("the assertion is still good with another bit %d in byte %d", bit, i)
			}
		}
	}
	for _, edited := range []string{
		assertion + "=", assertion + ".", assertion + "\n", " " + assertion, strings.Replace(assertion, ".", "\n.", 1),
	} {
		if _, err := a.Authenticate(t.Context(), source, presented(oauth2.Secret(edited))); err == nil {
			t.Errorf("the assertion is still good as %q", edited)
		}
	}
	if _, err := a.Authenticate(t.Context(), source, presented(oauth2.Secret(assertion))); err != nil {
		t.Errorf("the assertion itself is refused: %v", err)
	}
}

func TestAssertionIsSpentOnce(t *testing.T) {
	a := withKeys(public("ec", "", "", ""))
	assertion := sign(t, jwt.SigningMethodES256, signingKeys()["ec"], goodClaims())
	var all sync.WaitGroup
	results := make(chan *oauth2.Error, 16)
	for range cap(results) {
		all.Go(func() {
			_, err := a.Authenticate(t.Context(), source, presented(assertion))
			results <- err
		})
	}
	all.Wait()
	close(results)
	good := 0
	for err := range results {
		if err == nil {
			good++
			continue
		}
		if !errors.Is(err, errReplayed) {
			t.Errorf("got %v because %v", err, err.Unwrap())
		}
	}
	if good != 1 {
		t.Errorf("the assertion was good %d times", good)
	}
	store, _ := a.Assertions.Spent.(*spent)
	for one := range store.seen {
		if one.ExpiresAt.IsZero() {
			continue
		}
		want := sessions.Owner{Namespace: "shop", Name: "the-jwt", UID: "uid-jwt"}
		if one.Owner != want || one.Kind != sessions.KindClientAssertion {
			t.Errorf("recorded as %+v", one)
		}
		// The assertion expires after a minute, and a clock that is a minute ahead must not forget it before.
		if end := at.Add(2*time.Minute + clockLeeway); one.ExpiresAt.Before(end) || one.ExpiresAt.After(end.Add(2*time.Second)) {
			t.Errorf("the record may go at %s, want %s or a little later", one.ExpiresAt, end)
		}
	}
}

func TestAssertionsWhileSomethingIsAway(t *testing.T) {
	ec := signingKeys()["ec"]
	away := errors.New("away")
	tests := []struct {
		name   string
		change func(*Authenticator, *clients.Client)
		want   error
	}{
		{
			"the session store is away",
			func(a *Authenticator, _ *clients.Client) {
				a.Assertions.Spent = &spent{err: fmt.Errorf("%w: %w", sessions.ErrUnavailable, away)}
			},
			sessions.ErrUnavailable,
		},
		{
			"the client has used too many",
			func(a *Authenticator, _ *clients.Client) { a.Assertions.Spent = &spent{err: sessions.ErrFull} },
			sessions.ErrFull,
		},
		{
			"the client's keys are away",
			func(a *Authenticator, c *clients.Client) {
				c.JWKSURI, a.Assertions.Keys = "https://keys.example", &keySource{err: away}
			},
			away,
		},
		{
			"nobody fetches keys",
			func(_ *Authenticator, c *clients.Client) { c.JWKSURI = "https://keys.example" },
			errNoKeySource,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := withKeys(public("ec", "", "", ""))
			l := &denying{}
			a.Limits = l
			r, _ := a.Clients.(registry)
			tt.change(a, r["jwt"])
			_, err := a.Authenticate(t.Context(), source, presented(sign(t, jwt.SigningMethodES256, ec, goodClaims())))
			if err == nil || err.Code() != "temporarily_unavailable" || err.Status() != 503 || !errors.Is(err, tt.want) {
				t.Fatalf("got %v because %v, want temporarily_unavailable because %v", err, errors.Unwrap(err), tt.want)
			}
			if !strings.Contains(render(err), "Retry-After:[5]") {
				t.Errorf("the reply %s has no Retry-After", render(err))
			}
			if l.asked != 0 {
				t.Error("what is not the client's fault must not be counted against it")
			}
		})
	}
}

func TestKeysAtURL(t *testing.T) {
	a := withKeys(public("ec2", "", "", ""))
	r, _ := a.Clients.(registry)
	r["jwt"].JWKSURI, r["suspended-jwt"].JWKSURI = "https://keys.example/a?b", "https://keys.example/a?b"

	fetcher := &keySource{set: &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public("ec", "k1", "", "")}}}
	a.Assertions.Keys = fetcher
	authenticate := func(client string, key crypto.Signer) *oauth2.Error {
		claims := goodClaims()
		claims["iss"], claims["sub"] = client, client
		_, err := a.Authenticate(t.Context(), source, presented(sign(t, jwt.SigningMethodES256, key, claims, "kid", "k1")))
		return err
	}
	if err := authenticate("jwt", signingKeys()["ec"]); err != nil {
		t.Errorf("the key at the URL is refused: %v", err)
	}
	wantRefused(t, nil, authenticate("jwt", signingKeys()["ec2"]), errWrongSignature)
	wantRefused(t, nil, authenticate("suspended-jwt", signingKeys()["ec"]), errStopped)
	wantRefused(t, nil, authenticate("unknown", signingKeys()["ec"]), errUnknownClient)
	// Nobody makes this server fetch anything for a client that does not get in anyway.
	if want := slices.Repeat([]string{"https://keys.example/a?b k1"}, 2); !slices.Equal(fetcher.asked, want) {
		t.Errorf("asked for %q, want %q", fetcher.asked, want)
	}
}

// An assertion by go-jose is as good as one by golang-jwt.
func TestAssertionByAnotherLibrary(t *testing.T) {
	for algorithm, name := range map[jose.SignatureAlgorithm]string{jose.ES256: "ec", jose.RS256: "rsa", jose.PS256: "rsa", jose.EdDSA: "ed"} {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: signingKeys()[name]}, (&jose.SignerOptions{}).WithType("JWT"))
		if err != nil {
			t.Fatal(err)
		}
		payload, err := json.Marshal(goodClaims())
		if err != nil {
			t.Fatal(err)
		}
		jws, err := signer.Sign(payload)
		if err != nil {
			t.Fatal(err)
		}
		compact, err := jws.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		a := withKeys(public(name, "", "", ""))
		if _, err := a.Authenticate(t.Context(), source, presented(oauth2.Secret(compact))); err != nil {
			t.Errorf("%s: %v because %v", algorithm, err, err.Unwrap())
		}
	}
}

func TestAlgorithms(t *testing.T) {
	if got, want := Algorithms(), []string{"ES256", "EdDSA", "RS256", "PS256"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, algorithm := range Algorithms() {
		fit := 0
		for _, key := range decoys() {
			if keys, err := (&Assertions{}).keysOf(t.Context(), &clients.Client{AssertionKeys: &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key}}},
				&assertion{algorithm: jose.SignatureAlgorithm(algorithm)}); err == nil {
				fit += len(keys)
			}
		}
		if fit != 1 {
			t.Errorf("%d decoys fit %s, want one", fit, algorithm)
		}
	}
}

// BenchmarkAssertion shows that the time tells nothing of why an assertion is refused: the lines of one algorithm should be alike.
func BenchmarkAssertion(b *testing.B) {
	for _, of := range []struct {
		name   string
		method jwt.SigningMethod
	}{{"ec", jwt.SigningMethodES256}, {"rsa", jwt.SigningMethodRS256}, {"ed", jwt.SigningMethodEdDSA}} {
		for _, client := range []string{"unknown", "jwt", "suspended-jwt", "secret"} {
			b.Run(of.name+" "+client, func(b *testing.B) {
				a := withKeys(public(of.name, "", "", ""))
				claims := goodClaims()
				claims["iss"], claims["sub"] = client, client
				assertion := sign(b, of.method, signingKeys()[of.name], claims).Reveal()
				// Another signature of the same length.
				claims["jti"] = "other"
				other := sign(b, of.method, signingKeys()[of.name], claims).Reveal()
				edited := assertion[:strings.LastIndex(assertion, ".")] + other[strings.LastIndex(other, "."):]
				for b.Loop() {
					_, _ = a.Authenticate(b.Context(), source, presented(oauth2.Secret(edited)))
				}
			})
		}
	}
}
