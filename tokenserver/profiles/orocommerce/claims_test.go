// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package orocommerce

import (
	"encoding/json"
	"testing"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

func TestClaims(t *testing.T) {
	of := func(name, application string) tokens.Integration {
		return tokens.Integration{Namespace: "shop", Name: name, UID: "uid-" + name, Profile: clients.ProfileOroCommerce, Application: application}
	}
	user := of("erp", "BackOffice")
	user.Username, user.Kind = "alice", "Admin"
	visitor := of("storefront", "Storefront")
	visitor.Username, visitor.Kind = "visitor:0123456789abcdef0123", "Visitor"
	for name, c := range map[string]tokens.Claims{
		"user":    {Subject: "alice", Scope: "read write", SessionID: "s", Integration: user},
		"visitor": {Subject: "visitor:0123456789abcdef0123", Scope: "read", SessionID: "s", Integration: visitor},
		"client":  {Subject: "app", Integration: of("erp", "BackOffice")},
	} {
		t.Run(name, func(t *testing.T) {
			c.Issuer, c.ClientID, c.Audience = "https://tokens.example", "app", []string{"https://api.example"}
			c.ID, c.IssuedAt, c.NotBefore, c.ExpiresAt = "j", 1_700_000_000, 1_700_000_000, 1_700_003_600
			got, err := json.MarshalIndent(Dialect{}.Claims(&c), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			wantGolden(t, "claims/"+name+".json", string(got)+"\n")
		})
	}
}
