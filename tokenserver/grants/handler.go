// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package grants

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/audit"
	"github.com/integration-operator/integration-operator/tokenserver/clientauth"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/limits"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// Why requests are refused, for the log. None of them holds anything from the request.
var (
	errGrantNotGranted  = errors.New("the client was not granted this grant_type")
	errAudienceRefused  = errors.New("a resource is not among the audiences that the request may name")
	errNoAudience       = errors.New("the client has no audience")
	errScopeMalformed   = errors.New("the scope is malformed")
	errScopeNotGranted  = errors.New("a scope is not granted for each of the audiences")
	errGrantUnsupported = errors.New("there is no such grant_type")
)

const (
	// keyRetryAfter is when to ask again for a key that is being made.
	keyRetryAfter = 5 * time.Second
	// unknownGrant stands for every grant_type that there is not, as what a request says becomes neither a label nor a log line.
	unknownGrant = "unknown"
)

// A Handler is a token endpoint (RFC 6749 section 3.2) of one profile. All its fields are needed but Observe. Below a URL that
// names an Integration by the wildcards namespace and name of the pattern that it is mounted with, it serves that one only.
type Handler struct {
	// Dialect is how the clients of the profile speak.
	Dialect Dialect
	// Authenticator checks who the client is.
	Authenticator *clientauth.Authenticator
	// Sources tells where a request comes from.
	Sources limits.Sources
	// Keys has the keys that tokens are made with.
	Keys Keys
	// Grants are the grants that there are.
	Grants []Grant
	// Issuer is the issuer URL, the iss claim of tokens.
	Issuer string
	// Now is the clock.
	Now func() time.Time
	// Audit gets one line a request, without secrets and tokens.
	Audit *audit.Recorder
	// Observe is told the grant, the result and the duration of each request. All that it is told comes from the code, never
	// from a request.
	Observe func(grant, result string, took time.Duration)
}

// An exchange is what happened to one request, for the audit log and the metrics.
type exchange struct {
	source  netip.Addr
	request *oauth2.Request
	grant   Grant
	caller  *clientauth.Caller
	// concerns is whom the request is about, once that is known.
	concerns concerns
	reply    Reply
}

// grantType returns the grant_type if there is such a grant.
func (x *exchange) grantType() string {
	if x.grant == nil {
		return unknownGrant
	}
	return x.grant.Type()
}

// ServeHTTP serves a token request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := h.Now()
	x := exchange{source: h.Sources.Of(r)}
	result := audit.ResultOK
	err := h.exchange(w, r, start, &x)
	if err != nil {
		result = err.Code()
	}
	h.record(r.Context(), &x, err)
	if err != nil {
		refusal := &Refusal{Err: err}
		if x.request != nil {
			refusal.GrantType = x.request.GrantType
		}
		h.Dialect.WriteError(w, r, refusal)
	} else {
		h.Dialect.WriteReply(w, r, &x.reply)
	}
	if h.Observe != nil {
		h.Observe(x.grantType(), result, h.Now().Sub(start))
	}
}

// exchange runs the pipeline, and notes in x how far the request came. Tokens count as issued when the request came: it is judged by
// what was true then, and a revocation that came while it waited for its turn must end them too.
func (h *Handler) exchange(w http.ResponseWriter, r *http.Request, start time.Time, x *exchange) *oauth2.Error {
	request, err := h.Dialect.Parse(w, r)
	place := clientauth.Place{Profile: h.Dialect.Profile(), Namespace: r.PathValue("namespace"), Name: r.PathValue("name")}
	if err != nil {
		return cmp.Or(h.throttled(r.Context(), place, request, x), err)
	}
	x.request = request
	if x.grant = h.grant(request.GrantType); x.grant == nil {
		return oauth2.ErrUnsupportedGrantType.WithCause(errGrantUnsupported).
			WithDescription("the grant_type is not supported: use one of " + h.grantTypes())
	}
	caller, err := h.Authenticator.AuthenticateAt(r.Context(), x.source, place, request.Credentials)
	if err != nil {
		return err
	}
	x.caller = caller
	if !caller.Client().MayUse(x.grant.Type()) {
		return oauth2.ErrUnauthorizedClient.WithCause(errGrantNotGranted)
	}
	authenticated := &Authenticated{request: request, caller: caller, source: x.source, concerns: &x.concerns}
	if err := h.before(r.Context(), x.grant, authenticated); err != nil {
		return err
	}
	offer, failure := x.grant.Begin(r.Context(), authenticated)
	if failure != nil {
		return asError(failure)
	}
	x.concerns.user = offer.User()
	authorized, err := authorize(offer.Policy(), authenticated)
	if err != nil {
		return err
	}
	issuer := tokens.Issuer{
		URL: h.Issuer, Keys: h.Keys.Keys(), Sealing: h.Keys.SealingKeys(), Shape: h.Dialect.Claims, Now: func() time.Time { return start },
	}
	issued, failure := offer.Issue(r.Context(), &issuer, authorized)
	if failure != nil {
		return asError(failure)
	}
	x.reply = Reply{Issued: issued, Scope: authorized.scope, Client: caller.Client()}
	return nil
}

// throttled returns the error for a request that cannot be served, if it is about the login of a user who is blocked; nil otherwise, also
// where it is about nobody's login.
func (h *Handler) throttled(ctx context.Context, place clientauth.Place, request *oauth2.Request, x *exchange) *oauth2.Error {
	guarded, ok := h.grant(grantPassword).(guardedGrant)
	if request == nil || !ok {
		return nil
	}
	// Where there is no such client nobody is blocked, and the request gets the error that it has.
	if caller, refused := h.Authenticator.AuthenticateAt(ctx, x.source, place, request.Credentials); refused == nil {
		authenticated := &Authenticated{request: request, caller: caller, source: x.source, concerns: &x.concerns}
		if blocked := guarded.Blocked(ctx, authenticated); blocked != nil {
			return asError(blocked)
		}
	}
	return nil
}

// before refuses what can be refused before the grant looks at anything that somebody might guess: a user who is blocked, and then audiences and
// scopes that the client has for nobody. So a wrong scope tells nothing of a password, and no password is hashed for it.
func (h *Handler) before(ctx context.Context, g Grant, r *Authenticated) *oauth2.Error {
	guarded, ok := g.(guardedGrant)
	if !ok {
		return nil
	}
	if err := guarded.Blocked(ctx, r); err != nil {
		return asError(err)
	}
	_, err := authorize(r.Client().Policy(), r)
	return err
}

// grant returns the grant of a grant_type, or nil.
func (h *Handler) grant(grantType string) Grant {
	for _, g := range h.Grants {
		if g.Type() == grantType {
			return g
		}
	}
	return nil
}

// grantTypes lists what there is.
func (h *Handler) grantTypes() string {
	names := make([]string, 0, len(h.Grants))
	for _, g := range h.Grants {
		names = append(names, g.Type())
	}
	return strings.Join(names, ", ")
}

// authorize decides what the request gets of the policy: the audiences (RFC 8707) and the scopes (RFC 6749 section 3.3).
func authorize(policy clients.Policy, r *Authenticated) (*Authorized, *oauth2.Error) {
	chosen, refused, ok := policy.ChooseAccess(r.request.Resources)
	if !ok {
		return nil, oauth2.ErrInvalidTarget.WithCause(errAudienceRefused).
			WithDescription("the resource " + refused + " is not one of the client's audiences")
	}
	if len(chosen) == 0 {
		return nil, oauth2.ErrServerError.WithCause(errNoAudience)
	}
	requested, ok := parseScope(r.request.Scope)
	if !ok {
		return nil, oauth2.ErrInvalidScope.WithCause(errScopeMalformed).WithDescription(
			"write the scope as at most 256 scopes with one space between them, each of printable ASCII without quote and backslash")
	}
	scopes, refused, ok := policy.ChooseScopes(chosen, requested)
	if !ok {
		return nil, oauth2.ErrInvalidScope.WithCause(errScopeNotGranted).WithScope(refused).
			WithDescription("the scope " + refused + " is not granted for each of the audiences")
	}
	audience := make([]string, len(chosen))
	for i := range chosen {
		audience[i] = chosen[i].Audience
	}
	return &Authorized{Authenticated: *r, audience: audience, scope: scopes}, nil
}

// parseScope splits a scope parameter (RFC 6749 section 3.3) and folds duplicates; false if it is malformed.
func parseScope(scope string) ([]string, bool) {
	if scope == "" {
		return nil, true
	}
	scopes := make([]string, 0, 8)
	for s := range strings.SplitSeq(scope, " ") {
		if !isScope(s) {
			return nil, false
		}
		if slices.Contains(scopes, s) {
			continue
		}
		if len(scopes) == oauth2.MaxScopes {
			return nil, false
		}
		scopes = append(scopes, s)
	}
	return scopes, true
}

// isScope reports whether s is a scope-token: printable ASCII without space, quote and backslash.
func isScope(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != "" && len(s) <= oauth2.MaxScopeLength
}

// asError turns what a grant returns into what the client is told.
func asError(err error) *oauth2.Error {
	var public *oauth2.Error
	switch {
	case errors.As(err, &public):
		return public
	case errors.Is(err, tokens.ErrNoActiveKey):
		return oauth2.ErrTemporarilyUnavailable.WithCause(err).WithRetryAfter(keyRetryAfter)
	case errors.Is(err, tokens.ErrTooLarge):
		return oauth2.ErrInvalidScope.WithCause(err).WithDescription("the token would be too large: ask for fewer scopes or one resource")
	case errors.Is(err, sessions.ErrUnavailable):
		return oauth2.ErrTemporarilyUnavailable.WithCause(err).WithRetryAfter(sessions.RetryAfter)
	default:
		return oauth2.ErrServerError.WithCause(err)
	}
}

// record writes the audit line of a request. Names are logged only of clients and users that exist.
func (h *Handler) record(ctx context.Context, x *exchange, err *oauth2.Error) {
	e := audit.Event{
		Action: audit.Issue, Result: audit.ResultOK, Status: http.StatusOK, Grant: x.grantType(), User: x.concerns.user,
		TokenID: x.reply.Access.ID, SessionID: x.reply.SessionID, Source: x.source.String(),
	}
	switch {
	case e.Grant == grantRefreshToken:
		e.Action = audit.Refresh
	case x.reply.Answer != nil:
		e.Action = audit.Confirm
	}
	var claimed *oauth2.Credentials
	if x.request != nil {
		claimed = &x.request.Credentials
	}
	h.Authenticator.Describe(&e, x.caller, claimed, err)
	if err != nil {
		e.Action = audit.Refuse
		if errors.Is(err, sessions.ErrReused) {
			e.Action = audit.Reuse
		}
		e.TokenID, e.SessionID = "", x.concerns.session
	}
	h.Audit.Record(ctx, e)
}
