// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/base64"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers"
	"github.com/integration-operator/integration-operator/tokenserver/audit"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/kubestore"
	"github.com/integration-operator/integration-operator/tokenserver/sealing"
	"github.com/integration-operator/integration-operator/tokenserver/sealing/sealingtest"
	"github.com/integration-operator/integration-operator/tokenserver/signer"
	"github.com/integration-operator/integration-operator/tokenserver/signer/signertest"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// mintTime is what the clock of these tests says first; tokens have whole seconds of it.
var mintTime = time.Date(2026, 11, 22, 10, 0, 0, 999_000_000, time.UTC)

// givenKeys are the keys that a test says there are.
type givenKeys struct {
	signing  []*signer.Key
	sealing  []*sealing.Key
	unsynced bool
}

func (k *givenKeys) Keys() *signer.Set {
	set, err := signer.NewSet(k.signing)
	if err != nil {
		panic(err)
	}
	return set
}

func (k *givenKeys) SealingKeys() *sealing.Set { return sealing.NewSet(k.sealing) }

func (k *givenKeys) Synced() bool { return !k.unsynced }

func newSigningKey(t *testing.T) *signer.Key {
	t.Helper()
	pemBytes, err := signertest.NewKey("ES256")
	if err != nil {
		t.Fatal(err)
	}
	key, err := signer.ParseKey(pemBytes)
	if err != nil {
		t.Fatal(err)
	}
	key.Active, key.ActivatedAt = true, mintTime
	return key
}

// A mintWorld is a minter whose keys, clock and audit log a test has at hand.
type mintWorld struct {
	*minter
	keys *givenKeys
	at   time.Time
	log  *strings.Builder
}

func newMintWorld(t *testing.T) *mintWorld {
	t.Helper()
	sealingKey, err := sealing.ParseKey(sealingtest.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	sealingKey.Active, sealingKey.ActivatedAt = true, mintTime
	w := &mintWorld{
		keys: &givenKeys{signing: []*signer.Key{newSigningKey(t)}, sealing: []*sealing.Key{sealingKey}},
		at:   mintTime, log: &strings.Builder{},
	}
	w.minter = &minter{
		issuer: "https://tokens.example", keys: w.keys, now: func() time.Time { return w.at },
		audit: &audit.Recorder{Log: slog.New(slog.NewTextHandler(w.log, nil))},
	}
	return w
}

// mintable returns an Integration that may have two scopes for one audience, and one of them for another.
func mintable(name string) *v1alpha1.Integration {
	i := &v1alpha1.Integration{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("uid-of-" + name)}}
	i.Status.ClientID = i.WantedClientID()
	i.Status.Granted = &v1alpha1.Granted{
		GrantTypes: []v1alpha1.GrantType{v1alpha1.GrantTypeClientCredentials},
		Access: []v1alpha1.Access{
			{Audience: "https://orders.example", Scopes: []string{"read", "write"}},
			{Audience: "https://stock.example", Scopes: []string{"read"}},
		},
		DefaultScopes:    []string{"read", "write"},
		SigningAlgorithm: v1alpha1.SigningAlgorithmES256,
		Lifetime:         metav1.Duration{Duration: 90 * time.Second},
	}
	return i
}

// mint makes a token that counts.
func (w *mintWorld) mint(t *testing.T, i *v1alpha1.Integration) controllers.MintedToken {
	t.Helper()
	minted, err := w.MintToken(t.Context(), i, v1alpha1.AccessTokenSpec{Key: "token"})
	if err != nil {
		t.Fatal(err)
	}
	return minted
}

func TestWhatAMintedTokenIsGoodFor(t *testing.T) {
	orders, stock := "https://orders.example", "https://stock.example"
	for _, tt := range []struct {
		name          string
		edit          func(*v1alpha1.Integration)
		ask           v1alpha1.AccessTokenSpec
		wantScopes    []string
		wantAudiences []string
		wantOpaque    bool
		wantErr       string
	}{
		{
			"all audiences, and the default scopes that each of them has", nil,
			v1alpha1.AccessTokenSpec{},
			[]string{"read"},
			[]string{orders, stock},
			false, "",
		},
		{"one audience has more", nil, v1alpha1.AccessTokenSpec{Audience: orders}, []string{"read", "write"}, []string{orders}, false, ""},
		{
			"scopes are narrowed to those asked for", nil,
			v1alpha1.AccessTokenSpec{Audience: orders, Scopes: &[]string{"write"}},
			[]string{"write"},
			[]string{orders},
			false, "",
		},
		{"no scopes are asked for", nil, v1alpha1.AccessTokenSpec{Scopes: &[]string{}}, nil, []string{orders, stock}, false, ""},
		{
			"an opaque one", func(i *v1alpha1.Integration) { i.Status.Granted.TokenFormat = v1alpha1.TokenFormatOpaque },
			v1alpha1.AccessTokenSpec{Audience: stock},
			[]string{"read"},
			[]string{stock},
			true, "",
		},
		{
			"an audience that is not granted", nil,
			v1alpha1.AccessTokenSpec{Audience: "https://else.example"},
			nil, nil, false,
			"audience https://else.example is not granted",
		},
		{
			"a scope that is not granted", nil,
			v1alpha1.AccessTokenSpec{Audience: stock, Scopes: &[]string{"read", "write"}},
			nil, nil, false,
			"scope write is not granted",
		},
		{
			"a scope that only one of the audiences has", nil,
			v1alpha1.AccessTokenSpec{Scopes: &[]string{"write"}},
			nil, nil, false,
			"scope write is not granted",
		},
		{
			"another grant only", func(i *v1alpha1.Integration) {
				i.Status.Granted.GrantTypes = []v1alpha1.GrantType{v1alpha1.GrantTypePassword}
			}, v1alpha1.AccessTokenSpec{}, nil, nil, false, "it is granted none",
		},
		{
			"no client", func(i *v1alpha1.Integration) { i.Status.ClientID = "shop.other" },
			v1alpha1.AccessTokenSpec{},
			nil, nil, false, "it is granted none",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, i := newMintWorld(t), mintable("app")
			if tt.edit != nil {
				tt.edit(i)
			}
			tt.ask.Key = "token"
			minted, err := w.MintToken(t.Context(), i, tt.ask)
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) || !strings.Contains(err.Error(), "mint token token of Integration shop/app") {
					t.Errorf("got error %v, want %q", err, tt.wantErr)
				}
				if minted.Token != nil || w.log.Len() != 0 {
					t.Errorf("got a token, or it was recorded: %s", w.log)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			issued := mintTime.Truncate(time.Second)
			want := controllers.MintedToken{
				Token: minted.Token, Scopes: tt.wantScopes, Audiences: tt.wantAudiences, Opaque: tt.wantOpaque,
				IssuedAt: issued, ExpiresAt: issued.Add(90 * time.Second),
			}
			if diff := cmp.Diff(want, minted); diff != "" {
				t.Errorf("minted (-want +got):\n%s", diff)
			}
			// What is said of the token is what it says.
			inspected, err := w.InspectToken(t.Context(), i, minted.Token)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, inspected, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("inspected (-want +got):\n%s", diff)
			}
			log := w.log.String()
			if strings.Contains(log, string(minted.Token)) || strings.Count(log, "\n") != 1 || !strings.Contains(log, "grant=delivery") ||
				!strings.Contains(log, "shop/app") {
				t.Errorf("want one line about the delivery, without the token, got:\n%s", log)
			}
		})
	}
}

func TestWhichTokensMayStayInASecret(t *testing.T) {
	noSigning := func(w *mintWorld) { w.keys.signing = nil }
	opaque := func(i *v1alpha1.Integration) { i.Status.Granted.TokenFormat = v1alpha1.TokenFormatOpaque }
	for _, tt := range []struct {
		name string
		// made edits the Integration that the token is made for, and after what has changed since.
		made  func(*v1alpha1.Integration)
		after func(*mintWorld)
		// edit edits the Integration that the token is looked at for.
		edit func(*v1alpha1.Integration)
		want error
	}{
		{"one that is good", nil, nil, nil, nil},
		{"one that has expired", nil, func(w *mintWorld) { w.at = w.at.Add(90 * time.Second) }, nil, tokens.ErrExpiredToken},
		{"one of another issuer", nil, func(w *mintWorld) { w.issuer = "https://else.example" }, nil, tokens.ErrInvalidToken},
		{"another client's", nil, nil, func(i *v1alpha1.Integration) { i.Status.ClientID = "shop.other" }, errOthersToken},
		{"that of an Integration of the same name before", nil, nil, func(i *v1alpha1.Integration) { i.UID = "recreated" }, errOthersToken},
		{"one of a key that is gone, beside others", nil, func(w *mintWorld) {
			w.keys.signing = []*signer.Key{newSigningKey(t)}
		}, nil, tokens.ErrInvalidToken},
		{"one while there are no keys yet", nil, noSigning, nil, controllers.ErrNoTokenKey},
		{"one while no key signs yet", nil, func(w *mintWorld) {
			key := newSigningKey(t)
			key.Active = false
			w.keys.signing = []*signer.Key{key}
		}, nil, controllers.ErrNoTokenKey},
		{"one of an unknown key while not all keys have been seen", nil, func(w *mintWorld) {
			w.keys.signing, w.keys.unsynced = []*signer.Key{newSigningKey(t)}, true
		}, nil, controllers.ErrNoTokenKey},
		{"one of a known key while not all keys have been seen", nil, func(w *mintWorld) { w.keys.unsynced = true }, nil, nil},
		{"one that has expired while not all keys have been seen", nil, func(w *mintWorld) {
			w.at, w.keys.unsynced = w.at.Add(90*time.Second), true
		}, nil, tokens.ErrExpiredToken},
		{"an opaque one needs no signing key", opaque, noSigning, nil, nil},
		{"an opaque one while not all keys have been seen", opaque, func(w *mintWorld) {
			w.keys.sealing, w.keys.unsynced = nil, true
		}, nil, controllers.ErrNoTokenKey},
		// A key that encrypts exists only while somebody needs it.
		{"an opaque one whose key is gone", opaque, func(w *mintWorld) { w.keys.sealing = nil }, nil, tokens.ErrInvalidToken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, i := newMintWorld(t), mintable("app")
			if tt.made != nil {
				tt.made(i)
			}
			minted := w.mint(t, i)
			if tt.after != nil {
				tt.after(w)
			}
			if tt.edit != nil {
				tt.edit(i)
			}
			got, err := w.InspectToken(t.Context(), i, minted.Token)
			if !errors.Is(err, tt.want) {
				t.Errorf("got error %v, want %v", err, tt.want)
			}
			if err != nil && (got.Token != nil || strings.Contains(err.Error(), string(minted.Token))) {
				t.Errorf("got a token, or its text, beside error %v", err)
			}
		})
	}
}

func TestAUsersTokenIsNotTheClients(t *testing.T) {
	w, i := newMintWorld(t), mintable("app")
	c, ok := kubestore.ClientOf(i)
	if !ok {
		t.Fatal("the Integration has no client")
	}
	issuer := &tokens.Issuer{URL: w.issuer, Keys: w.keys.Keys(), Sealing: w.keys.SealingKeys(), Now: w.now}
	user := &clients.User{Name: "ada", Kind: "Customer"}
	token, err := issuer.AccessToken(tokens.Terms{
		Client: c, Subject: tokens.SubjectOf(c, user), Audience: []string{"https://stock.example"}, User: user,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.InspectToken(t.Context(), i, []byte(token.Token)); !errors.Is(err, errOthersToken) {
		t.Errorf("got error %v, want that it is somebody else's", err)
	}
}

func TestNoTokenIsMintedWithoutItsKey(t *testing.T) {
	for name, tt := range map[string]struct {
		format v1alpha1.TokenFormat
		take   func(*givenKeys)
	}{
		"a signed one":     {v1alpha1.TokenFormatJWT, func(k *givenKeys) { k.signing = nil }},
		"an encrypted one": {v1alpha1.TokenFormatOpaque, func(k *givenKeys) { k.sealing = nil }},
	} {
		t.Run(name, func(t *testing.T) {
			w, i := newMintWorld(t), mintable("app")
			i.Status.Granted.TokenFormat = tt.format
			tt.take(w.keys)
			minted, err := w.MintToken(t.Context(), i, v1alpha1.AccessTokenSpec{Key: "token"})
			if !errors.Is(err, controllers.ErrNoTokenKey) || minted.Token != nil || w.log.Len() != 0 {
				t.Errorf("got %v, a token: %t, recorded: %q", err, minted.Token != nil, w.log)
			}
		})
	}
}

// What is delivered has the claims that the profile's clients read, and is recognised again by what is beside them.
func TestAMintedTokenHasTheClaimsOfItsProfile(t *testing.T) {
	for profile, wantAudience := range map[v1alpha1.Profile]string{
		v1alpha1.ProfileShopware: `"aud":"SWIA`, v1alpha1.ProfileOroCommerce: `"storefront"]`,
	} {
		t.Run(string(profile), func(t *testing.T) {
			w := newMintWorld(t)
			intg := mintable("shop")
			intg.Spec.Profile, intg.Spec.ClientID, intg.Status.Granted.Profile = profile, "", profile
			if profile == v1alpha1.ProfileOroCommerce {
				intg.Spec.OroCommerce = &v1alpha1.OroCommerceSpec{Application: v1alpha1.OroCommerceStorefront}
				intg.Status.Granted.Application = v1alpha1.OroCommerceStorefront
			}
			intg.Status.ClientID = intg.DerivedClientID()
			minted, err := w.MintToken(t.Context(), intg, v1alpha1.AccessTokenSpec{Key: "token"})
			if err != nil {
				t.Fatal(err)
			}
			payload, err := base64.RawURLEncoding.DecodeString(strings.Split(string(minted.Token), ".")[1])
			if err != nil || !strings.Contains(string(payload), wantAudience) || !strings.Contains(string(payload), `"scopes":[`) {
				t.Errorf("the claims are %s (%v)", payload, err)
			}
			inspected, err := w.InspectToken(t.Context(), intg, minted.Token)
			if diff := cmp.Diff(minted, inspected, cmpopts.EquateEmpty()); err != nil || diff != "" {
				t.Errorf("it is recognised as (-minted +inspected), %v:\n%s", err, diff)
			}
		})
	}
}
