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

// Claims returns the claims of an access token as OroCommerce's clients read them.
func (Dialect) Claims(c *tokens.Claims) any {
	return claims{
		Audience: []string{c.ClientID, strings.ToLower(c.Integration.Application)}, ID: c.ID, IssuedAt: c.IssuedAt, NotBefore: c.NotBefore,
		ExpiresAt: c.ExpiresAt, Subject: c.Subject, Scopes: strings.Fields(c.Scope), Issuer: c.Issuer, SessionID: c.SessionID,
		Integration: c.Integration,
	}
}
