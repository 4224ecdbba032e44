// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package tokenserver

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/discovery"
	"github.com/integration-operator/integration-operator/tokenserver/grants"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
)

// routeOther is the route label of every path that the server does not have.
const routeOther = "other"

// A Server is the token server without its listener. All its fields are needed but Log and Metrics.
type Server struct {
	// Issuer is the issuer URL, without trailing slash.
	Issuer string
	// Clients finds the clients.
	Clients grants.Clients
	// Keys has the signing keys.
	Keys grants.Keys
	// JWKSMaxAge is how long verifiers may cache the keys and the metadata.
	JWKSMaxAge time.Duration
	// Now is the clock.
	Now func() time.Time
	// Log gets one line for each token request, without secrets and tokens.
	Log *slog.Logger
	// Metrics counts requests.
	Metrics *Metrics
}

// Handler returns all routes of the server.
func (s *Server) Handler() http.Handler {
	log := s.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	supported := []grants.Grant{grants.ClientCredentials{}}
	grantTypes := make([]string, 0, len(supported))
	for _, g := range supported {
		grantTypes = append(grantTypes, g.Type())
	}
	token := &grants.Handler{
		Clients: s.Clients, Keys: s.Keys, Grants: supported, Issuer: s.Issuer, Now: s.Now, Log: log,
		Observe: func(grant, result string, took time.Duration) {
			s.Metrics.observe(discovery.PathToken, grant, result, took)
		},
	}
	routes := map[string]http.Handler{
		discovery.PathToken: token,
		discovery.PathJWKS:  s.observed(discovery.PathJWKS, &discovery.JWKS{Keys: s.Keys, MaxAge: s.JWKSMaxAge}),
		discovery.PathAuthorizationServer: s.observed(discovery.PathAuthorizationServer,
			discovery.AuthorizationServer(s.Issuer, grantTypes, s.JWKSMaxAge)),
		discovery.PathOpenIDConfiguration: s.observed(discovery.PathOpenIDConfiguration,
			discovery.OpenIDConfiguration(s.Issuer, grantTypes, s.JWKSMaxAge)),
	}
	prefix := issuerPath(s.Issuer)
	patterns := map[string]http.Handler{}
	for route, handler := range routes {
		handler = s.recovering(route, log, handler)
		patterns[route], patterns[prefix+route] = handler, handler
		// RFC 8414 section 3.1 puts the well-known part before the issuer's path.
		if route == discovery.PathAuthorizationServer {
			patterns[route+prefix] = handler
		}
	}
	mux := http.NewServeMux()
	for pattern, handler := range patterns {
		mux.Handle(pattern, handler)
	}
	notFound := s.observed(routeOther, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		oauth2.WriteError(w, oauth2.ErrNotFound)
	}))
	mux.Handle("/", notFound)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		// ServeMux redirects a path that is not clean, and repeats the query while it does.
		if path.Clean(r.URL.Path) != r.URL.Path {
			notFound.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// issuerPath returns the path of the issuer URL as a pattern of ServeMux takes it, or nothing if it has none. cmd/manager
// refuses an issuer that is no URL.
func issuerPath(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(path.Clean("/"+u.EscapedPath()), "/")
}

// recovering turns a panic into a server_error. What was panicked with is logged only if it comes from the runtime, as anything
// else may hold a secret; a stack holds none.
func (s *Server) recovering(route string, log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func(ctx context.Context) {
			cause := recover()
			if cause == nil {
				return
			}
			//nolint:errorlint // recover returns the value of panic(http.ErrAbortHandler) itself.
			if cause == http.ErrAbortHandler {
				panic(cause)
			}
			what := fmt.Sprintf("%T", cause)
			if e, ok := cause.(runtime.Error); ok {
				what = e.Error()
			}
			log.LogAttrs(ctx, slog.LevelError, "request panicked", slog.String("route", route),
				slog.String("panic", what), slog.String("stack", string(debug.Stack())), slog.String("remote", r.RemoteAddr))
			oauth2.WriteError(w, oauth2.ErrServerError)
			s.Metrics.count(route, "", oauth2.ErrServerError.Code())
		}(r.Context())
		next.ServeHTTP(w, r)
	})
}

// observed counts the requests of a route that has no grants, by the status of the reply.
func (s *Server) observed(route string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := s.Now()
		recorder := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(recorder, r)
		s.Metrics.observe(route, "", resultOf(recorder.status), s.Now().Sub(start))
	})
}

// resultOf names the result of a request by its status.
func resultOf(status int) string {
	switch {
	case status == http.StatusNotModified:
		return "not_modified"
	case status < http.StatusBadRequest:
		return "ok"
	case status == http.StatusNotFound:
		return oauth2.ErrNotFound.Code()
	case status < http.StatusInternalServerError:
		return oauth2.ErrInvalidRequest.Code()
	default:
		return oauth2.ErrServerError.Code()
	}
}

// A statusRecorder remembers the status of a reply.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the status.
func (r *statusRecorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}
