// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package tokens

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
)

// shape is that of a system whose tokens say little, and all of it otherwise.
func shape(c *Claims) any {
	return map[string]any{
		"iss": c.Issuer, "sub": c.Subject, "aud": c.Login, "iat": c.IssuedAt, "nbf": c.NotBefore, "exp": c.ExpiresAt, "jti": c.ID,
		"sid": c.SessionID, "scopes": []string{"other"}, "integration-operator.io": c.Integration,
	}
}

// profileTerms are those of a login to a client of a profile.
func profileTerms() Terms {
	terms := newTerms("RS256", "read write")
	terms.Client.Profile, terms.Client.Application = clients.ProfileShopware, "Storefront"
	terms.Client.UserLifetimes = map[string]time.Duration{clients.KindAdmin: time.Hour}
	terms.User = &clients.User{Name: "anna", Kind: clients.KindAdmin}
	terms.Subject, terms.Login, terms.Pair, terms.SessionID = SubjectOf(terms.Client, terms.User), "administration", "a-pair", "session"
	return terms
}

func TestATokenOfAProfileHasItsSystemsClaims(t *testing.T) {
	issuer, verifier := newPair(t, "RS256")
	issuer.Shape = shape
	got := accessToken(t, issuer, profileTerms())
	parsed, _, err := jwt.NewParser().ParseUnverified(got.Token, jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	key := mustActive(t, issuer.Keys, "RS256")
	if diff := cmp.Diff(map[string]any{"typ": "JWT", "alg": "RS256", "kid": key.ID, "jti": got.ID}, parsed.Header); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	claims, _ := parsed.Claims.(jwt.MapClaims)
	if claims["aud"] != "administration" || claims["sub"] != "anna" || cmp.Diff([]any{"other"}, claims["scopes"]) != "" {
		t.Errorf("claims: %v", claims)
	}
	if got.Lifetime != time.Hour {
		t.Errorf("a user of this kind gets a token of %s", got.Lifetime)
	}

	read, err := verifier.AccessToken(got.Token)
	if err != nil {
		t.Fatal(err)
	}
	want := &Claims{
		Issuer: issuer.URL, Subject: "anna", Audience: Audience{"https://orders.shop.example"}, ClientID: "shop.order-sync", Scope: "read write",
		IssuedAt: got.IssuedAt.Unix(), NotBefore: got.IssuedAt.Unix(), ExpiresAt: got.ExpiresAt.Unix(), ID: got.ID, SessionID: "session",
		Integration: Integration{
			Namespace: "shop", Name: "order-sync", UID: "uid-1", Username: "anna", Kind: clients.KindAdmin, Profile: clients.ProfileShopware,
			ClientID: "shop.order-sync", Audience: []string{"https://orders.shop.example"}, Scope: "read write", Application: "Storefront", Pair: "a-pair",
		},
	}
	if diff := cmp.Diff(want, read); diff != "" {
		t.Errorf("what the verifier reads (-want +got):\n%s", diff)
	}
	checkNoEditPasses(t, verifier, got.Token)
}

func TestATokenOfAProfileWithoutShapeIsReadAlike(t *testing.T) {
	issuer, verifier := newPair(t, "RS256")
	for name, shape := range map[string]func(*Claims) any{"no shape": nil, "one that shapes nothing": func(*Claims) any { return nil }} {
		issuer.Shape = shape
		read, err := verifier.AccessToken(accessToken(t, issuer, profileTerms()).Token)
		if err != nil || read.Integration.Profile != clients.ProfileShopware || read.Scope != "read write" {
			t.Errorf("%s: got %+v, %v", name, read, err)
		}
	}
}

// The header and the claim say alike whether a token is one of a profile: otherwise claims of one meaning would be read with the other.
func TestHeaderAndProfileGoTogether(t *testing.T) {
	issuer, verifier := newPair(t, "RS256")
	key := mustActive(t, issuer.Keys, "RS256")
	plain := good()
	profiled := good()
	profiled.Integration.Profile, profiled.Integration.ClientID, profiled.Integration.Audience = "Shopware", plain.ClientID, plain.Audience
	for _, tt := range []struct {
		name, header string
		claims       *Claims
		want         error
	}{
		{"a plain token", headerOf(key), plain, nil},
		{"a token of a profile", profileHeaderOf(key, profiled.ID), profiled, nil},
		{"a plain token with the header of a profile", profileHeaderOf(key, plain.ID), plain, ErrInvalidToken},
		{"a token of a profile with the header of a plain one", headerOf(key), profiled, ErrInvalidToken},
		{"another token's ID in the header", profileHeaderOf(key, "another"), profiled, ErrInvalidToken},
		{"no ID in the header", profileHeaderOf(key, ""), profiled, ErrInvalidToken},
		{"more in the header", profileHeaderOf(key, profiled.ID+`","jku":"https://evil.example`), profiled, ErrInvalidToken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			token, err := sign(key, tt.header, tt.claims)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := verifier.AccessToken(token); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestAnAudienceIsAStringOrAList(t *testing.T) {
	for text, want := range map[string]Audience{`"a"`: {"a"}, `["a","b"]`: {"a", "b"}, `[]`: {}, `null`: nil} {
		var got Audience
		if err := json.Unmarshal([]byte(text), &got); err != nil || cmp.Diff(want, got) != "" {
			t.Errorf("%s is %q (%v)", text, got, err)
		}
	}
	for _, text := range []string{`5`, `{}`, `["a",5]`} {
		var got Audience
		if err := json.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s is %q", text, got)
		}
	}
}
