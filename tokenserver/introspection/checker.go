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
	errOtherDialect = errors.New("it was issued in another profile, or for another application, than its client has by now")
	errRefreshed    = errors.New("its login has been refreshed since")
)

// Keys has the keys that tokens verify with.
type Keys interface {
	// Keys returns the current signing keys, never nil.
	Keys() *signer.Set
	// SealingKeys returns the current keys of opaque tokens, never nil.
	SealingKeys() *sealing.Set
}

// LastingClients finds the clients of tokens that are no JWTs and last.
type LastingClients interface {
	// LastingClient returns the client whose lasting token this is; false if it is nobody's.
	LastingClient(token string) (*clients.Client, bool)
}

// A Checker decides whether access tokens count. All its fields are needed but Lasting.
type Checker struct {
	// Issuer is the issuer URL.
	Issuer string
	// Clients finds the clients that tokens were issued to.
	Clients clientauth.Clients
	// Lasting finds the clients of lasting tokens; without it there are none.
	Lasting LastingClients
	// Keys has the keys.
	Keys Keys
	// Sessions knows what has ended.
	Sessions sessions.Store
	// Now is the clock.
	Now func() time.Time
}

// A Token is an access token that counts. Only Checker makes one.
type Token struct {
	// Claims are what the token says. Those of a lasting token are what it stands for: it has no ID, and no end.
	Claims *tokens.Claims
	// Client is the client that it was issued to, as it is now.
	Client *clients.Client
}

// Check returns what an access token says, signed, opaque or lasting, if it counts now as a bearer token. It does not judge the audience. It
// returns ErrInactive with the cause wrapped beside it, among them tokens.ErrExpiredToken, or sessions.ErrUnavailable if there is
// no telling.
func (c *Checker) Check(ctx context.Context, token string) (*Token, error) {
	if isLasting(token) {
		return c.bearer(token)
	}
	verifier := tokens.Verifier{Issuer: c.Issuer, Keys: c.Keys.Keys(), Sealing: c.Keys.SealingKeys(), Now: c.Now}
	claims, err := verifier.AccessToken(token)
	if err != nil {
		return nil, inactive(err)
	}
	client, err := c.clientOf(claims)
	if err != nil {
		return nil, inactive(err)
	}
	owner := sessions.OwnerOf(client)
	spent, session, err := c.Sessions.Standing(ctx, owner, claims.ID, claims.SessionID)
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
	if session, err = c.paired(ctx, session, claims); err != nil {
		return nil, err
	}
	if err := sessions.Honoured(session, client, verifier.Sealing, c.Now()); err != nil {
		return nil, inactive(err)
	}
	return &Token{Claims: claims, Client: client}, nil
}

// paired returns the session of a token if the refresh token is current that the token was issued with, where it is to die with that. What
// Standing tells may lag, so a token that may be newer than that is looked up once more. One that is older is dead for good, and costs nothing.
func (c *Checker) paired(ctx context.Context, session *sessions.Session, claims *tokens.Claims) (*sessions.Session, error) {
	pair := claims.Integration.Pair
	if pair == "" || pair == tokens.PairOf(session.Current) {
		return session, nil
	}
	if pair == tokens.PairOf(session.Previous) || time.Unix(claims.IssuedAt, 0).Before(session.RotatedAt.Add(-tokens.ClockDrift)) {
		return nil, inactive(errRefreshed)
	}
	session, err := c.Sessions.Get(ctx, session.Owner, session.ID)
	switch {
	case errors.Is(err, sessions.ErrNotFound):
		return nil, inactive(errSessionEnded)
	case err != nil:
		return nil, err
	case pair != tokens.PairOf(session.Current):
		return nil, inactive(errRefreshed)
	default:
		return session, nil
	}
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
	case client.Profile != claims.Integration.Profile || client.Application != claims.Integration.Application:
		return nil, errOtherDialect
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
	user, ok := client.User(claims.Integration.Username)
	return ok && user.Kind == claims.Integration.Kind
}

// inactive says why a token is.
func inactive(cause error) error {
	return fmt.Errorf("%w: %w", ErrInactive, cause)
}
