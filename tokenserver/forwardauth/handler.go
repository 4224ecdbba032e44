// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package forwardauth

import (
	"cmp"
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

var errNoToken = errors.New("there is no bearer token")

// A Handler is the endpoint that proxies ask. All its fields are needed but Dialects, Log and Observe.
type Handler struct {
	// Checker decides whether tokens count.
	Checker *introspection.Checker
	// Issuer is the issuer URL: the audience that tokens must be meant for if the proxy names none.
	Issuer string
	// Dialects are those of the profiles beside plain OAuth 2.
	Dialects []Dialect
	// Log is told at level DEBUG why requests are refused, and at WARN of what the server is to blame for. There are as
	// many requests as the APIs have, so there is no audit line for each.
	Log *slog.Logger
	// Now is the clock.
	Now func() time.Time
	// Observe is told the result and the duration of each request. All that it is told comes from the code, never from a
	// request.
	Observe func(result string, took time.Duration)
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
	dialect, ok := h.dialect(required.profile)
	if !ok {
		return h.fail(w, r, invalid("this server does not serve the profile"))
	}
	token, err := h.authenticate(dialect, r)
	var refused *Refusal
	switch {
	case errors.Is(err, ErrMalformed):
		refused = malformed()
	case errors.Is(err, tokens.ErrExpiredToken):
		refused = inactive("the token has expired", err)
	case errors.Is(err, introspection.ErrInactive):
		refused = inactive("the token is invalid or was revoked", err)
	case err != nil:
		return h.fail(w, r, oauth2.ErrTemporarilyUnavailable.WithCause(err).WithRetryAfter(sessions.RetryAfter))
	default:
		refused = h.judge(dialect, required, token)
	}
	if refused != nil {
		if len(refused.Resources) == 0 {
			refused.Resources = required.resources
		}
		return h.refuse(w, r, dialect, refused)
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

// malformed is what a request gets whose credentials cannot be read. RFC 6750 section 3.1 has 400 for it, of which nginx
// makes a 500.
func malformed() *Refusal {
	return &Refusal{
		Status: http.StatusUnauthorized, Code: codeInvalidRequest, Cause: ErrMalformed,
		Description: "send one Authorization header: Bearer, a space and the token",
	}
}

// inactive is what a token gets that does not count.
func inactive(description string, cause error) *Refusal {
	return &Refusal{Status: http.StatusUnauthorized, Code: codeInvalidToken, Description: description, Cause: cause}
}

// refuse writes a refusal in a dialect, and returns what the request ended as.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, d *Dialect, refused *Refusal) string {
	result, cause := cmp.Or(refused.Code, resultNoToken), refused.Description
	if refused.Cause != nil {
		cause = refused.Cause.Error()
	}
	h.log(r, slog.LevelDebug, result, cause)
	if d.WriteRefusal != nil {
		d.WriteRefusal(w, r, refused)
	} else {
		writeRefusal(w, refused)
	}
	return result
}

// writeRefusal writes a refusal with its challenge (RFC 6750 section 3). What it writes comes from the code and from the proxy's requirements,
// neither of which holds a quote.
func writeRefusal(w http.ResponseWriter, refused *Refusal) {
	challenge, body := realm, []byte("{}")
	if refused.Code != "" {
		challenge += `, error="` + refused.Code + `", error_description="` + refused.Description + `"`
		// Marshalling two strings cannot fail.
		body, _ = json.Marshal(struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
		}{refused.Code, refused.Description})
	}
	if refused.Scope != "" {
		challenge += `, scope="` + refused.Scope + `"`
	}
	w.Header().Set("WWW-Authenticate", challenge)
	oauth2.WriteJSON(w, refused.Status, body)
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

// identify writes who a token speaks for; nobody if it is nil. Every header is always there, be it empty: some proxies hand on a client's
// header of that name if there is none to put in its place.
func identify(h http.Header, token *introspection.Token) {
	var client, subject, scope, integration string
	if token != nil {
		client, subject, scope = escape(token.Claims.ClientID), escape(token.Claims.Subject), token.Claims.Scope
		integration = token.Client.Namespace + "/" + token.Client.Name
	}
	h.Set("Cache-Control", "no-store")
	h.Set("X-Auth-Client-Id", client)
	h.Set("X-Auth-Subject", subject)
	h.Set("X-Auth-Scope", scope)
	h.Set("X-Auth-Integration", integration)
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
