// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package permit_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/permit"
)

const issuer = "https://tokens.example.com"

var (
	client   = []v1alpha1.GrantType{v1alpha1.GrantTypeClientCredentials}
	logins   = []v1alpha1.GrantType{v1alpha1.GrantTypePassword, v1alpha1.GrantTypeRefreshToken}
	bySecret = []v1alpha1.CredentialMethod{v1alpha1.CredentialMethodClientSecret}
	byKey    = []v1alpha1.CredentialMethod{v1alpha1.CredentialMethodPrivateKeyJWT}
	public   = []v1alpha1.CredentialMethod{v1alpha1.CredentialMethodNone}
)

func duration(d time.Duration) *metav1.Duration { return &metav1.Duration{Duration: d} }

// policy returns one that allows everything, after edits.
func policy(name string, edits ...func(*v1alpha1.Allowance)) *v1alpha1.IntegrationPolicy {
	p := &v1alpha1.IntegrationPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
	p.Spec.Allow = v1alpha1.Allowance{
		Profiles: []v1alpha1.Profile{v1alpha1.ProfileOAuth2}, GrantTypes: allGrants, CredentialMethods: allMethods,
		Scopes: []v1alpha1.Pattern{"*"}, Audiences: []v1alpha1.Pattern{"*"}, ResourceServerAudiences: []v1alpha1.Pattern{"*"},
		ClientIDs: []v1alpha1.Pattern{"*"}, MaxTokenLifetime: duration(24 * time.Hour), MaxRefreshLifetime: duration(2160 * time.Hour),
		AccessTokenDelivery: true,
	}
	for _, edit := range edits {
		edit(&p.Spec.Allow)
	}
	return p
}

func integration(spec v1alpha1.IntegrationSpec) *v1alpha1.Integration {
	spec.Profile = v1alpha1.ProfileOAuth2
	return &v1alpha1.Integration{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "sync"}, Spec: spec}
}

func TestEverythingAllowed(t *testing.T) {
	users := []v1alpha1.User{
		{SecretRef: v1alpha1.SecretReference{Name: "anna"}, Kind: v1alpha1.UserKindAdmin},
		{SecretRef: v1alpha1.SecretReference{Name: "ben"}, Kind: v1alpha1.UserKindCustomer, Scopes: &[]string{"r"}},
	}
	tests := []struct {
		name string
		spec v1alpha1.IntegrationSpec
		want *v1alpha1.Granted
	}{
		{
			name: "Without an audience tokens are meant for the issuer; the profile decides the rest.",
			spec: v1alpha1.IntegrationSpec{GrantTypes: client, Scopes: []string{"b", "a"}},
			want: &v1alpha1.Granted{
				GrantTypes: client, Access: []v1alpha1.Access{{Audience: issuer, Scopes: []string{"b", "a"}}},
				DefaultScopes: []string{"b", "a"}, SigningAlgorithm: v1alpha1.SigningAlgorithmES256,
				TokenFormat: v1alpha1.TokenFormatJWT, CredentialMethods: bySecret,
				Lifetime: metav1.Duration{Duration: 10 * time.Minute},
			},
		},
		{
			name: "Every audience gets every scope.",
			spec: v1alpha1.IntegrationSpec{
				GrantTypes: client, Audiences: []string{"urn:a", "urn:b"}, Scopes: []string{"r", "w"}, DefaultScopes: &[]string{"r"},
				Token: v1alpha1.TokenSpec{SigningAlgorithm: v1alpha1.SigningAlgorithmEdDSA, Lifetime: duration(time.Hour)},
			},
			want: &v1alpha1.Granted{
				GrantTypes: client, DefaultScopes: []string{"r"}, SigningAlgorithm: v1alpha1.SigningAlgorithmEdDSA,
				Access: []v1alpha1.Access{
					{Audience: "urn:a", Scopes: []string{"r", "w"}}, {Audience: "urn:b", Scopes: []string{"r", "w"}},
				},
				TokenFormat: v1alpha1.TokenFormatJWT, CredentialMethods: bySecret, Lifetime: metav1.Duration{Duration: time.Hour},
			},
		},
		{
			name: "An empty list of default scopes means none.",
			spec: v1alpha1.IntegrationSpec{GrantTypes: client, Scopes: []string{"r"}, DefaultScopes: &[]string{}},
			want: &v1alpha1.Granted{
				GrantTypes: client, Access: []v1alpha1.Access{{Audience: issuer, Scopes: []string{"r"}}}, DefaultScopes: []string{},
				SigningAlgorithm: v1alpha1.SigningAlgorithmES256, Lifetime: metav1.Duration{Duration: 10 * time.Minute},
				TokenFormat: v1alpha1.TokenFormatJWT, CredentialMethods: bySecret,
			},
		},
		{
			name: "Logins with refresh tokens, opaque, for users of two kinds, by a client with a key of its own.",
			spec: v1alpha1.IntegrationSpec{
				GrantTypes: logins, Scopes: []string{"r", "w"}, Users: users,
				Token:       v1alpha1.TokenSpec{Format: v1alpha1.TokenFormatOpaque, RefreshLifetime: duration(time.Hour)},
				Credentials: v1alpha1.CredentialsSpec{Methods: byKey, JWKSURI: "https://client.example/jwks.json"},
			},
			want: &v1alpha1.Granted{
				GrantTypes: logins, Access: []v1alpha1.Access{{Audience: issuer, Scopes: []string{"r", "w"}}},
				DefaultScopes: []string{"r", "w"}, SigningAlgorithm: v1alpha1.SigningAlgorithmES256,
				TokenFormat: v1alpha1.TokenFormatOpaque, CredentialMethods: byKey, Users: users,
				Lifetime: metav1.Duration{Duration: 10 * time.Minute}, RefreshLifetime: duration(time.Hour),
			},
		},
		{
			name: "A refresh lifetime means nothing without refresh tokens.",
			spec: v1alpha1.IntegrationSpec{GrantTypes: client, Token: v1alpha1.TokenSpec{RefreshLifetime: duration(time.Hour)}},
			want: &v1alpha1.Granted{
				GrantTypes: client, Access: []v1alpha1.Access{{Audience: issuer}}, SigningAlgorithm: v1alpha1.SigningAlgorithmES256,
				TokenFormat: v1alpha1.TokenFormatJWT, CredentialMethods: bySecret, Lifetime: metav1.Duration{Duration: 10 * time.Minute},
			},
		},
		{
			name: "A resource server may introspect what is meant for it, and a Secret may hold access tokens.",
			spec: v1alpha1.IntegrationSpec{
				GrantTypes: client, ResourceServer: &v1alpha1.ResourceServer{Audiences: []string{"urn:a", "urn:b"}},
				Secret: v1alpha1.SecretSpec{AccessTokens: []v1alpha1.AccessTokenSpec{{Key: "token"}}},
			},
			want: &v1alpha1.Granted{
				GrantTypes: client, Access: []v1alpha1.Access{{Audience: issuer}}, SigningAlgorithm: v1alpha1.SigningAlgorithmES256,
				TokenFormat: v1alpha1.TokenFormatJWT, CredentialMethods: bySecret, Lifetime: metav1.Duration{Duration: 10 * time.Minute},
				IntrospectedAudiences: []string{"urn:a", "urn:b"}, AccessTokenDelivery: true,
			},
		},
		{
			name: "A client ID may be claimed.",
			spec: v1alpha1.IntegrationSpec{GrantTypes: client, ClientID: "legacy-sync"},
			want: &v1alpha1.Granted{
				GrantTypes: client, Access: []v1alpha1.Access{{Audience: issuer}}, SigningAlgorithm: v1alpha1.SigningAlgorithmES256,
				TokenFormat: v1alpha1.TokenFormatJWT, CredentialMethods: bySecret, Lifetime: metav1.Duration{Duration: 10 * time.Minute},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			intg := integration(tt.spec)
			before := intg.DeepCopy()
			got := permit.Grant(intg, []*v1alpha1.IntegrationPolicy{policy("default")}, issuer)
			tt.want.Profile = v1alpha1.ProfileOAuth2
			want := permit.Result{
				Granted: tt.want, Reason: v1alpha1.ReasonPermitted, Message: "the policies allow all that spec asks for",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
			if !got.Usable() {
				t.Error("want it usable")
			}
			scribble(got.Granted)
			if diff := cmp.Diff(before, intg); diff != "" {
				t.Errorf("what was granted shares memory with spec (-before +after):\n%s", diff)
			}
		})
	}
}

// scribble changes everything that a Granted refers to.
func scribble(g *v1alpha1.Granted) {
	for i := range g.Access {
		for j := range g.Access[i].Scopes {
			g.Access[i].Scopes[j] = "changed"
		}
	}
	for _, list := range [][]string{g.DefaultScopes, g.IntrospectedAudiences} {
		for i := range list {
			list[i] = "changed"
		}
	}
	for i := range g.GrantTypes {
		g.GrantTypes[i] = "changed"
	}
	for i := range g.CredentialMethods {
		g.CredentialMethods[i] = "changed"
	}
	for i := range g.Users {
		g.Users[i].Kind = "changed"
		if scopes := g.Users[i].Scopes; scopes != nil {
			(*scopes)[0] = "changed"
		}
	}
}

// request asks for a bit of everything.
func request(edits ...func(*v1alpha1.IntegrationSpec)) *v1alpha1.Integration {
	intg := integration(v1alpha1.IntegrationSpec{
		GrantTypes: allGrants, Audiences: []string{"urn:a", "urn:b"}, Scopes: []string{"r", "w"}, DefaultScopes: &[]string{"w", "r"},
		Credentials: v1alpha1.CredentialsSpec{Methods: allMethods},
		Token:       v1alpha1.TokenSpec{Lifetime: duration(2 * time.Hour), RefreshLifetime: duration(200 * time.Hour)},
		Users:       []v1alpha1.User{{SecretRef: v1alpha1.SecretReference{Name: "anna"}, Scopes: &[]string{"w", "r"}}},
		Secret:      v1alpha1.SecretSpec{AccessTokens: []v1alpha1.AccessTokenSpec{{Key: "token"}}},
	})
	for _, edit := range edits {
		edit(&intg.Spec)
	}
	return intg
}

// grantOf returns what request gets where all is allowed, after edits.
func grantOf(edits ...func(*v1alpha1.Granted)) *v1alpha1.Granted {
	g := permit.Grant(request(), []*v1alpha1.IntegrationPolicy{policy("default")}, issuer).Granted
	for _, edit := range edits {
		edit(g)
	}
	return g
}

func TestWhatIsDenied(t *testing.T) {
	const only, mend = "policy p, the only one for this namespace, does not allow ", ": take it out of spec, or ask whoever writes the policies"
	nothing := func(g *v1alpha1.Granted) { g.Access, g.SigningAlgorithm, g.AccessTokenDelivery = nil, "", false }
	noScope := func(g *v1alpha1.Granted) { g.DefaultScopes, g.Users[0].Scopes = []string{}, &[]string{} }
	type allow = v1alpha1.Allowance
	for _, tt := range []struct {
		name  string
		edit  func(*allow)
		spec  func(*v1alpha1.IntegrationSpec)
		want  []func(*v1alpha1.Granted)
		wants string
		denied,
		unusable bool
	}{
		{
			name: "Another profile leaves nothing of the policy.", unusable: true,
			edit: func(a *allow) { a.Profiles = nil }, wants: "profile OAuth2",
			want: []func(*v1alpha1.Granted){func(g *v1alpha1.Granted) {
				*g = v1alpha1.Granted{Profile: v1alpha1.ProfileOAuth2, TokenFormat: v1alpha1.TokenFormatJWT}
			}},
		},
		{
			name: "A grant type.", edit: func(a *allow) { a.GrantTypes = logins }, wants: "grant type client_credentials",
			want: []func(*v1alpha1.Granted){func(g *v1alpha1.Granted) { g.GrantTypes, g.AccessTokenDelivery = logins, false }},
		},
		{
			name: "Without logins there are neither users nor refresh tokens.",
			edit: func(a *allow) {
				a.GrantTypes = []v1alpha1.GrantType{v1alpha1.GrantTypeClientCredentials, v1alpha1.GrantTypeRefreshToken}
				a.MaxRefreshLifetime = nil
			},
			wants: "grant type password",
			want:  []func(*v1alpha1.Granted){func(g *v1alpha1.Granted) { g.GrantTypes, g.Users, g.RefreshLifetime = client, nil, nil }},
		},
		{
			name: "Refresh tokens alone.", edit: func(a *allow) { a.GrantTypes = allGrants[:2] }, wants: "grant type refresh_token",
			want: []func(*v1alpha1.Granted){func(g *v1alpha1.Granted) { g.GrantTypes, g.RefreshLifetime = allGrants[:2], nil }},
		},
		{
			name: "No grant type leaves nothing.", unusable: true, edit: func(a *allow) { a.GrantTypes = nil },
			wants: "grant type client_credentials; grant type password; grant type refresh_token",
			want:  []func(*v1alpha1.Granted){nothing, func(g *v1alpha1.Granted) { g.GrantTypes, g.Users, g.RefreshLifetime = nil, nil, nil }},
		},
		{
			name: "A credential method.", edit: func(a *allow) { a.CredentialMethods = bySecret },
			wants: "credential method PrivateKeyJWT; credential method None",
			want:  []func(*v1alpha1.Granted){func(g *v1alpha1.Granted) { g.CredentialMethods = bySecret }},
		},
		{
			name: "A client that proves nothing cannot act for itself.", edit: func(a *allow) { a.CredentialMethods = public },
			wants: "credential method ClientSecret; credential method PrivateKeyJWT",
			want: []func(*v1alpha1.Granted){func(g *v1alpha1.Granted) {
				g.CredentialMethods, g.GrantTypes, g.AccessTokenDelivery = public, logins, false
			}},
		},
		{
			name: "No credential method leaves nothing.", unusable: true, edit: func(a *allow) { a.CredentialMethods = nil },
			wants: "credential method ClientSecret; credential method PrivateKeyJWT; credential method None",
			want:  []func(*v1alpha1.Granted){nothing, func(g *v1alpha1.Granted) { g.CredentialMethods, g.GrantTypes = nil, logins }},
		},
		{
			name: "A longer life.", edit: func(a *allow) { a.MaxTokenLifetime = duration(90 * time.Minute) },
			wants: "token lifetime 2h, only up to 1h30m",
			want:  []func(*v1alpha1.Granted){func(g *v1alpha1.Granted) { g.Lifetime = *duration(90 * time.Minute) }},
		},
		{
			name: "A longer life of logins.", edit: func(a *allow) { a.MaxRefreshLifetime = duration(100*time.Hour + 30*time.Second) },
			wants: "refresh lifetime 200h, only up to 100h0m30s",
			want:  []func(*v1alpha1.Granted){func(g *v1alpha1.Granted) { g.RefreshLifetime = duration(100*time.Hour + 30*time.Second) }},
		},
		{
			name: "What the profile would like is shortened without a word.",
			edit: func(a *allow) {
				a.MaxTokenLifetime, a.MaxRefreshLifetime = duration(5*time.Minute), duration(time.Hour)
			},
			spec: func(s *v1alpha1.IntegrationSpec) { s.Token = v1alpha1.TokenSpec{} },
			want: []func(*v1alpha1.Granted){func(g *v1alpha1.Granted) {
				g.Lifetime, g.RefreshLifetime = *duration(5 * time.Minute), duration(time.Hour)
			}},
		},
		{
			name: "Without a word on the life of tokens there are none.", unusable: true, edit: func(a *allow) { a.MaxTokenLifetime = nil },
			wants: "tokens of any lifetime, as none sets maxTokenLifetime",
			want:  []func(*v1alpha1.Granted){nothing, func(g *v1alpha1.Granted) { g.Lifetime = metav1.Duration{} }},
		},
		{
			name: "Without a word on the life of refresh tokens there are none.", edit: func(a *allow) { a.MaxRefreshLifetime = nil },
			wants: "refresh tokens, as none sets maxRefreshLifetime",
			want:  []func(*v1alpha1.Granted){func(g *v1alpha1.Granted) { g.GrantTypes, g.RefreshLifetime = allGrants[:2], nil }},
		},
		{
			name: "An audience, whose scopes are not told one by one.", edit: func(a *allow) { a.Audiences = []v1alpha1.Pattern{"*:a"} },
			wants: "audience urn:b",
			want:  []func(*v1alpha1.Granted){func(g *v1alpha1.Granted) { g.Access = g.Access[:1] }},
		},
		{
			name: "No audience leaves nothing.", unusable: true, edit: func(a *allow) { a.Audiences = nil },
			wants: "audience urn:a; audience urn:b", want: []func(*v1alpha1.Granted){nothing, noScope},
		},
		{
			name: "The issuer needs permission like any audience.", unusable: true,
			edit:  func(a *allow) { a.Audiences = []v1alpha1.Pattern{"urn:*"} },
			spec:  func(s *v1alpha1.IntegrationSpec) { s.Audiences = nil },
			wants: "audience " + issuer + ", which stands in as spec.audiences names none",
			want:  []func(*v1alpha1.Granted){nothing, noScope},
		},
		{
			name: "A scope for every audience; the defaults and the users go without it.", edit: func(a *allow) { a.Scopes = []v1alpha1.Pattern{"r"} },
			wants: "scope w for any of the audiences",
			want: []func(*v1alpha1.Granted){func(g *v1alpha1.Granted) {
				g.Access[0].Scopes, g.Access[1].Scopes = []string{"r"}, []string{"r"}
				g.DefaultScopes, g.Users[0].Scopes = []string{"r"}, &[]string{"r"}
			}},
		},
		{
			name: "An audience without a scope is still an audience.", edit: func(a *allow) { a.Scopes = nil },
			wants: "scope r for any of the audiences; scope w for any of the audiences",
			want:  []func(*v1alpha1.Granted){func(g *v1alpha1.Granted) { g.Access[0].Scopes, g.Access[1].Scopes = nil, nil }, noScope},
		},
		{
			name: "An audience that an API goes by.", edit: func(a *allow) { a.ResourceServerAudiences = []v1alpha1.Pattern{"urn:a"} },
			spec: func(s *v1alpha1.IntegrationSpec) {
				s.ResourceServer = &v1alpha1.ResourceServer{Audiences: []string{"urn:b", "urn:a"}}
			},
			wants: "resource server audience urn:b",
			want:  []func(*v1alpha1.Granted){func(g *v1alpha1.Granted) { g.IntrospectedAudiences = []string{"urn:a"} }},
		},
		{
			name: "Access tokens in the Secret.", edit: func(a *allow) { a.AccessTokenDelivery = false },
			wants: "access tokens in the Secret (accessTokenDelivery)",
			want:  []func(*v1alpha1.Granted){func(g *v1alpha1.Granted) { g.AccessTokenDelivery = false }},
		},
		{
			name: "A client ID.", denied: true, unusable: true, edit: func(a *allow) { a.ClientIDs = []v1alpha1.Pattern{"legacy-*"} },
			spec:  func(s *v1alpha1.IntegrationSpec) { s.ClientID = "modern-sync" },
			wants: "client ID modern-sync", want: []func(*v1alpha1.Granted){nothing},
		},
		{
			name: "The derived client ID needs no permission, also where spec says it.", edit: func(a *allow) { a.ClientIDs = nil },
			spec: func(s *v1alpha1.IntegrationSpec) { s.ClientID = "shop.sync" },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			intg := request()
			if tt.spec != nil {
				tt.spec(&intg.Spec)
			}
			want := permit.Result{Granted: grantOf(tt.want...), ClientIDDenied: tt.denied, Reason: v1alpha1.ReasonPermitted}
			want.Message = "the policies allow all that spec asks for"
			if tt.wants != "" {
				want.Reason, want.Message = v1alpha1.ReasonNotPermitted, only+tt.wants+mend
			}
			got := permit.Grant(intg, []*v1alpha1.IntegrationPolicy{policy("p", tt.edit)}, issuer)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
			if got.Usable() == tt.unusable {
				t.Errorf("usable: want %v", !tt.unusable)
			}
			// Who may have it all by another policy does, whatever this one says.
			got = permit.Grant(intg, []*v1alpha1.IntegrationPolicy{policy("p", tt.edit), policy("q")}, issuer)
			if got.Reason != v1alpha1.ReasonPermitted || !got.Usable() {
				t.Errorf("with a second policy that allows everything: %s: %s", got.Reason, got.Message)
			}
		})
	}
}

func TestScopesAndAudiencesOfTwoPoliciesDoNotMix(t *testing.T) {
	intg := request(func(s *v1alpha1.IntegrationSpec) { s.Scopes, s.DefaultScopes, s.Users = []string{"r", "w"}, nil, nil })
	only := func(scope, audience v1alpha1.Pattern) func(*v1alpha1.Allowance) {
		return func(a *v1alpha1.Allowance) {
			a.Scopes, a.Audiences = []v1alpha1.Pattern{scope}, []v1alpha1.Pattern{audience}
		}
	}
	got := permit.Grant(intg, []*v1alpha1.IntegrationPolicy{policy("x", only("r", "urn:a")), policy("y", only("w", "urn:b"))}, issuer)
	want := []v1alpha1.Access{{Audience: "urn:a", Scopes: []string{"r"}}, {Audience: "urn:b", Scopes: []string{"w"}}}
	if diff := cmp.Diff(want, got.Granted.Access); diff != "" {
		t.Errorf("access (-want +got):\n%s", diff)
	}
	const wantMessage = "policies x and y, the ones for this namespace, do not allow scope r for audience urn:b; scope w for audience urn:a: " +
		"take it out of spec, or ask whoever writes the policies"
	if got.Message != wantMessage {
		t.Errorf("message:\n got %s\nwant %s", got.Message, wantMessage)
	}
}

func TestNoPolicyNoAccess(t *testing.T) {
	for _, clientID := range []string{"", "legacy-sync"} {
		got := permit.Grant(request(func(s *v1alpha1.IntegrationSpec) { s.ClientID = clientID }), nil, issuer)
		want := permit.Result{
			Granted: &v1alpha1.Granted{Profile: v1alpha1.ProfileOAuth2, TokenFormat: v1alpha1.TokenFormatJWT}, Reason: v1alpha1.ReasonNoPolicy, ClientIDDenied: clientID != "",
			Message: "no IntegrationPolicy is for namespace shop, so that it may have nothing: ask whoever runs the platform for one",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("result (-want +got):\n%s", diff)
		}
		if got.Usable() || len(got.Granted.Methods()) > 0 || len(got.Granted.KeyAlgorithms()) > 0 {
			t.Errorf("want nothing that can be used, no method and no need for a key, got %+v", got.Granted)
		}
	}
	if (permit.Result{}).Usable() {
		t.Error("the zero result is usable")
	}
}

func TestMessagesAreBounded(t *testing.T) {
	longest := func(prefix string, n, i int) string { return fmt.Sprintf("%s%0*d", prefix, n-len(prefix), i) }
	var policies []*v1alpha1.IntegrationPolicy
	for i := range 100 {
		policies = append(policies, policy(longest("p", 253, i), func(a *v1alpha1.Allowance) { a.Scopes = []v1alpha1.Pattern{"none"} }))
	}
	for _, tt := range []struct {
		name, wantStart, wantEnd string
		policies                 []*v1alpha1.IntegrationPolicy
		audiences, scopes        int
		issuer                   string
	}{
		{
			name: "Eight problems are told, and the rest is counted.", policies: policies[:1], audiences: 0, scopes: 20,
			wantStart: "policy p000", wantEnd: "; and 12 more: take it out of spec, or ask whoever writes the policies",
		},
		{
			name: "Many policies with long names leave room for a problem.", policies: policies, audiences: 1, scopes: 256,
			wantStart: "policies p000", wantEnd: " more: take it out of spec, or ask whoever writes the policies",
		},
		{
			name: "An issuer may be long.", policies: []*v1alpha1.IntegrationPolicy{policy("p", func(a *v1alpha1.Allowance) { a.Audiences = nil })},
			issuer:    "https://" + strings.Repeat("i", 3000),
			wantStart: "policy p, the only one for this namespace, does not allow audience https://iii",
			wantEnd:   "iii...: take it out of spec, or ask whoever writes the policies",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			intg := request(func(s *v1alpha1.IntegrationSpec) {
				s.Audiences, s.Scopes, s.DefaultScopes, s.Users = nil, nil, nil, nil
				for i := range tt.audiences {
					s.Audiences = append(s.Audiences, longest("urn:", 512, i))
				}
				for i := range tt.scopes {
					s.Scopes = append(s.Scopes, longest("s", 100, i))
				}
			})
			got := permit.Grant(intg, tt.policies, tt.issuer).Message
			if len(got) > 2048 || !strings.HasPrefix(got, tt.wantStart) || !strings.HasSuffix(got, tt.wantEnd) {
				t.Errorf("a message of %d bytes:\n%s", len(got), got)
			}
			if strings.Contains(got, "allow ;") {
				t.Errorf("no problem is told:\n%s", got)
			}
		})
	}
	many := permit.Grant(request(func(s *v1alpha1.IntegrationSpec) { s.Users = nil }), policies, issuer).Message
	if want := policies[3].Name + " and 96 more, the ones for this namespace, do not allow "; !strings.Contains(many, want) {
		t.Errorf("want it to say %q, got %s", want, many)
	}
}

func TestMayClaim(t *testing.T) {
	legacy := func(a *v1alpha1.Allowance) { a.ClientIDs = []v1alpha1.Pattern{"legacy-*"} }
	none := func(a *v1alpha1.Allowance) { a.ClientIDs = nil }
	for _, tt := range []struct {
		name, clientID string
		policies       []*v1alpha1.IntegrationPolicy
		want           bool
	}{
		{"The derived ID needs no policy.", "", nil, true},
		{"The derived ID may be written down.", "shop.sync", nil, true},
		{"A claim needs a policy.", "legacy-sync", nil, false},
		{"A policy may allow it.", "legacy-sync", []*v1alpha1.IntegrationPolicy{policy("a", none), policy("b", legacy)}, true},
		{"A policy may allow others only.", "sync", []*v1alpha1.IntegrationPolicy{policy("a", legacy)}, false},
		{
			"A policy for another profile says nothing.", "legacy-sync",
			[]*v1alpha1.IntegrationPolicy{policy("a", legacy, func(a *v1alpha1.Allowance) { a.Profiles = []v1alpha1.Profile{"Other"} })},
			false,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := permit.MayClaim(integration(v1alpha1.IntegrationSpec{ClientID: tt.clientID}), tt.policies); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
