// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package grants

import (
	"context"
	"net/netip"

	"github.com/integration-operator/integration-operator/tokenserver/clientauth"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/sealing"
	"github.com/integration-operator/integration-operator/tokenserver/signer"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// Keys has the keys that tokens are made with.
type Keys interface {
	// Keys returns the current signing keys, never nil.
	Keys() *signer.Set
	// SealingKeys returns the current keys for opaque tokens and refresh tokens, never nil.
	SealingKeys() *sealing.Set
}

// A Grant is one grant_type.
type Grant interface {
	// Type returns the grant_type value.
	Type() string
	// Begin checks what the grant itself asks a client to present, such as a user's password, and returns what the request may get.
	// Its error is an *oauth2.Error or one of the tokens or sessions packages; any other ends as server_error.
	Begin(ctx context.Context, r *Authenticated) (Offer, error)
}

// A guardedGrant is one whose Begin looks at what somebody might guess.
type guardedGrant interface {
	// Blocked returns the error for a request that is refused unseen after too many failures, or nil. Its errors are those of Begin.
	Blocked(ctx context.Context, r *Authenticated) error
}

// An Offer is what one request may get by its grant.
type Offer interface {
	// User returns the name of the user whom the tokens will speak for; empty for the client itself.
	User() string
	// Policy returns the most that the request may get.
	Policy() clients.Policy
	// Issue issues the tokens of the authorized request. Its errors are those of Grant.Begin.
	Issue(ctx context.Context, issuer *tokens.Issuer, r *Authorized) (Issued, error)
}

// Issued is what a request gets.
type Issued struct {
	Access tokens.AccessToken
	// RefreshToken is empty if there is none.
	RefreshToken string
	// SessionID names the login that the tokens belong to; empty if there is none.
	SessionID string
	// Answer is what a Confirmation gives in place of tokens; otherwise nil.
	Answer any
}

// An Authenticated request comes from a client that has proven who it is, or from a public client. Only Handler makes one.
type Authenticated struct {
	request *oauth2.Request
	caller  *clientauth.Caller
	source  netip.Addr
	// concerns is for the audit log of a request that gets nothing.
	concerns *concerns
}

// concerns names what a request is about.
type concerns struct{ user, session string }

// Concerns notes for the audit log which user and which login the request is about, both of which exist or did.
func (a *Authenticated) Concerns(user, session string) {
	*a.concerns = concerns{user, session}
}

// Client returns the client that the request comes from.
func (a *Authenticated) Client() *clients.Client { return a.caller.Client() }

// Public reports whether the client has proven nothing.
func (a *Authenticated) Public() bool { return a.caller.Public() }

// An Authorized request may have what it asks for. Only Handler makes one.
type Authorized struct {
	Authenticated
	audience []string
	scope    []string
}

// Audience returns the audiences that were decided.
func (a *Authorized) Audience() []string { return a.audience }

// Scope returns the scopes that were decided; there may be none.
func (a *Authorized) Scope() []string { return a.scope }
