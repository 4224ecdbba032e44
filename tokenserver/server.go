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

	"github.com/integration-operator/integration-operator/tokenserver/audit"
	"github.com/integration-operator/integration-operator/tokenserver/clientauth"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/discovery"
	"github.com/integration-operator/integration-operator/tokenserver/forwardauth"
	"github.com/integration-operator/integration-operator/tokenserver/grants"
	"github.com/integration-operator/integration-operator/tokenserver/introspection"
	"github.com/integration-operator/integration-operator/tokenserver/limits"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/revocation"
	"github.com/integration-operator/integration-operator/tokenserver/secondfactor"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

// routeOther is the route label of every path that the server does not have.
const routeOther = "other"

// A Server is the token server without its listener. All its fields are needed but Log, Metrics, Virtual, Lasting, KeySource,
// PreviousUsed, CORSOrigins and RefreshGrace.
type Server struct {
	// Issuer is the issuer URL, without trailing slash.
	Issuer string
	// Clients finds the clients.
	Clients clientauth.Clients
	// Keys has the keys.
	Keys grants.Keys
	// Sessions keeps logins, and the token IDs that are spent.
	Sessions sessions.Store
	// RefreshGrace is how long a client whose reply was lost may present a refresh token again; the package sessions says how. Zero is
	// never.
	RefreshGrace time.Duration
	// MaxSessions is how many sessions an Integration may have; the ones that expire first make room.
	MaxSessions int
	// Limits counts failed attempts.
	Limits limits.Limiter
	// Sources tells where requests come from.
	Sources limits.Sources
	// Virtual finds the clients of logins that name none, and Lasting those of lasting tokens; without them there are none.
	Virtual clientauth.VirtualClients
	Lasting introspection.LastingClients
	// KeySource fetches the keys of clients that publish them at a URL; without it such clients cannot authenticate.
	KeySource clientauth.KeySource
	// PreviousUsed is told of each client that has got in by its previous secret. It must not block.
	PreviousUsed func(*clients.Client)
	// CORSOrigins are the origins whose scripts may use the token endpoint of OroCommerce.
	CORSOrigins []string
	// JWKSMaxAge is how long verifiers may cache the keys and the metadata.
	JWKSMaxAge time.Duration
	// Now is the clock.
	Now func() time.Time
	// Log gets the audit log, one line for each request but those to /verify, without secrets and tokens.
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
	routes := map[string]http.Handler{discovery.PathJWKS: s.observed(discovery.PathJWKS, &discovery.JWKS{Keys: s.Keys, MaxAge: s.JWKSMaxAge})}
	s.addEndpoints(routes, log)
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
	verify := patterns[discovery.PathVerify]
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
		// ServeMux redirects a path that is not clean, and repeats the query while it does. Below /verify/ the path is whatever a proxy's
		// client asked for, and means nothing.
		if underVerify(r.URL.Path, prefix) {
			verify.ServeHTTP(w, r)
			return
		}
		if path.Clean(r.URL.Path) != r.URL.Path {
			notFound.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// addEndpoints adds the routes that tokens come from and are asked about, and the documents that list them.
func (s *Server) addEndpoints(routes map[string]http.Handler, log *slog.Logger) {
	recorder := &audit.Recorder{Log: log, Count: s.Metrics.CountAudit}
	authenticator := &clientauth.Authenticator{
		Clients: s.Clients, Virtual: s.Virtual, Limits: s.Limits, PreviousUsed: s.previousUsed, Now: s.Now,
		Assertions: &clientauth.Assertions{
			Audiences: []string{s.Issuer, s.Issuer + discovery.PathToken, s.Issuer + discovery.PathIntrospection, s.Issuer + discovery.PathRevocation},
			Keys:      s.KeySource, Spent: s.Sessions, Now: s.Now,
		},
	}
	logins := &sessions.Logins{Store: s.Sessions, Grace: s.RefreshGrace, Most: s.MaxSessions, Now: s.Now}
	factors := &secondfactor.Checker{Spent: s.Sessions, Keys: s.Keys, Now: s.Now}
	password := grants.Password{Logins: logins, Limits: s.Limits, Turns: grants.NewTurns(hashesAtOnce()), Factors: factors}
	supported := []grants.Grant{
		grants.ClientCredentials{},
		password,
		grants.RefreshToken{Logins: logins, Keys: s.Keys, Issuer: s.Issuer, Now: s.Now},
	}
	grantTypes := make([]string, 0, len(supported))
	for _, g := range supported {
		grantTypes = append(grantTypes, g.Type())
	}
	checker := &introspection.Checker{
		Issuer: s.Issuer, Clients: s.Clients, Lasting: s.Lasting, Keys: s.Keys, Sessions: s.Sessions, Now: s.Now,
	}
	shared := &parts{
		server: s, log: log, recorder: recorder, authenticator: authenticator, logins: logins, grants: supported,
		password: password, factors: factors, checker: checker,
	}
	dialects := shared.addProfiles(routes)

	routes[discovery.PathToken] = shared.tokenEndpoint(discovery.PathToken, grants.OAuth2{})
	routes[discovery.PathIntrospection] = &introspection.Handler{
		Checker: checker, Authenticator: authenticator, Sources: s.Sources, Audit: recorder, Now: s.Now,
		Observe: s.observer(discovery.PathIntrospection),
	}
	routes[discovery.PathRevocation] = &revocation.Handler{
		Issuer: s.Issuer, Keys: s.Keys, Sessions: s.Sessions, Authenticator: authenticator, Sources: s.Sources, Audit: recorder, Now: s.Now,
		Observe: s.observer(discovery.PathRevocation),
	}
	verify := &forwardauth.Handler{
		Checker: checker, Issuer: s.Issuer, Dialects: dialects, Log: log, Now: s.Now, Observe: s.observer(discovery.PathVerify),
	}
	routes[discovery.PathVerify] = verify
	routes[discovery.PathAuthorizationServer] = s.observed(discovery.PathAuthorizationServer,
		discovery.AuthorizationServer(s.Issuer, grantTypes, s.JWKSMaxAge))
	routes[discovery.PathOpenIDConfiguration] = s.observed(discovery.PathOpenIDConfiguration,
		discovery.OpenIDConfiguration(s.Issuer, grantTypes, s.JWKSMaxAge))
}

// previousUsed counts a use of a previous client secret, and passes it on.
func (s *Server) previousUsed(c *clients.Client) {
	s.Metrics.countPreviousUse()
	if s.PreviousUsed != nil {
		s.PreviousUsed(c)
	}
}

// hashesAtOnce returns how many slow password hashes may be computed at once. They do nothing but compute, so more than there are CPUs are
// of no use, and each may take 64 MiB: three fit beside everything else into the memory that config/manager allows. Two let one
// namespace leave a turn for the others.
func hashesAtOnce() int { return min(max(runtime.GOMAXPROCS(0), 2), 3) }

// observer counts the requests of a route that reports its results itself.
func (s *Server) observer(route string) func(result string, took time.Duration) {
	return func(result string, took time.Duration) { s.Metrics.observe(route, "", result, took) }
}

// underVerify reports whether a path lies below /verify, with or without the issuer's path before it.
func underVerify(requested, prefix string) bool {
	return strings.HasPrefix(requested, discovery.PathVerify+"/") || strings.HasPrefix(requested, prefix+discovery.PathVerify+"/")
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
				slog.String("panic", what), slog.String("stack", string(debug.Stack())), slog.String("source", s.Sources.Of(r).String()))
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
