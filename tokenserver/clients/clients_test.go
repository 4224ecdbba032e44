// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"crypto/sha256"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAuthenticate(t *testing.T) {
	hash := func(secrets ...string) [][sha256.Size]byte {
		var hashes [][sha256.Size]byte
		for _, s := range secrets {
			hashes = append(hashes, sha256.Sum256([]byte(s)))
		}
		return hashes
	}
	tests := []struct {
		name   string
		hashes [][sha256.Size]byte
		secret string
		want   bool
	}{
		{"the only secret", hash("one"), "one", true},
		{"the first of two", hash("one", "two"), "one", true},
		{"the last of two", hash("one", "two"), "two", true},
		{"a secret accepted twice over", hash("one", "one"), "one", true},
		{"another secret", hash("one", "two"), "three", false},
		{"a part of the secret", hash("one"), "on", false},
		{"no secret at all", hash("one"), "", false},
		{"no secret, though its hash is accepted", hash(""), "", false},
		{"a client that has no secret", nil, "one", false},
		{"a client that has no secret, and none presented", nil, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &Client{SecretHashes: tt.hashes}
			if got := c.Authenticate(tt.secret); got != tt.want {
				t.Errorf("Authenticate = %t, want %t", got, tt.want)
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
