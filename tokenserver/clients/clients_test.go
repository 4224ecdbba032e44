// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAuthenticate(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	accept := func(secrets ...string) []Secret {
		var accepted []Secret
		for _, s := range secrets {
			accepted = append(accepted, Secret{Hash: sha256.Sum256([]byte(s))})
		}
		return accepted
	}
	before := func(s string, until time.Duration) Secret {
		return Secret{Hash: sha256.Sum256([]byte(s)), Previous: true, Until: at.Add(until)}
	}
	tests := []struct {
		name         string
		secrets      []Secret
		secret       string
		want         bool
		wantPrevious bool
	}{
		{name: "the only secret", secrets: accept("one"), secret: "one", want: true},
		{name: "the first of two", secrets: accept("one", "two"), secret: "one", want: true},
		{name: "the last of two", secrets: accept("one", "two"), secret: "two", want: true},
		{name: "a secret accepted twice over", secrets: accept("one", "one"), secret: "one", want: true},
		{name: "another secret", secrets: accept("one", "two"), secret: "three"},
		{name: "a part of the secret", secrets: accept("one"), secret: "on"},
		{name: "no secret at all", secrets: accept("one")},
		{name: "no secret, though its hash is accepted", secrets: accept("")},
		{name: "a client that has no secret", secret: "one"},
		{name: "a client that has no secret, and none presented"},
		{name: "the three of a rotation, the current one", secrets: append(accept("now", "next"), before("then", 1)), secret: "now", want: true},
		{name: "the three of a rotation, the announced one", secrets: append(accept("now", "next"), before("then", 1)), secret: "next", want: true},
		{
			name: "the three of a rotation, the previous one", secrets: append(accept("now", "next"), before("then", 1)), secret: "then",
			want: true, wantPrevious: true,
		},
		{name: "the previous one, wherever it is listed", secrets: append([]Secret{before("then", 1)}, accept("now")...), secret: "then", want: true, wantPrevious: true},
		{name: "a previous one at the moment when it expires", secrets: append(accept("now"), before("then", 0)), secret: "then"},
		{name: "a previous one that has expired", secrets: append(accept("now"), before("then", -time.Hour)), secret: "then"},
		{name: "the current one beside an expired one", secrets: append(accept("now"), before("then", -time.Hour)), secret: "now", want: true},
		{name: "a previous one that is the current one", secrets: append(accept("now"), before("now", time.Hour)), secret: "now", want: true},
		{name: "a previous one that expired and is the current one", secrets: append([]Secret{before("now", -1)}, accept("now")...), secret: "now", want: true},
		{name: "one of more than three", secrets: append(accept("1", "2", "3"), before("4", 1)), secret: "4", want: true, wantPrevious: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &Client{Secrets: tt.secrets}
			if got, previous := c.Authenticate(tt.secret, at); got != tt.want || previous != tt.wantPrevious {
				t.Errorf("Authenticate = %t, previous %t; want %t, %t", got, previous, tt.want, tt.wantPrevious)
			}
			if AuthenticateUnknown(tt.secret) {
				t.Error("an unknown client must never authenticate")
			}
		})
	}
}

var policy = Policy{
	Access: []Access{
		{Audience: "https://orders", Scopes: []string{"read", "write", "admin"}},
		{Audience: "https://stock", Scopes: []string{"read", "write"}},
		{Audience: "https://mail"},
	},
	DefaultScopes: []string{"read", "admin", "ungranted"},
}

func TestChooseAccess(t *testing.T) {
	tests := []struct {
		name        string
		resources   []string
		want        []string
		wantRefused string
	}{
		{name: "none asked for is all of them", want: []string{"https://orders", "https://stock", "https://mail"}},
		{name: "one", resources: []string{"https://stock"}, want: []string{"https://stock"}},
		{
			name: "several, in the order of the policy", resources: []string{"https://mail", "https://orders"},
			want: []string{"https://orders", "https://mail"},
		},
		{name: "one twice is one", resources: []string{"https://stock", "https://stock"}, want: []string{"https://stock"}},
		{name: "one that is not there", resources: []string{"https://stock", "https://bank"}, wantRefused: "https://bank"},
		{name: "one that differs by a slash", resources: []string{"https://stock/"}, wantRefused: "https://stock/"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			chosen, refused, ok := policy.ChooseAccess(tt.resources)
			var got []string
			for _, a := range chosen {
				got = append(got, a.Audience)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("audiences (-want +got):\n%s", diff)
			}
			if refused != tt.wantRefused || ok != (tt.wantRefused == "") {
				t.Errorf("refused %q, %t; want %q", refused, ok, tt.wantRefused)
			}
		})
	}
}

func TestChooseScopes(t *testing.T) {
	orders, stock, mail := policy.Access[0], policy.Access[1], policy.Access[2]
	tests := []struct {
		name        string
		chosen      []Access
		requested   []string
		want        []string
		wantRefused string
	}{
		{name: "the defaults that are granted", chosen: []Access{orders}, want: []string{"read", "admin"}},
		{name: "the defaults that are granted for both", chosen: []Access{orders, stock}, want: []string{"read"}},
		{name: "no default that all have", chosen: []Access{orders, mail}, want: []string{}},
		{name: "no defaults without audience", want: []string{}},
		{name: "a granted scope", chosen: []Access{orders}, requested: []string{"admin"}, want: []string{"admin"}},
		{
			name: "granted scopes, in the order of the request", chosen: []Access{orders, stock},
			requested: []string{"write", "read"}, want: []string{"write", "read"},
		},
		{
			name: "a scope that only one of two audiences has", chosen: []Access{orders, stock},
			requested: []string{"read", "admin"}, wantRefused: "admin",
		},
		{name: "a default that is not granted", chosen: []Access{orders}, requested: []string{"ungranted"}, wantRefused: "ungranted"},
		{name: "a scope in other letters", chosen: []Access{orders}, requested: []string{"Read"}, wantRefused: "Read"},
		{name: "a scope without audience", requested: []string{"read"}, wantRefused: "read"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, refused, ok := policy.ChooseScopes(tt.chosen, tt.requested)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("scopes (-want +got):\n%s", diff)
			}
			if refused != tt.wantRefused || ok != (tt.wantRefused == "") {
				t.Errorf("refused %q, %t; want %q", refused, ok, tt.wantRefused)
			}
		})
	}
}

func TestClientPolicy(t *testing.T) {
	c := &Client{GrantTypes: []string{"client_credentials"}, Access: policy.Access, DefaultScopes: policy.DefaultScopes}
	if diff := cmp.Diff(policy, c.Policy()); diff != "" {
		t.Errorf("policy (-want +got):\n%s", diff)
	}
	if !c.MayUse("client_credentials") || c.MayUse("password") || (&Client{}).MayUse("client_credentials") {
		t.Error("a client may use the grants that it was granted, and no others")
	}
}

// BenchmarkAuthenticate shows that the time tells nothing of how many secrets a client has, nor whether there is such a client.
func BenchmarkAuthenticate(b *testing.B) {
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	one := Secret{Hash: sha256.Sum256([]byte("one"))}
	announced := Secret{Hash: sha256.Sum256([]byte("two"))}
	previous := Secret{Hash: sha256.Sum256([]byte("three")), Previous: true, Until: at.Add(time.Hour)}
	for name, c := range map[string]*Client{
		"unknown client": &nobody, "one secret": {Secrets: []Secret{one}}, "three secrets": {Secrets: []Secret{one, announced, previous}},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = c.Authenticate("a wrong secret of a length that is usual for one", at)
			}
		})
	}
}
