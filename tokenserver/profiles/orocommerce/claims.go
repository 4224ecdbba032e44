// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package orocommerce

import (
	"strings"

	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// claims are those of an access token. The audience is the client and which application the token is for: one for the storefront is
// none for the back office.
type claims struct {
	Audience    []string           `json:"aud"`
	ID          string             `json:"jti"`
	IssuedAt    int64              `json:"iat"`
	NotBefore   int64              `json:"nbf"`
	ExpiresAt   int64              `json:"exp"`
	Subject     string             `json:"sub"`
	Scopes      []string           `json:"scopes"`
	Issuer      string             `json:"iss"`
	SessionID   string             `json:"sid,omitempty"`
	Integration tokens.Integration `json:"integration-operator.io"`
}

// claimsOf returns the claims of a token for an application.
func claimsOf(c *tokens.Claims, application string) claims {
	return claims{
		Audience: []string{c.ClientID, strings.ToLower(application)}, ID: c.ID, IssuedAt: c.IssuedAt, NotBefore: c.NotBefore,
		ExpiresAt: c.ExpiresAt, Subject: c.Subject, Scopes: strings.Fields(c.Scope), Issuer: c.Issuer, SessionID: c.SessionID,
		Integration: c.Integration,
	}
}
