// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package grants

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// Why requests are refused, for the log. None of them holds anything from the request.
var (
	errNoCredentials    = errors.New("the client presented no secret")
	errUnknownClient    = errors.New("the client is unknown")
	errWrongSecret      = errors.New("the client secret is wrong")
	errSuspended        = errors.New("the client is suspended")
	errGrantNotGranted  = errors.New("the client was not granted this grant_type")
	errAudienceRefused  = errors.New("a resource is not among the client's audiences")
	errNoAudience       = errors.New("the client has no audience")
	errScopeMalformed   = errors.New("the scope is malformed")
	errScopeNotGranted  = errors.New("a scope is not granted for each of the audiences")
	errGrantUnsupported = errors.New("there is no such grant_type")
)

// keyRetryAfter is when to ask again for a signing key that is being made.
const keyRetryAfter = 5 * time.Second

// A Handler is the token endpoint (RFC 6749 section 3.2). All its fields are needed but Observe.
type Handler struct {
	// Clients finds the clients.
	Clients Clients
	// Keys has the signing keys.
	Keys Keys
	// Grants are the grants that there are.
	Grants []Grant
	// Issuer is the issuer URL, the iss claim of tokens.
	Issuer string
	// Now is the clock.
	Now func() time.Time
	// Log gets one line a request, without secrets and tokens.
	Log *slog.Logger
	// Observe is told the grant, the result and the duration of each request. All that it is told comes from the code, never
	// from a request.
	Observe func(grant, result string, took time.Duration)
}

// ServeHTTP serves a token request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := h.Now()
	var x exchange
	result := resultOK
	if err := h.exchange(w, r, &x); err != nil {
		result = err.Code()
		h.logRefusal(r, &x, err)
		oauth2.WriteError(w, err)
	} else {
		h.logIssue(r, &x)
		oauth2.WriteJSON(w, http.StatusOK, x.reply)
	}
	if h.Observe != nil {
		h.Observe(x.grantType(), result, h.Now().Sub(start))
	}
}

// exchange runs the pipeline, and notes in x how far the request came.
func (h *Handler) exchange(w http.ResponseWriter, r *http.Request, x *exchange) *oauth2.Error {
	request, err := oauth2.ParseRequest(w, r)
	if err != nil {
		return err
	}
	x.request = request
	if x.grant = h.grant(request.GrantType); x.grant == nil {
		return oauth2.ErrUnsupportedGrantType.WithCause(errGrantUnsupported).
			WithDescription("the grant_type is not supported: use one of " + h.grantTypes())
	}
	authenticated, err := h.authenticate(request)
	if err != nil {
		return err
	}
	authorized, err := authorize(x.grant, authenticated)
	if err != nil {
		return err
	}
	issuer := tokens.Issuer{URL: h.Issuer, Keys: h.Keys.Keys(), Now: h.Now}
	token, failure := x.grant.Issue(r.Context(), &issuer, authorized)
	if failure != nil {
		return asError(failure)
	}
	x.client, x.tokenID = authorized.client, token.ID
	x.reply, err = render(token, authorized.scope)
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

// authenticate checks the credentials (RFC 6749 section 2.3). An unknown client, a wrong secret and a suspended client look
// alike from outside, in the reply and in the time that it takes.
func (h *Handler) authenticate(r *oauth2.Request) (*Authenticated, *oauth2.Error) {
	if r.Credentials.Method == oauth2.MethodNone {
		return nil, oauth2.ErrInvalidClient.WithCause(errNoCredentials).WithDescription(
			"send the client's credentials by HTTP Basic, or as client_id and client_secret in the body")
	}
	client, ok := h.Clients.Client(r.Credentials.ClientID)
	secret := r.Credentials.Secret.Reveal()
	switch {
	case !ok:
		clients.AuthenticateUnknown(secret)
		return nil, oauth2.ErrInvalidClient.WithCause(errUnknownClient)
	case !client.Authenticate(secret):
		return nil, oauth2.ErrInvalidClient.WithCause(errWrongSecret)
	case client.Suspended:
		return nil, oauth2.ErrInvalidClient.WithCause(errSuspended)
	}
	return &Authenticated{request: r, client: client}, nil
}

// authorize decides what the request gets: the grant, the audiences (RFC 8707) and the scopes (RFC 6749 section 3.3).
func authorize(g Grant, r *Authenticated) (*Authorized, *oauth2.Error) {
	if !r.client.MayUse(g.Type()) {
		return nil, oauth2.ErrUnauthorizedClient.WithCause(errGrantNotGranted)
	}
	policy := g.Policy(r)
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
		return nil, oauth2.ErrInvalidScope.WithCause(errScopeNotGranted).
			WithDescription("the scope " + refused + " is not granted for each of the audiences")
	}
	audience := make([]string, len(chosen))
	for i := range chosen {
		audience[i] = chosen[i].Audience
	}
	return &Authorized{Authenticated: *r, audience: audience, scope: strings.Join(scopes, " ")}, nil
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
	default:
		return oauth2.ErrServerError.WithCause(err)
	}
}

// render returns the body of a success (RFC 6749 section 5.1).
func render(token tokens.AccessToken, scope string) ([]byte, *oauth2.Error) {
	body, err := json.Marshal(struct { //nolint:gosec // the token is the reply
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresIn   int64  `json:"expires_in"`
		Scope       string `json:"scope,omitempty"`
	}{token.Token, "Bearer", int64(token.Lifetime / time.Second), scope})
	if err != nil {
		return nil, oauth2.ErrServerError.WithCause(err)
	}
	return body, nil
}
