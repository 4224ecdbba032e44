// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package tokens

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/integration-operator/integration-operator/tokenserver/sealing"
	"github.com/integration-operator/integration-operator/tokenserver/signer"
)

// fuzzTokens returns a verifier, and tokens to begin with: of each kind one that counts, and some that do not. The keys
// are constants, as the fuzzer runs in several processes.
func fuzzTokens(f *testing.F) (*Verifier, []string) {
	f.Helper()
	constant := bytes.Repeat([]byte{7}, 32)
	sealer, err := sealing.ParseKey(pem.EncodeToMemory(&pem.Block{Type: "SYMMETRIC KEY", Bytes: constant}))
	if err != nil {
		f.Fatal(err)
	}
	sealer.Active = true
	der, err := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(constant))
	if err != nil {
		f.Fatal(err)
	}
	key, err := signer.ParseKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err != nil {
		f.Fatal(err)
	}
	key.Active = true
	set, err := signer.NewSet([]*signer.Key{key})
	if err != nil {
		f.Fatal(err)
	}
	clock := func() time.Time { return now }
	issuer := &Issuer{URL: issuerURL, Keys: set, Sealing: sealing.NewSet([]*sealing.Key{sealer}), Now: clock}
	verifier := &Verifier{Issuer: issuerURL, Keys: set, Sealing: issuer.Sealing, Now: clock}
	seeds := []string{
		accessToken(f, issuer, newUserTerms("EdDSA", false)).Token, accessToken(f, issuer, newUserTerms("EdDSA", true)).Token,
		refreshToken(f, issuer).Token, "", "..", "....", "e30.e30.e30", "eyJhbGciOiJub25lIn0.e30.", strings.Repeat("a", sealing.MaxTokenBytes+1),
	}
	for _, seed := range seeds[:3] {
		seeds = append(seeds, seed+"=", seed[:len(seed)-1], seed[1:], strings.ToLower(seed), strings.ReplaceAll(seed, ".", ".."))
	}
	return verifier, seeds
}

// FuzzAccessToken checks that whatever counts as an access token was made with the keys: whoever guesses one breaks the
// cryptography.
func FuzzAccessToken(f *testing.F) {
	verifier, seeds := fuzzTokens(f)
	for _, seed := range seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		got, err := verifier.AccessToken(token)
		if (got == nil) == (err == nil) {
			t.Fatalf("got %+v (%v), want either claims or an error", got, err)
		}
		if err != nil {
			if !errors.Is(err, ErrInvalidToken) && !errors.Is(err, ErrExpiredToken) {
				t.Errorf("got %v, want one of the two errors", err)
			}
			return
		}
		if got.Issuer != issuerURL || got.ClientID == "" || got.ID == "" || len(got.Audience) == 0 || got.ExpiresAt <= now.Unix() {
			t.Errorf("%+v counts", got)
		}
		if _, err := verifier.RefreshToken(token); err == nil {
			t.Error("the token is of two kinds")
		}
	})
}

// FuzzRefreshToken checks the same of refresh tokens.
func FuzzRefreshToken(f *testing.F) {
	verifier, seeds := fuzzTokens(f)
	for _, seed := range seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		got, err := verifier.RefreshToken(token)
		if (got == nil) == (err == nil) {
			t.Fatalf("got %+v (%v), want either claims or an error", got, err)
		}
		if err != nil {
			if !errors.Is(err, ErrInvalidToken) && !errors.Is(err, ErrExpiredToken) {
				t.Errorf("got %v, want one of the two errors", err)
			}
			return
		}
		if got.Issuer != issuerURL || got.ClientID == "" || got.SessionID == "" || got.ExpiresAt <= now.Unix() {
			t.Errorf("%+v counts", got)
		}
	})
}

func BenchmarkAccessToken(b *testing.B) {
	for _, opaque := range []bool{false, true} {
		issuer, verifier := newPair(b, "ES256")
		token := accessToken(b, issuer, newUserTerms("ES256", opaque)).Token
		b.Run(map[bool]string{false: "JWT", true: "opaque"}[opaque], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := verifier.AccessToken(token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkBareVerification is what BenchmarkAccessToken compares with: the signature and nothing else.
func BenchmarkBareVerification(b *testing.B) {
	issuer, _ := newPair(b, "ES256")
	token := accessToken(b, issuer, newUserTerms("ES256", false)).Token
	key, _ := issuer.Keys.Active("ES256")
	public := key.Private.Public()
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithTimeFunc(func() time.Time { return now }))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parser.ParseWithClaims(token, &jwt.RegisteredClaims{}, func(*jwt.Token) (any, error) { return public, nil }); err != nil {
			b.Fatal(err)
		}
	}
}
