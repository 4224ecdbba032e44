// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package grants

import (
	"context"
	"errors"
	"strings"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

var errPublicClient = errors.New("a public client asks for a token of its own")

// ClientCredentials is the grant of RFC 6749 section 4.4: the client acts for itself. There is no refresh token (section
// 4.4.3), as the client can always ask again.
type ClientCredentials struct{}

// Type returns the grant_type value.
func (ClientCredentials) Type() string { return "client_credentials" }

// Begin offers all that the client was granted. A public client gets nothing: anybody can say that they are it.
func (ClientCredentials) Begin(_ context.Context, r *Authenticated) (Offer, error) {
	if r.Public() {
		return nil, oauth2.ErrUnauthorizedClient.WithCause(errPublicClient)
	}
	return clientOffer{r.Client()}, nil
}

// A clientOffer is what a client may get for itself.
type clientOffer struct{ client *clients.Client }

// User returns nothing.
func (clientOffer) User() string { return "" }

// Policy returns all that the client was granted.
func (o clientOffer) Policy() clients.Policy { return o.client.Policy() }

// Issue issues an access token whose subject is the client (RFC 9068 section 2.2).
func (o clientOffer) Issue(_ context.Context, issuer *tokens.Issuer, r *Authorized) (Issued, error) {
	token, err := issuer.AccessToken(tokens.Terms{
		Client: o.client, Subject: o.client.ID, Audience: r.Audience(), Scope: strings.Join(r.Scope(), " "),
	})
	return Issued{Access: token}, err
}
