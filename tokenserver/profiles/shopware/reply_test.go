// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package shopware

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/grants"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

func TestReplies(t *testing.T) {
	for _, tt := range []struct {
		name, refreshToken string
		lifetime           time.Duration
	}{
		{"client-credentials", "", 10 * time.Minute},
		{"login", "refresh.token.here", time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, PathToken, http.NoBody)
			Dialect{}.WriteReply(w, r, &grants.Reply{
				Issued: grants.Issued{
					Access: tokens.AccessToken{Token: "access.token.here", Lifetime: tt.lifetime}, RefreshToken: tt.refreshToken, SessionID: "a-session",
				},
				Scope: []string{"write"},
			})
			golden(t, "replies/"+tt.name, wireOf(t, w))
		})
	}
}

func TestClaims(t *testing.T) {
	own := tokens.Claims{
		Issuer: "https://tokens.example", Subject: "SWIAABCDEFGHIJKLMNOPQRSTUV", ClientID: "SWIAABCDEFGHIJKLMNOPQRSTUV",
		Audience: []string{"https://orders.example", "https://stock.example"}, IssuedAt: 1_790_000_000, NotBefore: 1_790_000_000,
		ExpiresAt: 1_790_000_600, ID: "an-id", Integration: tokens.Integration{Namespace: "shop", Name: "storefront", UID: "a-uid"},
	}
	users := own
	users.Subject, users.Scope, users.SessionID = "admin", "write user-verified", "a-session"
	users.Login = "administration"
	users.Integration.Username, users.Integration.Kind = "admin", "Admin"
	golden(t, "claims/client-credentials", Dialect{}.Claims(&own))
	golden(t, "claims/login", Dialect{}.Claims(&users))
}
