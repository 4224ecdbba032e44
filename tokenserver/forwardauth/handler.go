// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package forwardauth

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/introspection"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// pathVerify is the path of the endpoint below that of the issuer.
const pathVerify = "/verify"

const (
	// realm begins every challenge.
	realm = `Bearer realm="integration-operator"`
)

// The error codes of RFC 6750 section 3.1.
const (
	codeInvalidRequest    = "invalid_request"
	codeInvalidToken      = "invalid_token"
	codeInsufficientScope = "insufficient_scope"
)

// What a request ended as, beside the error codes.
const (
	resultOK      = "ok"
	resultNoToken = "no_token"
)

var (
	errNoToken   = errors.New("there is no bearer token")
	errMalformed = errors.New("the Authorization header is malformed or there twice")
)

// A Handler is the endpoint that proxies ask. All its fields are needed but Log and Observe.
type Handler struct {
	// Checker decides whether tokens count.
	Checker *introspection.Checker
	// Issuer is the issuer URL: the audience that tokens must be meant for if the proxy names none.
	Issuer string
	// Log is told at level DEBUG why requests are refused, and at WARN of what the server is to blame for. There are as
	// many requests as the APIs have, so there is no audit line for each.
	Log *slog.Logger
	// Now is the clock.
	Now func() time.Time
	// Observe is told the result and the duration of each request. All that it is told comes from the code, never from a
	// request.
	Observe func(result string, took time.Duration)
}

// A refusal is a reply to a request that must not pass.
type refusal struct {
	status int
	// code is empty if there was no token at all (RFC 6750 section 3.1).
	code        string
	description string
	// scope is what would be enough.
	scope string
	// cause is for the log.
	cause error
}

// ServeHTTP answers whether a request may pass. The method does not matter: it is the original request's, or the proxy's
// own.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := h.Now()
	result := h.serve(w, r)
	if h.Observe != nil {
		h.Observe(result, h.Now().Sub(start))
	}
}

// serve writes the reply, and returns what the request ended as.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request) string {
	asked := h.asked(r.URL.Path)
	required, problem := h.required(r, asked)
	if problem != nil {
		return h.fail(w, r, problem)
	}
	presented, refused := bearer(r.Header)
	if refused != nil {
		return h.refuse(w, r, refused)
	}
	token, err := h.Checker.Check(r.Context(), presented)
	switch {
	case errors.Is(err, tokens.ErrExpiredToken):
		return h.refuse(w, r, inactive("the token has expired", err))
	case errors.Is(err, introspection.ErrInactive):
		return h.refuse(w, r, inactive("the token is invalid or was revoked", err))
	case err != nil:
		return h.fail(w, r, oauth2.ErrTemporarilyUnavailable.WithCause(err).WithRetryAfter(sessions.RetryAfter))
	}
	if refused := required.judge(token.Claims); refused != nil {
		return h.refuse(w, r, refused)
	}
	identify(w.Header(), token)
	if asked {
		w.WriteHeader(http.StatusNoContent)
		return resultOK
	}
	// Envoy takes no other status than 200 for a yes.
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
	return resultOK
}

// asked reports whether a path is that of the endpoint itself, so that the proxy's operator wrote the query.
func (h *Handler) asked(path string) bool {
	if path == pathVerify {
		return true
	}
	u, err := url.Parse(h.Issuer)
	return err == nil && path == strings.TrimSuffix(u.Path, "/")+pathVerify
}

// required collects what the token must have.
func (h *Handler) required(r *http.Request, asked bool) (*requirements, *oauth2.Error) {
	q := &requirements{}
	if err := q.fromHeaders(r.Header); err != nil {
		return nil, err
	}
	if asked {
		return q, q.fromQuery(r.URL.RawQuery, h.Issuer)
	}
	// If the issuer were the default here too, a proxy that sets no such header might hand on a client's, which would
	// choose another.
	if len(q.audiences) == 0 {
		return nil, invalid("below /verify/ the proxy must set the header " + headerAudience + " on every request")
	}
	return q, nil
}

// bearer returns the token of the Authorization header (RFC 6750 section 2.1), and of nowhere else.
func bearer(h http.Header) (string, *refusal) {
	values := h["Authorization"]
	if len(values) > 1 {
		return "", malformed()
	}
	if len(values) == 0 {
		return "", &refusal{status: http.StatusUnauthorized, cause: errNoToken}
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", &refusal{status: http.StatusUnauthorized, cause: errNoToken}
	}
	if token = strings.Trim(token, " "); token == "" || strings.ContainsAny(token, " \t,") {
		return "", malformed()
	}
	return token, nil
}

// malformed is what a request gets whose credentials cannot be read. RFC 6750 section 3.1 has 400 for it, of which nginx
// makes a 500.
func malformed() *refusal {
	return &refusal{
		status: http.StatusUnauthorized, code: codeInvalidRequest, cause: errMalformed,
		description: "send one Authorization header: Bearer, a space and the token",
	}
}

// inactive is what a token gets that does not count.
func inactive(description string, cause error) *refusal {
	return &refusal{status: http.StatusUnauthorized, code: codeInvalidToken, description: description, cause: cause}
}

// refuse writes a refusal with its challenge (RFC 6750 section 3). What it writes comes from the code and from the
// proxy's requirements, neither of which holds a quote.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, refused *refusal) string {
	challenge, result, body := realm, resultNoToken, []byte("{}")
	if refused.code != "" {
		result = refused.code
		challenge += `, error="` + refused.code + `", error_description="` + refused.description + `"`
		// Marshalling two strings cannot fail.
		body, _ = json.Marshal(struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
		}{refused.code, refused.description})
	}
	if refused.scope != "" {
		challenge += `, scope="` + refused.scope + `"`
	}
	cause := refused.description
	if refused.cause != nil {
		cause = refused.cause.Error()
	}
	h.log(r, slog.LevelDebug, result, cause)
	w.Header().Set("WWW-Authenticate", challenge)
	oauth2.WriteJSON(w, refused.status, body)
	return result
}

// fail writes an error that is not the client's.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err *oauth2.Error) string {
	cause, level := err.Description(), slog.LevelDebug
	if err.Status() >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	if err.Unwrap() != nil {
		cause = err.Unwrap().Error()
	}
	h.log(r, level, err.Code(), cause)
	oauth2.WriteError(w, err)
	return err.Code()
}

// log says why a request must not pass.
func (h *Handler) log(r *http.Request, level slog.Level, result, cause string) {
	if h.Log != nil {
		h.Log.LogAttrs(r.Context(), level, "refused a request", slog.String("route", pathVerify),
			slog.String("result", result), slog.String("cause", cause))
	}
}

// identify writes who a token speaks for. Every header is always there, be it empty: some proxies hand on a client's
// header of that name if there is none to put in its place.
func identify(h http.Header, token *introspection.Token) {
	h.Set("Cache-Control", "no-store")
	h.Set("X-Auth-Client-Id", escape(token.Claims.ClientID))
	h.Set("X-Auth-Subject", escape(token.Claims.Subject))
	h.Set("X-Auth-Scope", token.Claims.Scope)
	h.Set("X-Auth-Integration", token.Client.Namespace+"/"+token.Client.Name)
}

// escape percent-encodes what a header cannot hold, and the percent sign: a user's name may have any letters. What is
// printable ASCII but no space stays as it is.
func escape(s string) string {
	const hex = "0123456789ABCDEF"
	plain := func(c byte) bool { return c > ' ' && c <= '~' && c != '%' }
	for i := range len(s) {
		if plain(s[i]) {
			continue
		}
		escaped := []byte(s[:i])
		for ; i < len(s); i++ {
			if plain(s[i]) {
				escaped = append(escaped, s[i])
			} else {
				escaped = append(escaped, '%', hex[s[i]>>4], hex[s[i]&0xf])
			}
		}
		return string(escaped)
	}
	return s
}
