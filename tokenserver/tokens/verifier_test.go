// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package tokens

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/sealing"
	"github.com/integration-operator/integration-operator/tokenserver/sealing/sealingtest"
	"github.com/integration-operator/integration-operator/tokenserver/signer"
)

const issuerURL = "https://tokens.example"

// newSealing returns a set with one active key.
func newSealing(tb testing.TB) *sealing.Set {
	tb.Helper()
	key, err := sealing.ParseKey(sealingtest.NewKey())
	if err != nil {
		tb.Fatal(err)
	}
	key.Active, key.ActivatedAt = true, now
	return sealing.NewSet([]*sealing.Key{key})
}

// newPair returns an issuer and a verifier with the same keys.
func newPair(tb testing.TB, algorithm string) (*Issuer, *Verifier) {
	tb.Helper()
	set, _ := newSet(tb, algorithm)
	seal := newSealing(tb)
	clock := func() time.Time { return now }
	return &Issuer{URL: issuerURL, Keys: set, Sealing: seal, Now: clock},
		&Verifier{Issuer: issuerURL, Keys: set, Sealing: seal, Now: clock}
}

// newUserTerms returns the terms of a user's token.
func newUserTerms(algorithm string, opaque bool) Terms {
	terms := newTerms(algorithm, "read write")
	terms.Client.Opaque, terms.Client.RefreshLifetime = opaque, time.Hour
	terms.User = &clients.User{Name: "zoë", Kind: "Admin"}
	terms.Subject, terms.SessionID = SubjectOf(terms.Client, terms.User), "session1"
	return terms
}

// accessToken issues an access token.
func accessToken(tb testing.TB, i *Issuer, terms Terms) AccessToken {
	tb.Helper()
	token, err := i.AccessToken(terms)
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

// refreshToken issues a refresh token.
func refreshToken(tb testing.TB, i *Issuer) RefreshToken {
	tb.Helper()
	token, err := i.RefreshToken(newUserTerms("ES256", false).Client, "session1")
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

func TestVerifierReadsWhatTheIssuerMakes(t *testing.T) {
	for _, algorithm := range []string{"ES256", "RS256", "EdDSA"} {
		for name, opaque := range map[string]bool{"JWT": false, "opaque": true} {
			t.Run(algorithm+" "+name, func(t *testing.T) {
				issuer, verifier := newPair(t, algorithm)
				token := accessToken(t, issuer, newUserTerms(algorithm, opaque))
				if got := strings.Count(token.Token, ".") == 4; got != opaque {
					t.Errorf("got an encrypted token: %t, want %t", got, opaque)
				}
				got, err := verifier.AccessToken(token.Token)
				if err != nil {
					t.Fatal(err)
				}
				want := &Claims{
					Issuer: issuerURL, Subject: "shop.order-sync:zoë", Audience: []string{"https://orders.shop.example"},
					ClientID: "shop.order-sync", Scope: "read write", IssuedAt: now.Unix(), NotBefore: now.Unix(),
					ExpiresAt: now.Unix() + 90, ID: token.ID, SessionID: "session1",
					Integration: Integration{Namespace: "shop", Name: "order-sync", UID: "uid-1", Username: "zoë", Kind: "Admin"},
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("claims (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// TestJWTsVerifyElsewhere verifies a token as an API would, with a client of OpenID Connect and the published keys.
func TestJWTsVerifyElsewhere(t *testing.T) {
	for _, algorithm := range []string{"ES256", "RS256", "EdDSA"} {
		t.Run(algorithm, func(t *testing.T) {
			issuer, _ := newPair(t, algorithm)
			token := accessToken(t, issuer, newUserTerms(algorithm, false))
			body, _ := issuer.Keys.JWKS()
			var published jose.JSONWebKeySet
			if err := json.Unmarshal(body, &published); err != nil {
				t.Fatal(err)
			}
			keys := &oidc.StaticKeySet{}
			for _, key := range published.Keys {
				keys.PublicKeys = append(keys.PublicKeys, key.Key)
			}
			verifier := oidc.NewVerifier(issuerURL, keys, &oidc.Config{
				ClientID: "https://orders.shop.example", SupportedSigningAlgs: []string{algorithm}, Now: func() time.Time { return now },
			})
			verified, err := verifier.Verify(t.Context(), token.Token)
			if err != nil {
				t.Fatal(err)
			}
			if verified.Subject != "shop.order-sync:zoë" {
				t.Errorf("got the subject %q", verified.Subject)
			}
		})
	}
}

func TestRefreshToken(t *testing.T) {
	issuer, verifier := newPair(t, "ES256")
	token := refreshToken(t, issuer)
	got, err := verifier.RefreshToken(token.Token)
	if err != nil {
		t.Fatal(err)
	}
	want := &RefreshClaims{
		Issuer: issuerURL, ClientID: "shop.order-sync", UID: "uid-1", SessionID: "session1", ID: token.ID,
		IssuedAt: now.Unix(), ExpiresAt: now.Unix() + 3600,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	key, _ := issuer.Sealing.Active()
	wantToken := RefreshToken{
		Token: token.Token, ID: token.ID, Hash: HashOf(token.Token), KeyID: key.ID,
		IssuedAt: now.Truncate(time.Second), ExpiresAt: now.Truncate(time.Second).Add(time.Hour),
	}
	if diff := cmp.Diff(wantToken, token); diff != "" {
		t.Errorf("token (-want +got):\n%s", diff)
	}
	if again := refreshToken(t, issuer); again.Token == token.Token || again.Hash == token.Hash {
		t.Error("two refresh tokens of one session are alike")
	}
}

// TestTokensWithoutSealingKey checks that what needs the key waits for it, and that nothing else does.
func TestTokensWithoutSealingKey(t *testing.T) {
	issuer, _ := newPair(t, "ES256")
	for name, set := range map[string]*sealing.Set{"nil": nil, "empty": sealing.NewSet(nil)} {
		issuer.Sealing = set
		if got, err := issuer.RefreshToken(newTerms("ES256", "").Client, "s"); !errors.Is(err, ErrNoActiveKey) || got.Token != "" {
			t.Errorf("%s: got %v for a refresh token, want ErrNoActiveKey", name, err)
		}
		if got, err := issuer.AccessToken(newUserTerms("ES256", true)); !errors.Is(err, ErrNoActiveKey) || got.Token != "" {
			t.Errorf("%s: got %v for an opaque token, want ErrNoActiveKey", name, err)
		}
		accessToken(t, issuer, newUserTerms("ES256", false))
	}
	issuer, _ = newPair(t, "ES256")
	// The algorithm of a client with opaque tokens does not need a key.
	accessToken(t, issuer, newUserTerms("RS256", true))
}

// TestNoEditPasses flips every bit of every kind of token.
func TestNoEditPasses(t *testing.T) {
	for _, algorithm := range []string{"ES256", "RS256", "EdDSA"} {
		issuer, verifier := newPair(t, algorithm)
		checkNoEditPasses(t, verifier, accessToken(t, issuer, newUserTerms(algorithm, false)).Token)
		if algorithm == "ES256" {
			checkNoEditPasses(t, verifier, accessToken(t, issuer, newUserTerms(algorithm, true)).Token)
			checkNoEditPasses(t, verifier, refreshToken(t, issuer).Token)
		}
	}
}

// checkNoEditPasses flips every bit of a token, and checks that it does not count any more.
func checkNoEditPasses(t *testing.T, v *Verifier, token string) {
	t.Helper()
	check := func(edited, how string, at int) {
		_, access := v.AccessToken(edited)
		_, refresh := v.RefreshToken(edited)
		if !errors.Is(access, ErrInvalidToken) || !errors.Is(refresh, ErrInvalidToken) {
			t.Errorf("a token with byte %d %s counts (%v, %v)", at, how, access, refresh)
		}
	}
	for i := range len(token) {
		for bit := range 8 {
			edited := []byte(token)
			edited[i] ^= 1 << bit
			check(string(edited), "flipped", i)
		}
		check(token[:i]+token[i+1:], "left out", i)
		check(token[:i]+"\n"+token[i:], "behind a line break", i)
	}
	check(token+"=", "padded", len(token))
	check(token+"\r\n", "behind which the line ends", len(token))
}

// handmade returns a JWT with the given header and claims, signed by whatever method and key.
func handmade(t *testing.T, method jwt.SigningMethod, secret any, header map[string]any, claims any) string {
	t.Helper()
	encodedHeader, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	encodedClaims, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	encoding := base64.RawURLEncoding
	input := encoding.EncodeToString(encodedHeader) + "." + encoding.EncodeToString(encodedClaims)
	signature, err := method.Sign(input, secret)
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + encoding.EncodeToString(signature)
}

// good returns claims that verify.
func good() *Claims {
	return &Claims{
		Issuer: issuerURL, Subject: "shop.order-sync", Audience: []string{"https://orders.shop.example"}, ClientID: "shop.order-sync",
		IssuedAt: now.Unix(), NotBefore: now.Unix(), ExpiresAt: now.Unix() + 90, ID: "jti", Integration: Integration{UID: "uid-1"},
	}
}

// rsaPublic returns the public half of an RSA key.
func rsaPublic(t *testing.T, key *signer.Key) *rsa.PublicKey {
	t.Helper()
	public, ok := key.Private.Public().(*rsa.PublicKey)
	if !ok {
		t.Fatalf("got a key of type %T", key.Private)
	}
	return public
}

// publicPEM renders a public key as an API's configuration has it.
func publicPEM(t *testing.T, public crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func TestHeadersThatDoNotCount(t *testing.T) {
	_, verifier := newPair(t, "RS256")
	key := mustActive(t, verifier.Keys, "RS256")
	other, _ := newSet(t, "RS256")
	sealer, _ := verifier.Sealing.Active()
	rs256 := func(header map[string]any) string {
		return handmade(t, jwt.SigningMethodRS256, key.Private, header, good())
	}
	confused := map[string]any{"typ": "at+jwt", "alg": "HS256", "kid": key.ID}
	jws := func(header string) string {
		input := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte("{}"))
		signature, err := jwt.SigningMethodRS256.Sign(input, key.Private)
		if err != nil {
			t.Fatal(err)
		}
		return input + "." + base64.RawURLEncoding.EncodeToString(signature)
	}
	claims, err := json.Marshal(good())
	if err != nil {
		t.Fatal(err)
	}
	sealedAs := func(typ string) string {
		token, err := sealer.Encrypt(typ, claims)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	tests := []struct{ name, token string }{
		{"nothing", ""},
		{"words", "hello world"},
		{"dots", ".."},
		{"more dots", "...."},
		{"a token of more than 64 KiB", strings.Repeat("a", 64<<10) + ".b.c"},
		{"no algorithm", handmade(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType,
			map[string]any{"typ": "at+jwt", "alg": "none", "kid": key.ID}, good())},
		{"no algorithm, in other letters", jws(`{"typ":"at+jwt","alg":"nOnE","kid":"` + key.ID + `"}`)},
		{"the public key as a secret, in DER", handmade(t, jwt.SigningMethodHS256, x509.MarshalPKCS1PublicKey(rsaPublic(t, key)), confused, good())},
		{"the public key as a secret, in PEM", handmade(t, jwt.SigningMethodHS256, publicPEM(t, key.Private.Public()), confused, good())},
		{"the kid as a secret", handmade(t, jwt.SigningMethodHS256, []byte(key.ID), confused, good())},
		{"an algorithm that the key could sign with, but does not", handmade(t, jwt.SigningMethodRS384, key.Private,
			map[string]any{"typ": "at+jwt", "alg": "RS384", "kid": key.ID}, good())},
		{"a signature by another algorithm than the header says", handmade(t, jwt.SigningMethodRS384, key.Private,
			map[string]any{"typ": "at+jwt", "alg": "RS256", "kid": key.ID}, good())},
		{"PSS", handmade(t, jwt.SigningMethodPS256, key.Private, map[string]any{"typ": "at+jwt", "alg": "PS256", "kid": key.ID}, good())},
		{"an unknown kid", jws(`{"typ":"at+jwt","alg":"RS256","kid":"other"}`)},
		{"an empty kid", jws(`{"typ":"at+jwt","alg":"RS256","kid":""}`)},
		{"no kid", jws(`{"typ":"at+jwt","alg":"RS256"}`)},
		{"the kid alone", jws(`"kid":"` + key.ID + `"}`)},
		{"half a kid", jws(`{"typ":"at+jwt","alg":"RS256","kid":"`)},
		{"another key with the kid of this", handmade(t, jwt.SigningMethodRS256, mustActive(t, other, "RS256").Private,
			map[string]any{"typ": "at+jwt", "alg": "RS256", "kid": key.ID}, good())},
		{"typ JWT", rs256(map[string]any{"typ": "JWT", "alg": "RS256", "kid": key.ID})},
		{"no typ", rs256(map[string]any{"alg": "RS256", "kid": key.ID})},
		{"crit", jws(`{"typ":"at+jwt","alg":"RS256","crit":["exp"],"kid":"` + key.ID + `"}`)},
		{"jwk", jws(`{"typ":"at+jwt","alg":"RS256","jwk":{"kty":"RSA"},"kid":"` + key.ID + `"}`)},
		{"members in another order", jws(`{"alg":"RS256","typ":"at+jwt","kid":"` + key.ID + `"}`)},
		{"a header that is no JSON", jws("kid")},
		{"claims that are no JSON", func() string {
			input := base64.RawURLEncoding.EncodeToString([]byte(headerOf(key))) + "." + base64.RawURLEncoding.EncodeToString([]byte("{"))
			signature, err := jwt.SigningMethodRS256.Sign(input, key.Private)
			if err != nil {
				t.Fatal(err)
			}
			return input + "." + base64.RawURLEncoding.EncodeToString(signature)
		}()},
		{"claims sealed as something else", sealedAs("rt+jwt")},
		{"a token that another server sealed", accessToken(t, &Issuer{
			URL: issuerURL, Sealing: newSealing(t), Now: verifier.Now,
		}, newUserTerms("RS256", true)).Token},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := verifier.AccessToken(tt.token); !errors.Is(err, ErrInvalidToken) || got != nil {
				t.Errorf("got %+v (%v) as an access token, want ErrInvalidToken", got, err)
			}
			if got, err := verifier.RefreshToken(tt.token); !errors.Is(err, ErrInvalidToken) || got != nil {
				t.Errorf("got %+v (%v) as a refresh token, want ErrInvalidToken", got, err)
			}
		})
	}
}

func TestKindsOfTokensAreToldApart(t *testing.T) {
	issuer, verifier := newPair(t, "ES256")
	refresh := refreshToken(t, issuer).Token
	if got, err := verifier.AccessToken(refresh); !errors.Is(err, ErrInvalidToken) || got != nil {
		t.Errorf("got %+v (%v) for a refresh token as an access token", got, err)
	}
	for _, opaque := range []bool{false, true} {
		access := accessToken(t, issuer, newUserTerms("ES256", opaque)).Token
		if got, err := verifier.RefreshToken(access); !errors.Is(err, ErrInvalidToken) || got != nil {
			t.Errorf("got %+v (%v) for an access token as a refresh token", got, err)
		}
	}
	// Even the claims of the other kind do not help.
	key, _ := issuer.Sealing.Active()
	payload, err := json.Marshal(good())
	if err != nil {
		t.Fatal(err)
	}
	token, err := key.SignMAC("at+jwt", payload)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := verifier.AccessToken(token); !errors.Is(err, ErrInvalidToken) || got != nil {
		t.Errorf("got %+v (%v) for an access token that is authenticated like a refresh token", got, err)
	}
}

func TestClaimsThatDoNotCount(t *testing.T) {
	_, verifier := newPair(t, "ES256")
	signing := mustActive(t, verifier.Keys, "ES256")
	sealer, _ := verifier.Sealing.Active()
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	tests := []struct {
		name   string
		change func(*Claims)
		want   error
	}{
		{"nothing wrong", func(*Claims) {}, nil},
		{"another issuer", func(c *Claims) { c.Issuer = "https://evil.example" }, ErrInvalidToken},
		{"the issuer with a slash", func(c *Claims) { c.Issuer += "/" }, ErrInvalidToken},
		{"no issuer", func(c *Claims) { c.Issuer = "" }, ErrInvalidToken},
		{"no subject", func(c *Claims) { c.Subject = "" }, ErrInvalidToken},
		{"no client", func(c *Claims) { c.ClientID = "" }, ErrInvalidToken},
		{"no UID", func(c *Claims) { c.Integration.UID = "" }, ErrInvalidToken},
		{"no ID", func(c *Claims) { c.ID = "" }, ErrInvalidToken},
		{"no audience", func(c *Claims) { c.Audience = nil }, ErrInvalidToken},
		{"no expiry", func(c *Claims) { c.ExpiresAt = 0 }, ErrExpiredToken},
		{"expired", func(c *Claims) { c.ExpiresAt = at(-time.Second) }, ErrExpiredToken},
		{"expiring this second", func(c *Claims) { c.ExpiresAt = at(0) }, ErrExpiredToken},
		{"expiring the next second", func(c *Claims) { c.ExpiresAt = at(time.Second) }, nil},
		{"from a replica whose clock is ahead", func(c *Claims) { c.IssuedAt, c.NotBefore = at(Leeway), at(Leeway) }, nil},
		{"issued in the future", func(c *Claims) { c.IssuedAt = at(Leeway + time.Second) }, ErrInvalidToken},
		{"valid in the future", func(c *Claims) { c.NotBefore = at(Leeway + time.Second) }, ErrInvalidToken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			claims := good()
			tt.change(claims)
			jws, err := sign(signing, headerOf(signing), claims)
			if err != nil {
				t.Fatal(err)
			}
			payload, err := json.Marshal(claims)
			if err != nil {
				t.Fatal(err)
			}
			jwe, err := sealer.Encrypt(typeOpaque, payload)
			if err != nil {
				t.Fatal(err)
			}
			for _, token := range []string{jws, jwe} {
				got, err := verifier.AccessToken(token)
				if !errors.Is(err, tt.want) || (got == nil) != (tt.want != nil) {
					t.Errorf("got %+v (%v), want %v", got, err, tt.want)
				}
			}
		})
	}
}

func TestRefreshClaimsThatDoNotCount(t *testing.T) {
	_, verifier := newPair(t, "ES256")
	sealer, _ := verifier.Sealing.Active()
	tests := []struct {
		name, claims string
		want         error
	}{
		{"no JSON", "{", ErrInvalidToken},
		{"nothing", "{}", ErrInvalidToken},
		{"nothing wrong", `{"iss":"https://tokens.example","client_id":"c","uid":"u","sid":"s","jti":"j","iat":1,"exp":9999999999}`, nil},
		{"another issuer", `{"iss":"https://evil.example","client_id":"c","uid":"u","sid":"s","jti":"j","iat":1,"exp":9999999999}`, ErrInvalidToken},
		{"no session", `{"iss":"https://tokens.example","client_id":"c","uid":"u","jti":"j","iat":1,"exp":9999999999}`, ErrInvalidToken},
		{"no client", `{"iss":"https://tokens.example","uid":"u","sid":"s","jti":"j","iat":1,"exp":9999999999}`, ErrInvalidToken},
		{"no UID", `{"iss":"https://tokens.example","client_id":"c","sid":"s","jti":"j","iat":1,"exp":9999999999}`, ErrInvalidToken},
		{"no ID", `{"iss":"https://tokens.example","client_id":"c","uid":"u","sid":"s","iat":1,"exp":9999999999}`, ErrInvalidToken},
		{"no expiry", `{"iss":"https://tokens.example","client_id":"c","uid":"u","sid":"s","jti":"j","iat":1}`, ErrExpiredToken},
		{"the future", `{"iss":"https://tokens.example","client_id":"c","uid":"u","sid":"s","jti":"j","iat":9999999998,"exp":9999999999}`, ErrInvalidToken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			token, err := sealer.SignMAC(typeRefresh, []byte(tt.claims))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := verifier.RefreshToken(token); !errors.Is(err, tt.want) || (got == nil) != (tt.want != nil) {
				t.Errorf("got %+v (%v), want %v", got, err, tt.want)
			}
		})
	}
}

// TestErrorsHoldNothingOfTheToken looks for any run of a dozen characters of a token in what is logged about it.
func TestErrorsHoldNothingOfTheToken(t *testing.T) {
	issuer, verifier := newPair(t, "ES256")
	_, stranger := newPair(t, "ES256")
	later := *verifier
	later.Now = func() time.Time { return now.Add(24 * time.Hour) }
	for _, token := range []string{
		accessToken(t, issuer, newUserTerms("ES256", false)).Token, accessToken(t, issuer, newUserTerms("ES256", true)).Token,
		refreshToken(t, issuer).Token,
	} {
		for _, v := range []*Verifier{verifier, stranger, &later} {
			_, access := v.AccessToken(token)
			_, refresh := v.RefreshToken(token)
			for _, err := range []error{access, refresh} {
				for i := 0; err != nil && i+12 <= len(token); i++ {
					if strings.Contains(err.Error(), token[i:i+12]) {
						t.Fatalf("the error holds a part of the token: %v", err)
					}
				}
			}
		}
	}
}
