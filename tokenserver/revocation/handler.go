// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package revocation

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/audit"
	"github.com/integration-operator/integration-operator/tokenserver/clientauth"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/limits"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/sealing"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
	"github.com/integration-operator/integration-operator/tokenserver/signer"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

const (
	// resultInactive is the result of revoking what is no good anyway.
	resultInactive = "inactive"
	// fullRetryAfter is when to try again if the store holds as much as it may: by then some revoked tokens have expired.
	fullRetryAfter = time.Minute
)

var (
	errNotTheirs = errors.New("the token is another client's")
	errLasting   = errors.New("the token is the client's lasting one")
)

// Keys has the keys that tokens verify with.
type Keys interface {
	// Keys returns the current signing keys, never nil.
	Keys() *signer.Set
	// SealingKeys returns the current keys of opaque and of refresh tokens, never nil.
	SealingKeys() *sealing.Set
}

// A Handler is the revocation endpoint (RFC 7009). All its fields are needed but Audit and Observe.
type Handler struct {
	// Issuer is the issuer URL.
	Issuer string
	// Keys has the keys.
	Keys Keys
	// Sessions keeps what has ended.
	Sessions sessions.Store
	// Authenticator checks who asks.
	Authenticator *clientauth.Authenticator
	// Sources tells where a request comes from.
	Sources limits.Sources
	// Audit gets one line a request, without secrets and tokens.
	Audit *audit.Recorder
	// Observe is told the result and the duration of each request. All that it is told comes from the code, never from a
	// request.
	Observe func(result string, took time.Duration)
	// Now is the clock.
	Now func() time.Time
}

// An exchange is what happened to one request, for the audit log and the metrics.
type exchange struct {
	source netip.Addr
	// claimed are the credentials of the request, once it is parsed.
	claimed *oauth2.Credentials
	caller  *clientauth.Caller
	// tokenID, sessionID and user are those of the token if it is the caller's.
	tokenID, sessionID, user string
	// inactive is why there was nothing to revoke.
	inactive error
}

// ServeHTTP serves a revocation request. A success has no body (RFC 7009 section 2.2).
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := h.Now()
	x := exchange{source: h.Sources.Of(r)}
	err := h.exchange(w, r, &x)
	result := h.record(r.Context(), &x, err)
	if err != nil {
		oauth2.WriteError(w, err)
	} else {
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("Content-Length", "0")
		w.WriteHeader(http.StatusOK)
	}
	if h.Observe != nil {
		h.Observe(result, h.Now().Sub(start))
	}
}

// exchange runs the steps, and notes in x how far the request came.
func (h *Handler) exchange(w http.ResponseWriter, r *http.Request, x *exchange) *oauth2.Error {
	query, err := oauth2.ParseTokenQuery(w, r)
	if err != nil {
		return err
	}
	x.claimed = &query.Credentials
	// RFC 7009 section 2.1: a public client is identified by its client_id. Whoever claims to be it can end what it has
	// the tokens of.
	caller, err := h.Authenticator.Authenticate(r.Context(), x.source, query.Credentials)
	if err != nil {
		return err
	}
	x.caller = caller
	verifier := tokens.Verifier{Issuer: h.Issuer, Keys: h.Keys.Keys(), Sealing: h.Keys.SealingKeys(), Now: h.Now}
	// No token is of both kinds, so each attempt costs the wrong kind next to nothing.
	access, failure := verifier.AccessToken(query.Token.Reveal())
	if failure == nil {
		return h.revokeAccess(r.Context(), x, access)
	}
	if errors.Is(failure, tokens.ErrInvalidToken) {
		var refresh *tokens.RefreshClaims
		if refresh, failure = verifier.RefreshToken(query.Token.Reveal()); failure == nil {
			return h.revokeRefresh(r.Context(), x, refresh)
		}
	}
	if lasting := caller.Client().Lasting; lasting != nil && tokens.HashOf(query.Token.Reveal()) == lasting.Hash {
		return oauth2.ErrUnsupportedTokenType.WithCause(errLasting).WithDescription(
			"the token lasts until the client secret is rotated: rotate it, by spec.credentials.rotation.requestedAt of the Integration")
	}
	x.inactive = failure
	return nil
}

// revokeAccess makes an access token count for nothing. Its session goes on.
func (h *Handler) revokeAccess(ctx context.Context, x *exchange, claims *tokens.Claims) *oauth2.Error {
	client := x.caller.Client()
	if !owns(client, claims.ClientID, claims.Integration.UID) {
		return notTheirs()
	}
	x.tokenID, x.sessionID, x.user = claims.ID, claims.SessionID, claims.Integration.Username
	err := h.Sessions.Spend(ctx, sessions.Spent{
		Owner: sessions.OwnerOf(client), Kind: sessions.KindAccessToken, TokenID: claims.ID,
		// A replica whose clock is behind takes the token for that much longer.
		ExpiresAt: time.Unix(claims.ExpiresAt, 0).Add(tokens.Leeway),
	})
	switch {
	case errors.Is(err, sessions.ErrUsed):
		x.inactive = err
		return nil
	case errors.Is(err, sessions.ErrFull):
		return oauth2.ErrTemporarilyUnavailable.WithCause(err).WithRetryAfter(fullRetryAfter).WithDescription(
			"the client has too many revoked tokens: revoke all of them by spec.revokeTokensIssuedBefore of its Integration")
	default:
		return storeError(err)
	}
}

// revokeRefresh ends the session of a refresh token (RFC 7009 section 2.1).
func (h *Handler) revokeRefresh(ctx context.Context, x *exchange, claims *tokens.RefreshClaims) *oauth2.Error {
	client := x.caller.Client()
	if !owns(client, claims.ClientID, claims.UID) {
		return notTheirs()
	}
	x.tokenID, x.sessionID = claims.ID, claims.SessionID
	return storeError(h.Sessions.End(ctx, sessions.OwnerOf(client), claims.SessionID))
}

// owns reports whether a token was issued to a client. The UID tells a client from one that had the same ID before.
func owns(client *clients.Client, clientID, uid string) bool {
	return client.ID == clientID && client.UID == uid
}

// notTheirs is what a client gets for another one's token.
func notTheirs() *oauth2.Error {
	return oauth2.ErrInvalidGrant.WithCause(errNotTheirs).WithDescription("the token was issued to another client")
}

// storeError turns what the store returns into what the client is told.
func storeError(err error) *oauth2.Error {
	if err == nil {
		return nil
	}
	return oauth2.ErrTemporarilyUnavailable.WithCause(err).WithRetryAfter(sessions.RetryAfter)
}

// record writes the audit line of a request, and returns its result.
func (h *Handler) record(ctx context.Context, x *exchange, err *oauth2.Error) string {
	e := audit.Event{
		Action: audit.Revoke, Result: audit.ResultOK, Status: http.StatusOK, Source: x.source.String(),
		TokenID: x.tokenID, SessionID: x.sessionID, User: x.user,
	}
	if x.inactive != nil {
		e.Result, e.Cause = resultInactive, x.inactive.Error()
	}
	h.Authenticator.Describe(&e, x.caller, x.claimed, err)
	h.Audit.Record(ctx, e)
	return e.Result
}
