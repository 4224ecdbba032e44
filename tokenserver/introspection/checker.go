// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package introspection

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/clientauth"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/sealing"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
	"github.com/integration-operator/integration-operator/tokenserver/signer"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// ErrInactive says that a token does not count. Its cause is wrapped beside it, and holds nothing of the token.
var ErrInactive = errors.New("the token is not active")

// Why authentic tokens do not count.
var (
	errClientGone   = errors.New("its client does not exist any more")
	errClientStops  = errors.New("its client is suspended")
	errTokenRevoked = errors.New("whatever its client was issued then is revoked")
	errUserGone     = errors.New("its user may not log in any more, or is of another kind by now")
	errTokenSpent   = errors.New("it was revoked")
	errSessionEnded = errors.New("its session has ended")
)

// Keys has the keys that tokens verify with.
type Keys interface {
	// Keys returns the current signing keys, never nil.
	Keys() *signer.Set
	// SealingKeys returns the current keys of opaque tokens, never nil.
	SealingKeys() *sealing.Set
}

// A Checker decides whether access tokens count. All its fields are needed.
type Checker struct {
	// Issuer is the issuer URL.
	Issuer string
	// Clients finds the clients that tokens were issued to.
	Clients clientauth.Clients
	// Keys has the keys.
	Keys Keys
	// Sessions knows what has ended.
	Sessions sessions.Store
	// Now is the clock.
	Now func() time.Time
}

// A Token is an access token that counts. Only Checker makes one.
type Token struct {
	// Claims are what the token says.
	Claims *tokens.Claims
	// Client is the client that it was issued to, as it is now.
	Client *clients.Client
}

// Check returns what an access token says, signed or opaque, if it counts now. It does not judge the audience. It returns
// ErrInactive with the cause wrapped beside it, among them tokens.ErrExpiredToken, or sessions.ErrUnavailable if there is
// no telling.
func (c *Checker) Check(ctx context.Context, token string) (*Token, error) {
	verifier := tokens.Verifier{Issuer: c.Issuer, Keys: c.Keys.Keys(), Sealing: c.Keys.SealingKeys(), Now: c.Now}
	claims, err := verifier.AccessToken(token)
	if err != nil {
		return nil, inactive(err)
	}
	client, err := c.clientOf(claims)
	if err != nil {
		return nil, inactive(err)
	}
	spent, session, err := c.Sessions.Standing(ctx, sessions.OwnerOf(client), claims.ID, claims.SessionID)
	switch {
	case err != nil:
		return nil, err
	case spent:
		return nil, inactive(errTokenSpent)
	case claims.SessionID == "":
		return &Token{Claims: claims, Client: client}, nil
	case session == nil || session.Username != claims.Integration.Username:
		return nil, inactive(errSessionEnded)
	}
	if err := sessions.Honoured(session, client, verifier.Sealing, c.Now()); err != nil {
		return nil, inactive(err)
	}
	return &Token{Claims: claims, Client: client}, nil
}

// clientOf returns the client that a token was issued to. An Integration that was deleted and made anew has the same
// client ID and another UID, and owes nothing to the tokens of the old one.
func (c *Checker) clientOf(claims *tokens.Claims) (*clients.Client, error) {
	client, ok := c.Clients.Client(claims.ClientID)
	switch {
	case !ok || client.UID != claims.Integration.UID:
		return nil, errClientGone
	case client.Stopped(c.Now()):
		return nil, errClientStops
	case client.Revoked(time.Unix(claims.IssuedAt, 0)):
		return nil, errTokenRevoked
	case !hasUser(client, claims):
		return nil, errUserGone
	default:
		return client, nil
	}
}

// hasUser reports whether the user whom a token speaks for may still log in, in the same role. A token of the client
// itself needs none.
func hasUser(client *clients.Client, claims *tokens.Claims) bool {
	if claims.Integration.Username == "" {
		return true
	}
	user, ok := client.Users[claims.Integration.Username]
	return ok && user.Kind == claims.Integration.Kind
}

// inactive says why a token is.
func inactive(cause error) error {
	return fmt.Errorf("%w: %w", ErrInactive, cause)
}
