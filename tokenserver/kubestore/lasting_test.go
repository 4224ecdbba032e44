// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
)

// ofProfile returns an Integration that is granted a profile, with users who may log in.
func ofProfile(namespace, name string, profile v1alpha1.Profile) *v1alpha1.Integration {
	i := grantedIntegration(namespace, name, "")
	i.Spec.Profile = profile
	i.Status.ClientID = i.WantedClientID()
	i.Status.Granted.Profile = profile
	i.Status.Granted.TokenFormat = v1alpha1.TokenFormatJWT
	i.Status.Granted.GrantTypes = []v1alpha1.GrantType{v1alpha1.GrantTypeClientCredentials, v1alpha1.GrantTypePassword}
	i.Status.Granted.CredentialMethods = []v1alpha1.CredentialMethod{v1alpha1.CredentialMethodClientSecret, v1alpha1.CredentialMethodNone}
	i.Status.Granted.Users = []v1alpha1.User{{SecretRef: v1alpha1.SecretReference{Name: "ada"}, Kind: v1alpha1.UserKindAdmin}}
	return i
}

// lastingFor returns the lasting token that goes with soundSecret of a word.
func lastingFor(word string) string {
	token, _ := v1alpha1.MagentoTokens(soundSecret(word))
	return token
}

// holderOf returns the UID of the client that the lasting token of a word is of, or nothing.
func holderOf(x *clientIndex, word string) string {
	c, ok := x.other.lasting(lastingFor(word))
	if !ok {
		return ""
	}
	return c.UID
}

func TestALastingTokenInEveryOrderOfEvents(t *testing.T) {
	made := metav1.NewTime(rotated.Add(-time.Hour))
	for _, tt := range []struct {
		name         string
		edit         func(*v1alpha1.Integration, *corev1.Secret)
		wantIssuedAt time.Time
		wantBearer   bool
	}{
		{"one that was never rotated", func(*v1alpha1.Integration, *corev1.Secret) {}, made.Time, false},
		{"one that may have moved to a new Secret", func(i *v1alpha1.Integration, _ *corev1.Secret) {
			i.CreationTimestamp = metav1.NewTime(made.Add(-24 * time.Hour))
		}, made.Add(-24 * time.Hour), false},
		{"one that its Integration took over with an older Secret", func(i *v1alpha1.Integration, _ *corev1.Secret) {
			i.CreationTimestamp = metav1.NewTime(made.Add(24 * time.Hour))
		}, made.Time, false},
		{"a rotation after which it may have moved to a new Secret", func(i *v1alpha1.Integration, s *corev1.Secret) {
			i.CreationTimestamp = metav1.NewTime(made.Add(-24 * time.Hour))
			rotate(s, v1alpha1.RotationRecord{RotatedAt: rotated})
		}, rotated, false},
		{"one of a client that may use it as a bearer token", func(i *v1alpha1.Integration, _ *corev1.Secret) {
			i.Status.Granted.Bearer = true
		}, made.Time, true},
		{"a rotation that is over", func(_ *v1alpha1.Integration, s *corev1.Secret) {
			rotate(s, v1alpha1.RotationRecord{RotatedAt: rotated.Add(time.Millisecond)})
		}, rotated, false},
		{"a rotation under way", func(_ *v1alpha1.Integration, s *corev1.Secret) { rotate(s, superseding("old", time.Hour)) }, rotated, false},
		{"a rotation that is announced", func(_ *v1alpha1.Integration, s *corev1.Secret) { rotate(s, announcing("next")) }, made.Time, false},
		{"a damaged record", func(_ *v1alpha1.Integration, s *corev1.Secret) {
			s.Annotations[v1alpha1.AnnotationRotation] = `{"rotatedAt":"tomorrow"}`
		}, made.Time, false},
		{"a Secret that is too large for the cache", func(_ *v1alpha1.Integration, s *corev1.Secret) {
			rotate(s, v1alpha1.RotationRecord{RotatedAt: rotated})
			s.Data["padding"] = bytes.Repeat([]byte("x"), maxCachedData)
			if _, err := trimSecret("operator", newShared())(s); err != nil || s.Data["padding"] != nil {
				t.Fatalf("it is not trimmed: %v", err)
			}
		}, rotated, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, order := range permutations(3) {
				x := newClientIndex(slog.New(slog.DiscardHandler))
				integrations, secrets := handlers(x)
				i := ofProfile("home", "app", v1alpha1.ProfileMagento)
				s := credentialsSecret(i, "app")
				i.CreationTimestamp, s.CreationTimestamp = made, made
				tt.edit(i, s)
				for _, at := range order {
					[]func(){
						func() { integrations.OnAdd(i, true) },
						func() { secrets.OnAdd(s, true) },
						func() { secrets.OnAdd(loginSecret("home", "ada"), true) },
					}[at]()
				}
				c, ok := x.other.lasting(lastingFor("app"))
				if !ok || c.UID != "home-app" || c.Lasting == nil {
					t.Fatalf("in order %v: got %v, want the client", order, c)
				}
				if published, _ := x.client(i.Status.ClientID); published != c {
					t.Errorf("in order %v: the client of the token is not the published one", order)
				}
				_, wantSecret := v1alpha1.MagentoTokens(soundSecret("app"))
				if got := c.Lasting; got.ConsumerSecret() != string(soundSecret("app")) || got.TokenSecret() != wantSecret ||
					got.Hash != sha256.Sum256([]byte(lastingFor("app"))) {
					t.Errorf("in order %v: the lasting token is not the one of the client secret", order)
				}
				if !c.Lasting.IssuedAt.Equal(tt.wantIssuedAt) || c.Lasting.Bearer != tt.wantBearer {
					t.Errorf("in order %v: issued at %s, bearer %t; want %s, %t", order, c.Lasting.IssuedAt, c.Lasting.Bearer, tt.wantIssuedAt, tt.wantBearer)
				}
				for _, other := range []string{"", "x", lastingFor("old"), lastingFor("next"), string(soundSecret("app")), wantSecret} {
					if _, ok := x.other.lasting(other); ok {
						t.Errorf("in order %v: %q is a lasting token", order, other)
					}
				}
				integrations.OnDelete(i)
				secrets.OnDelete(s)
				if got := holderOf(x, "app"); got != "" || len(x.other.holders) != 0 {
					t.Errorf("in order %v: after all is gone the token is that of %q, and %d are kept", order, got, len(x.other.holders))
				}
			}
		})
	}
}

func TestWhoHasNoLastingToken(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*v1alpha1.Integration, *corev1.Secret)
	}{
		{"plain OAuth 2", func(i *v1alpha1.Integration, _ *corev1.Secret) {
			i.Spec.Profile, i.Status.Granted.Profile = v1alpha1.ProfileOAuth2, v1alpha1.ProfileOAuth2
			i.Status.ClientID = i.WantedClientID()
		}},
		{"a profile that is not granted", func(i *v1alpha1.Integration, _ *corev1.Secret) { i.Status.Granted.Profile = "" }},
		{"another profile that is granted", func(i *v1alpha1.Integration, _ *corev1.Secret) { i.Status.Granted.Profile = v1alpha1.ProfileShopware }},
		{"without the grant client_credentials", func(i *v1alpha1.Integration, _ *corev1.Secret) {
			i.Status.Granted.GrantTypes = []v1alpha1.GrantType{v1alpha1.GrantTypePassword}
		}},
		{"without the client secret among the methods", func(i *v1alpha1.Integration, _ *corev1.Secret) {
			i.Status.Granted.CredentialMethods = []v1alpha1.CredentialMethod{v1alpha1.CredentialMethodNone}
		}},
		{"another Integration's Secret", func(_ *v1alpha1.Integration, s *corev1.Secret) { s.OwnerReferences[0].UID = "another" }},
		{"a Secret that nobody controls", func(_ *v1alpha1.Integration, s *corev1.Secret) { s.OwnerReferences = nil }},
		{"a client secret that is too short", func(_ *v1alpha1.Integration, s *corev1.Secret) { s.Data["k"] = []byte("short") }},
		{"a client secret that is too long", func(_ *v1alpha1.Integration, s *corev1.Secret) {
			s.Data["k"] = bytes.Repeat([]byte("x"), v1alpha1.MaxClientSecretLength+1)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, order := range permutations(2) {
				x := newClientIndex(slog.New(slog.DiscardHandler))
				integrations, secrets := handlers(x)
				i := ofProfile("home", "app", v1alpha1.ProfileMagento)
				s := credentialsSecret(i, "app")
				tt.edit(i, s)
				for _, at := range order {
					[]func(){func() { integrations.OnAdd(i, true) }, func() { secrets.OnAdd(s, true) }}[at]()
				}
				token, _ := v1alpha1.MagentoTokens(s.Data["k"])
				if c, ok := x.other.lasting(token); ok || len(x.other.holders) != 0 {
					t.Errorf("in order %v: the token is that of %+v", order, c)
				}
				if c, ok := x.client(i.Status.ClientID); ok && c.Lasting != nil {
					t.Errorf("in order %v: the client has a lasting token", order)
				}
			}
		})
	}
}

// Nobody but Magento needs a client secret in full.
func TestAClientSecretIsForgottenOnceItsIntegrationIsKnown(t *testing.T) {
	for profile, want := range map[v1alpha1.Profile]bool{v1alpha1.ProfileOAuth2: false, v1alpha1.ProfileShopware: false, v1alpha1.ProfileMagento: true} {
		x := newClientIndex(slog.New(slog.DiscardHandler))
		integrations, secrets := handlers(x)
		i := ofProfile("home", "app", profile)
		secrets.OnAdd(credentialsSecret(i, "app"), true)
		former := i.DeepCopy()
		former.UID, former.ResourceVersion = "former", "0"
		kept := func() *credential {
			return &x.records[types.NamespacedName{Namespace: "home", Name: "app"}].credentials[0]
		}
		integrations.OnAdd(former, true)
		if kept().plain == nil || kept().lasting != nil {
			t.Errorf("%s: while the owner is unknown the client secret is kept: %t, a token: %t", profile, kept().plain != nil, kept().lasting != nil)
		}
		integrations.OnUpdate(former, i)
		if kept().plain != nil || (kept().lasting != nil) != want {
			t.Errorf("%s: the client secret is kept: %t, a token: %t; want %t", profile, kept().plain != nil, kept().lasting != nil, want)
		}
		c, _ := x.client(i.Status.ClientID)
		for _, printed := range []string{fmt.Sprintf("%+v %#v", c, c), fmt.Sprintf("%+v", *kept())} {
			if strings.Contains(printed, string(soundSecret("app"))) {
				t.Errorf("%s: the client secret is printed", profile)
			}
		}
	}
}

func TestARotationEndsTheLastingToken(t *testing.T) {
	x := newClientIndex(slog.New(slog.DiscardHandler))
	integrations, secrets := handlers(x)
	i := ofProfile("home", "app", v1alpha1.ProfileMagento)
	integrations.OnAdd(i, true)
	before := credentialsSecret(i, "app")
	secrets.OnAdd(before, true)
	for n, step := range []struct {
		current string
		record  v1alpha1.RotationRecord
		want    map[string]string
	}{
		{"app", announcing("next"), map[string]string{"app": "home-app", "next": ""}},
		{"next", superseding("app", time.Hour), map[string]string{"app": "", "next": "home-app"}},
		{"next", v1alpha1.RotationRecord{RotatedAt: rotated}, map[string]string{"app": "", "next": "home-app"}},
	} {
		after := before.DeepCopy()
		after.ResourceVersion += "0"
		after.Data["k"] = soundSecret(step.current)
		rotate(after, step.record)
		secrets.OnUpdate(before, after)
		before = after
		got := map[string]string{"app": holderOf(x, "app"), "next": holderOf(x, "next")}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("step %d: whose the tokens are (-want +got):\n%s", n, diff)
		}
	}
	suspended := i.DeepCopy()
	suspended.ResourceVersion, suspended.Spec.Suspend = "2", true
	integrations.OnUpdate(i, suspended)
	if c, ok := x.other.lasting(lastingFor("next")); !ok || !c.Suspended {
		t.Errorf("got %v, want the client as it is now", c)
	}
	secrets.OnDelete(before)
	if got := holderOf(x, "next"); got != "" {
		t.Errorf("without its Secret the token is that of %q", got)
	}
}

// While a Secret moves to another name there are two, and the one that is wanted counts.
func TestTheLastingTokenOfARenamedSecret(t *testing.T) {
	for _, order := range permutations(4) {
		x := newClientIndex(slog.New(slog.DiscardHandler))
		integrations, secrets := handlers(x)
		i := ofProfile("home", "app", v1alpha1.ProfileMagento)
		named(i, "wanted", "former")
		names := []string{"former", "wanted", "planted"}
		for _, at := range order {
			if at == len(names) {
				integrations.OnAdd(i, true)
				continue
			}
			secrets.OnAdd(credentialsSecret(i, names[at]), true)
		}
		want := []string{"wanted"}
		has := func(word string) bool { return holderOf(x, word) != "" }
		if got := slices.DeleteFunc(slices.Clone(names), func(word string) bool { return !has(word) }); !slices.Equal(got, want) {
			t.Errorf("in order %v: the tokens of %v count, want %v", order, got, want)
		}
		secrets.OnDelete(credentialsSecret(i, "wanted"))
		if !has("former") || has("wanted") || has("planted") {
			t.Errorf("in order %v: the token of the former Secret should count where there is no other", order)
		}
	}
}

// A client secret that nobody rotated may move to another Secret, as on a rename, and must not bring back what was revoked before.
func TestARevokedTokenStaysRevokedThoughItsClientSecretMoves(t *testing.T) {
	x := newClientIndex(slog.New(slog.DiscardHandler))
	integrations, secrets := handlers(x)
	at := func(hours time.Duration) metav1.Time { return metav1.NewTime(rotated.Add(hours * time.Hour)) }
	i := ofProfile("home", "app", v1alpha1.ProfileMagento)
	former, wanted := credentialsSecret(i, "app"), credentialsSecret(i, "renamed")
	wanted.Data = former.Data
	i.CreationTimestamp, former.CreationTimestamp, wanted.CreationTimestamp = at(0), at(0), at(2)
	i.Spec.RevokeTokensIssuedBefore = new(at(1))
	revoked := func() bool {
		c, ok := x.other.lasting(lastingFor("app"))
		if !ok {
			t.Fatal("there is no such token")
		}
		return c.Revoked(c.Lasting.IssuedAt)
	}
	integrations.OnAdd(i, true)
	secrets.OnAdd(former, true)
	if !revoked() {
		t.Error("the token is not revoked")
	}
	secrets.OnAdd(wanted, false)
	integrations.OnUpdate(i, changedTo(i, func(i *v1alpha1.Integration) { i.Spec.Secret.Name = "renamed" }))
	secrets.OnDelete(former)
	if !revoked() {
		t.Error("the token counts again after the client secret has moved")
	}
	next := wanted.DeepCopy()
	next.ResourceVersion = "2"
	rotate(next, v1alpha1.RotationRecord{RotatedAt: at(3).Time})
	secrets.OnUpdate(wanted, next)
	if revoked() {
		t.Error("a token is revoked that was made by a rotation after that")
	}
}

// Two Integrations may have been given one client secret. Then its token says nothing of whose it is.
func TestATokenOfTwoIsNobodys(t *testing.T) {
	a, b := ofProfile("home", "a", v1alpha1.ProfileMagento), ofProfile("away", "b", v1alpha1.ProfileMagento)
	mine, theirs := credentialsSecret(a, "a"), credentialsSecret(b, "b")
	mine.Data["k"], theirs.Data["k"] = soundSecret("same"), soundSecret("same")
	for _, order := range permutations(4) {
		x := newClientIndex(slog.New(slog.DiscardHandler))
		integrations, secrets := handlers(x)
		for _, at := range order {
			[]func(){
				func() { integrations.OnAdd(a, true) }, func() { integrations.OnAdd(b, true) },
				func() { secrets.OnAdd(mine, true) }, func() { secrets.OnAdd(theirs, true) },
			}[at]()
		}
		if got := holderOf(x, "same"); got != "" {
			t.Errorf("in order %v: the token is that of %q, want nobody's", order, got)
		}
		changed := theirs.DeepCopy()
		changed.ResourceVersion, changed.Data["k"] = "2", soundSecret("own")
		secrets.OnUpdate(theirs, changed)
		if got := []string{holderOf(x, "same"), holderOf(x, "own")}; !slices.Equal(got, []string{"home-a", "away-b"}) {
			t.Errorf("in order %v: the tokens are those of %q, want each its own again", order, got)
		}
	}
}

func TestWhatAProfileGrants(t *testing.T) {
	origins := []string{"https://admin.shop.example"}
	keys := &v1alpha1.MagentoSpec{SecurityKeys: &v1alpha1.SecurityKeys{RelyingPartyID: "shop.example", Origins: origins}}
	hours := func(n time.Duration) metav1.Duration { return metav1.Duration{Duration: n * time.Hour} }
	// A granted is the part of a client that is the profile's.
	type granted struct {
		Profile               clients.Profile
		UserKind, Application string
		UserLifetimes         map[string]time.Duration
		Guests                bool
		RelyingParty          *clients.RelyingParty
	}
	for _, tt := range []struct {
		name    string
		profile v1alpha1.Profile
		edit    func(*v1alpha1.Integration)
		// want is nil for no client.
		want *granted
	}{
		{"a status from before there were profiles", "", func(i *v1alpha1.Integration) { i.Spec.Profile = v1alpha1.ProfileOAuth2 }, &granted{}},
		{"plain OAuth 2", v1alpha1.ProfileOAuth2, func(*v1alpha1.Integration) {}, &granted{}},
		{"plain OAuth 2 has no security keys", v1alpha1.ProfileOAuth2, func(i *v1alpha1.Integration) { i.Spec.Magento = keys }, &granted{}},
		{"plain OAuth 2 has no applications", v1alpha1.ProfileOAuth2, func(i *v1alpha1.Integration) {
			i.Status.Granted.Application = v1alpha1.OroCommerceStorefront
		}, nil},
		{"Shopware", v1alpha1.ProfileShopware, func(*v1alpha1.Integration) {}, &granted{Profile: clients.ProfileShopware}},
		{"a back office", v1alpha1.ProfileOroCommerce, func(i *v1alpha1.Integration) {
			i.Status.Granted.Application = v1alpha1.OroCommerceBackOffice
		}, &granted{Profile: clients.ProfileOroCommerce, UserKind: "Admin", Application: "BackOffice"}},
		{"a back office lets no visitors in", v1alpha1.ProfileOroCommerce, func(i *v1alpha1.Integration) {
			i.Status.Granted.Application, i.Status.Granted.Guests = v1alpha1.OroCommerceBackOffice, true
		}, &granted{Profile: clients.ProfileOroCommerce, UserKind: "Admin", Application: "BackOffice"}},
		{"a storefront", v1alpha1.ProfileOroCommerce, func(i *v1alpha1.Integration) {
			i.Status.Granted.Application = v1alpha1.OroCommerceStorefront
		}, &granted{Profile: clients.ProfileOroCommerce, UserKind: "Customer", Application: "Storefront"}},
		{"visitors that spec wants and nobody granted", v1alpha1.ProfileOroCommerce, func(i *v1alpha1.Integration) {
			i.Spec.OroCommerce = &v1alpha1.OroCommerceSpec{Guests: v1alpha1.PermissionAllowed}
			i.Status.Granted.Application = v1alpha1.OroCommerceStorefront
		}, &granted{Profile: clients.ProfileOroCommerce, UserKind: "Customer", Application: "Storefront"}},
		{"a storefront with visitors", v1alpha1.ProfileOroCommerce, func(i *v1alpha1.Integration) {
			i.Status.Granted.Application, i.Status.Granted.Guests = v1alpha1.OroCommerceStorefront, true
		}, &granted{Profile: clients.ProfileOroCommerce, UserKind: "Customer", Application: "Storefront", Guests: true}},
		{"OroCommerce without an application", v1alpha1.ProfileOroCommerce, func(*v1alpha1.Integration) {}, nil},
		{"OroCommerce with an unknown application", v1alpha1.ProfileOroCommerce, func(i *v1alpha1.Integration) {
			i.Status.Granted.Application = "Warehouse"
		}, nil},
		{"Magento", v1alpha1.ProfileMagento, func(i *v1alpha1.Integration) {
			i.Spec.Magento = keys
			i.Status.Granted.UserLifetimes = []v1alpha1.UserLifetime{
				{Kind: v1alpha1.UserKindAdmin, Lifetime: hours(4)}, {Kind: v1alpha1.UserKindCustomer, Lifetime: hours(1)},
			}
		}, &granted{
			Profile: clients.ProfileMagento, UserLifetimes: map[string]time.Duration{"Admin": 4 * time.Hour, "Customer": time.Hour},
			RelyingParty: &clients.RelyingParty{ID: "shop.example", Origins: origins},
		}},
		{"Magento with tokens that never were good", v1alpha1.ProfileMagento, func(i *v1alpha1.Integration) {
			i.Status.Granted.UserLifetimes = []v1alpha1.UserLifetime{{Kind: v1alpha1.UserKindAdmin, Lifetime: hours(0)}}
		}, nil},
		{"a profile that was denied", v1alpha1.ProfileMagento, func(i *v1alpha1.Integration) { i.Status.Granted.Profile = v1alpha1.ProfileOAuth2 }, nil},
		{"a profile that nobody granted", v1alpha1.ProfileShopware, func(i *v1alpha1.Integration) { i.Status.Granted.Profile = "" }, nil},
		{"a granted profile that spec does not want", v1alpha1.ProfileShopware, func(i *v1alpha1.Integration) {
			i.Spec.Profile = v1alpha1.ProfileOAuth2
		}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i := ofProfile("home", "app", tt.profile)
			tt.edit(i)
			i.Status.ClientID = i.WantedClientID()
			x := newClientIndex(slog.New(slog.DiscardHandler))
			integrations, _ := handlers(x)
			integrations.OnAdd(i, true)
			c, ok := x.client(i.Status.ClientID)
			if of, also := ClientOf(i); also != ok || ok && of.Profile != c.Profile {
				t.Errorf("ClientOf says %t, want what the index says: %t", also, ok)
			}
			if ok != (tt.want != nil) {
				t.Fatalf("got client %+v, want one: %t", c, tt.want != nil)
			}
			if !ok {
				return
			}
			got := &granted{
				Profile: c.Profile, UserKind: c.UserKind, Application: c.Application, UserLifetimes: c.UserLifetimes, Guests: c.Guests,
				RelyingParty: c.RelyingParty,
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("client (-want +got):\n%s", diff)
			}
		})
	}
}
