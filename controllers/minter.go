// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"time"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// ErrNoTokenKey is returned by a TokenMinter while there is no key that signs or encrypts the Integration's tokens.
var ErrNoTokenKey = errors.New("the key for the token is being made")

// A TokenMinter makes the access tokens in the Secrets of spec.secret.accessTokens, as the token server would give them to the client by
// the grant client_credentials. Its methods may be called concurrently.
type TokenMinter interface {
	// MintToken returns an access token for an Integration of which status.clientID and status.granted say what it may have. It returns
	// ErrNoTokenKey, or an error that says which scope or audience is not granted.
	MintToken(ctx context.Context, intg *v1alpha1.Integration, ask v1alpha1.AccessTokenSpec) (MintedToken, error)
	// InspectToken returns what a token says that MintToken has made for the Integration, if the token server would accept it now:
	// signature, issuer, client and times are right. It returns ErrNoTokenKey while there is no key at all that could tell, and otherwise an
	// error that holds nothing of the token.
	InspectToken(ctx context.Context, intg *v1alpha1.Integration, token []byte) (MintedToken, error)
}

// A MintedToken is an access token with what it says.
type MintedToken struct {
	// Token is the token itself. Nobody may log it.
	Token []byte
	// Scopes and Audiences are what it is good for, in the order of the token.
	Scopes, Audiences []string
	// Opaque says that it is encrypted rather than signed.
	Opaque bool
	// IssuedAt and ExpiresAt bound its life; they have whole seconds.
	IssuedAt, ExpiresAt time.Time
}
