// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package grants

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/limits"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

const (
	grantPassword     = "password"
	grantRefreshToken = "refresh_token"
)

var (
	errNoPassword      = errors.New("the request lacks username or password")
	errUnknownUser     = errors.New("the user is unknown")
	errWrongPassword   = errors.New("the password is wrong")
	errTooManyAttempts = errors.New("too many failed attempts")
)

// Password is the grant of RFC 6749 section 4.3: the client logs in a user with name and password. If the client may use refresh
// tokens, the login becomes a session.
type Password struct {
	// Logins keeps the sessions.
	Logins *sessions.Logins
	// Limits counts failures. A user with too many is refused before the password is looked at.
	Limits limits.Limiter
	// Turns are those in which passwords are checked.
	Turns *Turns
}

// Type returns the grant_type value.
func (Password) Type() string { return grantPassword }

// Begin checks the user's name and password, and offers what the client was granted as far as it is the user's. An unknown user and a
// wrong password look alike.
func (g Password) Begin(ctx context.Context, r *Authenticated) (Offer, error) {
	name, password := r.request.Username, r.request.Password.Reveal()
	if name == "" || password == "" {
		return nil, oauth2.ErrInvalidRequest.WithCause(errNoPassword).WithDescription("send username and password in the body")
	}
	client, why := r.Client(), errUnknownUser
	user := limits.UnknownUserKey(client.ID, name)
	if _, exists := client.Users[name]; exists {
		user, why = limits.UserKey(client.ID, name), errWrongPassword
		r.Concerns(name, "")
	}
	keys := append(g.addresses(r), user)
	if wait := g.Limits.Blocked(ctx, keys...); wait > 0 {
		return nil, tooManyAttempts(wait)
	}
	release, err := g.Turns.take(ctx, user.ID, client.Namespace, client.SlowUsers())
	if err != nil {
		return nil, err
	}
	defer release()
	// Attempts that came at the same time may have failed while this one waited for its turn.
	if wait := g.Limits.Blocked(ctx, keys...); wait > 0 {
		return nil, tooManyAttempts(wait)
	}
	found, ok := client.AuthenticateUser(name, password)
	if !ok {
		if wait := g.Limits.Failed(ctx, keys...); wait > 0 {
			return nil, tooManyAttempts(wait).WithCause(why)
		}
		return nil, oauth2.ErrInvalidGrant.WithCause(why).WithDescription("the username or the password is wrong")
	}
	// An address keeps its failures: otherwise one known password would buy any number of guesses at others.
	g.Limits.Succeeded(ctx, user)
	return &loginOffer{logins: g.Logins, client: client, user: found}, nil
}

// addresses returns the key of the address that a login comes from, if that tells anything: all users of a client that has proven who it
// is come from where the client runs.
func (g Password) addresses(r *Authenticated) []limits.Key {
	if !r.Public() {
		return nil
	}
	return []limits.Key{limits.LoginAddressKey(r.Client().ID, r.source)}
}

// tooManyAttempts is what a blocked user or address gets, whether or not the password is right.
func tooManyAttempts(wait time.Duration) *oauth2.Error {
	return oauth2.ErrInvalidGrant.WithCause(errTooManyAttempts).WithStatus(http.StatusTooManyRequests).WithRetryAfter(wait).
		WithDescription("there were too many failed attempts: try again later")
}

// A loginOffer is what a user who has just logged in may get.
type loginOffer struct {
	logins *sessions.Logins
	client *clients.Client
	user   *clients.User
}

// User returns the user's name.
func (o *loginOffer) User() string { return o.user.Name }

// Policy returns what the client was granted as far as it is the user's.
func (o *loginOffer) Policy() clients.Policy { return o.client.PolicyFor(o.user) }

// Issue issues an access token, and begins a session with a refresh token if the client may use one.
func (o *loginOffer) Issue(ctx context.Context, issuer *tokens.Issuer, r *Authorized) (Issued, error) {
	terms := tokens.Terms{
		Client: o.client, Subject: tokens.SubjectOf(o.client, o.user), Audience: r.Audience(), Scope: strings.Join(r.Scope(), " "),
		User: o.user,
	}
	if !o.client.MayUse(grantRefreshToken) {
		token, err := issuer.AccessToken(terms)
		return Issued{Access: token}, err
	}
	terms.SessionID = sessions.NewID()
	session := &sessions.Session{
		Owner: sessions.OwnerOf(o.client), ID: terms.SessionID, ClientID: o.client.ID, Username: o.user.Name, UserKind: o.user.Kind,
		Audiences: r.Audience(), Scopes: r.Scope(), IssuedAt: issuer.Now().Truncate(time.Second),
	}
	issued, err := issuePair(issuer, terms, session)
	if err != nil {
		return Issued{}, err
	}
	return issued, o.logins.Begin(ctx, session)
}

// issuePair issues an access token and a refresh token for a session, and notes in the session which refresh token is current.
func issuePair(issuer *tokens.Issuer, terms tokens.Terms, session *sessions.Session) (Issued, error) {
	access, err := issuer.AccessToken(terms)
	if err != nil {
		return Issued{}, err
	}
	refresh, err := issuer.RefreshToken(terms.Client, session.ID)
	if err != nil {
		return Issued{}, err
	}
	key, ok := issuer.Sealing.ByID(refresh.KeyID)
	if !ok {
		return Issued{}, tokens.ErrNoActiveKey
	}
	session.Current, session.KeyID, session.ExpiresAt = refresh.Hash, refresh.KeyID, refresh.ExpiresAt
	session.Fingerprint = sessions.Fingerprint(key, session.Owner, terms.User)
	return Issued{Access: access, RefreshToken: refresh.Token, SessionID: session.ID}, nil
}
