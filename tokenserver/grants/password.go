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
	errOtherKind       = errors.New("the user is of another kind than may log in here")
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
	// Factors checks second factors; without it nobody who needs one can log in.
	Factors SecondFactors
}

// Type returns the grant_type value.
func (Password) Type() string { return grantPassword }

// Blocked returns the error for a user or an address with too many failures, or nil.
func (g Password) Blocked(ctx context.Context, r *Authenticated) error {
	if r.visits() {
		return nil // There is nothing to guess, and nobody may keep visitors out by guessing wrong.
	}
	if wait := g.Limits.Blocked(ctx, append(g.addresses(r), userKeys(r)...)...); wait > 0 {
		return tooManyAttempts(wait)
	}
	return nil
}

// Begin checks the user's name and password, and the second factor of a user who has one, and offers what the client was granted as far as it is
// the user's. An unknown user, one of another kind than may log in here and a wrong password look alike.
func (g Password) Begin(ctx context.Context, r *Authenticated) (Offer, error) {
	if err := complete(r.request); err != nil {
		return nil, err
	}
	client := r.Client()
	if r.visits() {
		visitor, _ := client.User(clients.NewVisitor()) // Guests may visit, as visits has seen.
		return &loginOffer{logins: g.Logins, client: client, user: visitor, login: r.caller.Login()}, nil
	}
	found, err := g.authenticate(ctx, r, func(u *clients.User) error { return g.checkFactor(ctx, r, u) })
	if err != nil {
		return nil, err
	}
	// An address keeps its failures: otherwise one known password would buy any number of guesses at others.
	g.Limits.Succeeded(ctx, userKeys(r)...)
	return &loginOffer{logins: g.Logins, client: client, user: found, login: r.caller.Login()}, nil
}

// authenticate returns the user whose name and password a request has, if the rest that proves it is the user passes as well. Of that,
// ErrWrongFactor counts as a failed attempt.
func (g Password) authenticate(ctx context.Context, r *Authenticated, rest func(u *clients.User) error) (*clients.User, error) {
	client, name, why := r.Client(), r.request.Username, errUnknownUser
	if _, exists := client.Users[name]; exists {
		why = errWrongPassword
		r.Concerns(name, "")
	}
	keys := append(g.addresses(r), userKeys(r)...)
	// Every name has a turn of its own, whether or not there is such a user: otherwise the time that made-up names wait for one another would tell.
	release, err := g.Turns.take(ctx, client.ID+":"+name, client.Namespace, client.SlowUsers())
	if err != nil {
		return nil, err
	}
	defer release()
	// Attempts that came at the same time may have failed while this one waited for its turn.
	if wait := g.Limits.Blocked(ctx, keys...); wait > 0 {
		return nil, tooManyAttempts(wait)
	}
	found, ok := client.AuthenticateUser(name, r.request.Password.Reveal())
	if ok && !r.admits(found) {
		ok, why = false, errOtherKind
	}
	if !ok {
		return nil, g.failed(ctx, keys, why)
	}
	if err := rest(found); err != nil {
		if errors.Is(err, ErrWrongFactor) {
			return nil, g.failed(ctx, keys, err)
		}
		return nil, err
	}
	return found, nil
}

// failed counts a failure, and returns what to answer.
func (g Password) failed(ctx context.Context, keys []limits.Key, why error) error {
	if wait := g.Limits.Failed(ctx, keys...); wait > 0 {
		return tooManyAttempts(wait).WithCause(why)
	}
	return oauth2.ErrInvalidGrant.WithCause(why).WithDescription("the username or the password is wrong")
}

// complete returns the error for a login that lacks a name or a password, or nil.
func complete(r *oauth2.Request) error {
	incomplete := oauth2.ErrInvalidRequest.WithCause(errNoPassword).WithDescription("send username and password in the body")
	switch {
	case r.Username == "":
		return incomplete.WithParameter("username")
	case r.Password == "":
		return incomplete.WithParameter("password")
	default:
		return nil
	}
}

// guest is the name and the password of everybody who has none.
const guest = "guest"

// visits reports whether a request is that of a visitor, whom the client lets in.
func (a *Authenticated) visits() bool {
	client := a.Client()
	_, taken := client.Users[guest]
	return client.Guests && !taken && a.request.Username == guest && a.request.Password == guest
}

// admits reports whether a user is of a kind that may log in by the request.
func (a *Authenticated) admits(u *clients.User) bool {
	for _, kind := range []string{a.request.UserKind, a.Client().UserKind} {
		if kind != "" && kind != u.Kind {
			return false
		}
	}
	return true
}

// userKeys returns what a login's failures count against. Names that do not exist share a few keys. Where users are locked out that is by name and
// kind, and a route for both kinds counts against both of every name: otherwise failures at several routes would add up for a name only if
// there is such a user.
func userKeys(r *Authenticated) []limits.Key {
	client, name := r.Client(), r.request.Username
	user, exists := client.Users[name]
	if !client.LocksOut() {
		if exists {
			return []limits.Key{limits.UserKey(client.ID, name)}
		}
		return []limits.Key{limits.UnknownUserKey(client.ID, name)}
	}
	kinds := []string{clients.KindAdmin, clients.KindCustomer}
	if r.request.UserKind != "" {
		kinds = []string{r.request.UserKind}
	}
	keys := make([]limits.Key, 0, len(kinds))
	for _, kind := range kinds {
		if exists && user.Kind == kind {
			keys = append(keys, limits.LockoutKey(client.ID, kind, name))
		} else {
			keys = append(keys, limits.UnknownLockoutKey(client.ID, kind, name))
		}
	}
	return keys
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
	// login is the name that the login went by if it named no client.
	login string
}

// User returns the user's name.
func (o *loginOffer) User() string { return o.user.Name }

// Policy returns what the client was granted as far as it is the user's.
func (o *loginOffer) Policy() clients.Policy { return o.client.PolicyFor(o.user) }

// Issue issues an access token, and begins a session with a refresh token if the client may use one. Where tokens of users can be revoked
// all at once, there is a session without one.
func (o *loginOffer) Issue(ctx context.Context, issuer *tokens.Issuer, r *Authorized) (Issued, error) {
	terms := tokens.Terms{
		Client: o.client, Subject: tokens.SubjectOf(o.client, o.user), Audience: r.Audience(), Scope: strings.Join(r.Scope(), " "),
		User: o.user, Login: o.login,
	}
	refreshes := o.client.MayUse(grantRefreshToken)
	if !refreshes && !o.client.TracksLogins() {
		token, err := issuer.AccessToken(terms)
		return Issued{Access: token}, err
	}
	terms.SessionID = sessions.NewID()
	session := &sessions.Session{
		Owner: sessions.OwnerOf(o.client), ID: terms.SessionID, ClientID: o.client.ID, Username: o.user.Name, UserKind: o.user.Kind,
		Audiences: r.Audience(), Scopes: r.Scope(), IssuedAt: issuer.Now().Truncate(time.Second),
	}
	issue := issuePair
	if !refreshes {
		issue = issueAlone
	}
	issued, err := issue(issuer, terms, session)
	if err != nil {
		return Issued{}, err
	}
	return issued, o.logins.Begin(ctx, session)
}

// issuePair issues an access token and a refresh token for a session, and notes in the session which refresh token is current.
func issuePair(issuer *tokens.Issuer, terms tokens.Terms, session *sessions.Session) (Issued, error) {
	refresh, err := issuer.RefreshToken(terms.Client, session.ID)
	if err != nil {
		return Issued{}, err
	}
	if terms.Client.PairsTokens() {
		terms.Pair = tokens.PairOf(refresh.Hash)
	}
	access, err := issuer.AccessToken(terms)
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

// issueAlone issues an access token for a session that no refresh token prolongs. The session's current one is the digest of something that
// nobody has.
func issueAlone(issuer *tokens.Issuer, terms tokens.Terms, session *sessions.Session) (Issued, error) {
	key, ok := issuer.Sealing.Active()
	if !ok {
		return Issued{}, tokens.ErrNoActiveKey
	}
	access, err := issuer.AccessToken(terms)
	if err != nil {
		return Issued{}, err
	}
	session.Current, session.KeyID, session.ExpiresAt = tokens.HashOf(sessions.NewID()), key.ID, access.ExpiresAt
	session.Fingerprint = sessions.Fingerprint(key, session.Owner, terms.User)
	return Issued{Access: access, SessionID: session.ID}, nil
}
