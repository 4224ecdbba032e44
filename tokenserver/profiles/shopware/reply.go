// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package shopware

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// claims are the claims of an access token as clients of this profile read them, and beside them what the server itself goes by.
type claims struct {
	// Audience is the client_id that the request had, as one string.
	Audience  string   `json:"aud"`
	ID        string   `json:"jti"`
	IssuedAt  int64    `json:"iat"`
	NotBefore int64    `json:"nbf"`
	ExpiresAt int64    `json:"exp"`
	Subject   string   `json:"sub"`
	Scopes    []string `json:"scopes"`
	Issuer    string   `json:"iss"`
	SessionID string   `json:"sid,omitempty"`

	Integration tokens.Integration `json:"integration-operator.io"`
}

// claimsOf returns the claims of a token that was asked for in the name of clientID.
func claimsOf(c *tokens.Claims, clientID string) *claims {
	return &claims{
		Audience: clientID, ID: c.ID, IssuedAt: c.IssuedAt, NotBefore: c.NotBefore, ExpiresAt: c.ExpiresAt, Subject: c.Subject,
		// Without scopes it is an empty array, which means read-only.
		Scopes: strings.Fields(c.Scope), Issuer: c.Issuer, SessionID: c.SessionID, Integration: c.Integration,
	}
}

// writeTokens writes a success. The order of the members is the vendor's.
func writeTokens(w http.ResponseWriter, access tokens.AccessToken, refreshToken string) {
	// Marshalling strings and a number cannot fail.
	body, _ := json.Marshal(struct { //nolint:gosec // the tokens are the reply
		TokenType    string `json:"token_type"`
		ExpiresIn    int64  `json:"expires_in"`
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token,omitempty"`
	}{"Bearer", int64(access.Lifetime.Seconds()), access.Token, refreshToken})
	oauth2.WriteJSON(w, http.StatusOK, body)
}
