// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package grants

import (
	"context"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/signer"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// Clients finds clients. It is asked on every request and answers from memory.
type Clients interface {
	// Client returns the client with an ID; false if there is none.
	Client(id string) (*clients.Client, bool)
}

// Keys has the signing keys.
type Keys interface {
	// Keys returns the current keys, never nil.
	Keys() *signer.Set
}

// A Grant is one grant_type: what it lets a request get, and how it issues.
type Grant interface {
	// Type returns the grant_type value.
	Type() string
	// Policy returns the most that the request may get.
	Policy(r *Authenticated) clients.Policy
	// Issue issues the token of an authorized request. Its error is an *oauth2.Error, or one of the tokens package; any
	// other ends as server_error.
	Issue(ctx context.Context, issuer *tokens.Issuer, r *Authorized) (tokens.AccessToken, error)
}

// An Authenticated request comes from a client that has proven who it is. Only Handler makes one.
type Authenticated struct {
	request *oauth2.Request
	client  *clients.Client
}

// Client returns the client that the request comes from.
func (a *Authenticated) Client() *clients.Client { return a.client }

// An Authorized request may have what it asks for. Only Handler makes one.
type Authorized struct {
	Authenticated
	audience []string
	scope    string
}

// Audience returns the audiences that were decided.
func (a *Authorized) Audience() []string { return a.audience }

// Scope returns the scope that was decided, space-separated; it may be empty.
func (a *Authorized) Scope() string { return a.scope }
