// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package grants

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

var (
	errNoRefreshToken    = errors.New("the request lacks refresh_token")
	errForeignToken      = errors.New("the refresh token is another client's")
	errNoAccessRemaining = errors.New("none of the session's audiences is granted any more")
)

// RefreshToken is the grant of RFC 6749 section 6: a login goes on without the password. The package sessions says what becomes of a
// token that is redeemed twice.
type RefreshToken struct {
	// Logins keeps the sessions.
	Logins *sessions.Logins
	// Keys has the keys that refresh tokens verify with.
	Keys Keys
	// Issuer is the issuer URL.
	Issuer string
	// Now is the clock.
	Now func() time.Time
}

// Type returns the grant_type value.
func (RefreshToken) Type() string { return grantRefreshToken }

// Begin checks the refresh token, and offers what the login got as far as it is still granted. A token that is forged or another
// client's is refused without a look at the session store.
func (g RefreshToken) Begin(ctx context.Context, r *Authenticated) (Offer, error) {
	token := r.request.RefreshToken.Reveal()
	if token == "" {
		return nil, oauth2.ErrInvalidRequest.WithCause(errNoRefreshToken).WithParameter(grantRefreshToken).
			WithDescription("send refresh_token in the body")
	}
	client, keys := r.Client(), g.Keys.SealingKeys()
	verifier := tokens.Verifier{Issuer: g.Issuer, Sealing: keys, Now: g.Now}
	claims, err := verifier.RefreshToken(token)
	if err != nil {
		return nil, invalidGrant(err)
	}
	if claims.ClientID != client.ID || claims.UID != client.UID {
		return nil, invalidGrant(errForeignToken)
	}
	r.Concerns("", claims.SessionID)
	presented := tokens.HashOf(token)
	logins := g.loginsOf(client)
	session, err := logins.Present(ctx, sessions.OwnerOf(client), claims.SessionID, presented)
	if err != nil {
		return nil, sessionError(err)
	}
	r.Concerns(session.Username, session.ID)
	// A session that counts for nothing any more, such as one whose user has another password by now, is left to the leader's clean-up:
	// this replica may be the one that has not heard yet of the password that the user logged in with.
	if why := sessions.Honoured(session, client, keys, g.Now()); why != nil {
		return nil, invalidGrant(why)
	}
	user, _ := client.User(session.Username) // Honoured has found it.
	offer := &refreshOffer{
		logins: logins, client: client, user: user, login: r.caller.Login(), session: session, presented: presented,
	}
	if offer.policy = policyOf(session, client.PolicyFor(offer.user)); len(offer.policy.Access) == 0 {
		return nil, invalidGrant(errNoAccessRemaining)
	}
	return offer, nil
}

// loginsOf returns the logins by whose rule a client's are refreshed. Where a refresh kills the pair before it, a lost reply is no reason to
// take a token twice.
func (g RefreshToken) loginsOf(c *clients.Client) *sessions.Logins {
	if !c.PairsTokens() {
		return g.Logins
	}
	strict := *g.Logins
	strict.Grace = 0
	return &strict
}

// invalidGrant is what every refresh token gets that is no good, whatever the reason.
func invalidGrant(cause error) *oauth2.Error {
	return oauth2.ErrInvalidGrant.WithCause(cause).WithDescription("the refresh token is invalid, expired or used: log in again")
}

// sessionError sorts the errors of sessions into the client's and the store's.
func sessionError(err error) error {
	for _, ended := range []error{sessions.ErrNotFound, sessions.ErrExpired, sessions.ErrReused} {
		if errors.Is(err, ended) {
			return invalidGrant(err)
		}
	}
	return err
}

// policyOf narrows what the user may get now to what was granted at the login (RFC 6749 section 6).
func policyOf(s *sessions.Session, now clients.Policy) clients.Policy {
	policy := clients.Policy{DefaultScopes: s.Scopes}
	for _, access := range now.Access {
		if !slices.Contains(s.Audiences, access.Audience) {
			continue
		}
		narrowed := clients.Access{Audience: access.Audience}
		for _, scope := range access.Scopes {
			if slices.Contains(s.Scopes, scope) {
				narrowed.Scopes = append(narrowed.Scopes, scope)
			}
		}
		policy.Access = append(policy.Access, narrowed)
	}
	return policy
}

// A refreshOffer is what a refresh may get.
type refreshOffer struct {
	logins    *sessions.Logins
	client    *clients.Client
	user      *clients.User
	login     string
	session   *sessions.Session
	presented [sha256.Size]byte
	policy    clients.Policy
}

// User returns the name of the session's user.
func (o *refreshOffer) User() string { return o.user.Name }

// Policy returns what was granted at the login as far as it is granted now.
func (o *refreshOffer) Policy() clients.Policy { return o.policy }

// Issue makes the session's next refresh token the current one, and returns it with an access token. Both are made before that,
// so that a refresh that fails leaves the token that was presented as good as before.
func (o *refreshOffer) Issue(ctx context.Context, issuer *tokens.Issuer, r *Authorized) (Issued, error) {
	next := *o.session
	issued, err := issuePair(issuer, tokens.Terms{
		Client: o.client, Subject: tokens.SubjectOf(o.client, o.user), Audience: r.Audience(), Scope: strings.Join(r.Scope(), " "),
		User: o.user, SessionID: o.session.ID, Login: o.login,
	}, &next)
	if err != nil {
		return Issued{}, err
	}
	if err := o.logins.Rotate(ctx, o.session, o.presented, &next); err != nil {
		return Issued{}, sessionError(fmt.Errorf("refresh session %s: %w", o.session.ID, err))
	}
	return issued, nil
}
