// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package grants

import (
	"context"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// ClientCredentials is the grant of RFC 6749 section 4.4: the client acts for itself. There is no refresh token (section
// 4.4.3), as the client can always ask again.
type ClientCredentials struct{}

// Type returns the grant_type value.
func (ClientCredentials) Type() string { return "client_credentials" }

// Policy returns all that the client was granted.
func (ClientCredentials) Policy(r *Authenticated) clients.Policy { return r.Client().Policy() }

// Issue issues an access token whose subject is the client (RFC 9068 section 2.2).
func (ClientCredentials) Issue(_ context.Context, issuer *tokens.Issuer, r *Authorized) (tokens.AccessToken, error) {
	return issuer.AccessToken(tokens.Terms{
		Client:   r.Client(),
		Subject:  r.Client().ID,
		Audience: r.Audience(),
		Scope:    r.Scope(),
	})
}
