// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package introspection

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/audit"
	"github.com/integration-operator/integration-operator/tokenserver/clientauth"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/limits"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// resultInactive is the result of a question about a token that does not count, or not for whoever asked.
const resultInactive = "inactive"

var (
	errPublicClient = errors.New("a public client asks about a token")
	errNotTheirs    = errors.New("the token is neither the caller's nor meant for an audience that it serves")
)

// inactiveReply is all that is said of a token that does not count (RFC 7662 section 2.2).
var inactiveReply = []byte(`{"active":false}`)

// A Handler is the introspection endpoint (RFC 7662). All its fields are needed but Audit and Observe.
type Handler struct {
	// Checker decides about tokens.
	Checker *Checker
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
	// token is the token if it counts and the caller may know.
	token *Token
	// inactive is why there is none.
	inactive error
	reply    []byte
}

// ServeHTTP serves an introspection request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := h.Now()
	x := exchange{source: h.Sources.Of(r)}
	err := h.exchange(w, r, &x)
	result := h.record(r.Context(), &x, err)
	if err != nil {
		oauth2.WriteError(w, err)
	} else {
		oauth2.WriteJSON(w, http.StatusOK, x.reply)
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
	caller, err := h.Authenticator.Authenticate(r.Context(), x.source, query.Credentials)
	if err != nil {
		return err
	}
	x.caller = caller
	// RFC 7662 section 2.1: whoever asks must have proven who it is. Otherwise the endpoint tells anybody which tokens
	// are good.
	if caller.Public() {
		return oauth2.ErrInvalidClient.WithCause(errPublicClient).WithDescription("a public client may not ask about tokens")
	}
	token, failure := h.Checker.Check(r.Context(), query.Token.Reveal())
	switch {
	case errors.Is(failure, ErrInactive):
		x.inactive = failure
	case failure != nil:
		return oauth2.ErrTemporarilyUnavailable.WithCause(failure).WithRetryAfter(sessions.RetryAfter)
	case !mayAsk(caller.Client(), token):
		x.inactive = errNotTheirs
	default:
		x.token = token
	}
	x.reply, err = render(x.token)
	return err
}

// mayAsk reports whether a client may know about a token: it is its own, or meant for an audience that the client serves.
func mayAsk(asks *clients.Client, token *Token) bool {
	if asks.ID == token.Client.ID && asks.UID == token.Client.UID {
		return true
	}
	return slices.ContainsFunc(asks.IntrospectedAudiences, func(audience string) bool {
		return slices.Contains(token.Claims.Audience, audience)
	})
}

// render returns the reply (RFC 7662 section 2.2): what the token says, and that it is active.
func render(token *Token) ([]byte, *oauth2.Error) {
	if token == nil {
		return inactiveReply, nil
	}
	c := token.Claims
	body, err := json.Marshal(struct {
		Active    bool   `json:"active"`
		TokenType string `json:"token_type"`
		Username  string `json:"username,omitempty"`
		*tokens.Claims
		// A lasting token has none of these.
		NotBefore int64  `json:"nbf,omitempty"`
		ExpiresAt int64  `json:"exp,omitempty"`
		ID        string `json:"jti,omitempty"`
	}{true, "Bearer", c.Integration.Username, c, c.NotBefore, c.ExpiresAt, c.ID})
	if err != nil {
		return nil, oauth2.ErrServerError.WithCause(err)
	}
	return body, nil
}

// record writes the audit line of a request, and returns its result. Tokens and users are named only to callers that may
// know them, and so are they in the log, which says who heard what.
func (h *Handler) record(ctx context.Context, x *exchange, err *oauth2.Error) string {
	e := audit.Event{Action: audit.Introspect, Result: audit.ResultOK, Status: http.StatusOK, Source: x.source.String()}
	switch {
	case x.inactive != nil:
		e.Result, e.Cause = resultInactive, x.inactive.Error()
	case x.token != nil:
		claims := x.token.Claims
		e.TokenID, e.SessionID, e.User = claims.ID, claims.SessionID, claims.Integration.Username
	}
	h.Authenticator.Describe(&e, x.caller, x.claimed, err)
	h.Audit.Record(ctx, e)
	return e.Result
}
