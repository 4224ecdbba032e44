// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package orocommerce

import (
	"encoding/json"
	"testing"

	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

func TestClaims(t *testing.T) {
	of := func(name string) tokens.Integration {
		return tokens.Integration{Namespace: "shop", Name: name, UID: "uid-" + name}
	}
	user := of("erp")
	user.Username, user.Kind = "alice", "Admin"
	visitor := of("storefront")
	visitor.Kind = "Visitor"
	for name, c := range map[string]struct {
		claims      tokens.Claims
		application string
	}{
		"user": {tokens.Claims{Subject: "alice", Scope: "read write", SessionID: "s", Integration: user}, "BackOffice"},
		"visitor": {
			tokens.Claims{Subject: "visitor:0123456789abcdef0123", Scope: "read", SessionID: "s", Integration: visitor}, "Storefront",
		},
		"client": {tokens.Claims{Subject: "app", Integration: of("erp")}, "BackOffice"},
	} {
		t.Run(name, func(t *testing.T) {
			c.claims.Issuer, c.claims.ClientID, c.claims.Audience = "https://tokens.example", "app", []string{"https://api.example"}
			c.claims.ID, c.claims.IssuedAt, c.claims.NotBefore, c.claims.ExpiresAt = "j", 1_700_000_000, 1_700_000_000, 1_700_003_600
			got, err := json.MarshalIndent(claimsOf(&c.claims, c.application), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			wantGolden(t, "claims/"+name+".json", string(got)+"\n")
		})
	}
}
