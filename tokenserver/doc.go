// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package tokenserver is the OAuth 2.0 token server that every replica of the manager runs.
//
// # Routes
//
//	POST /oauth2/token                            grants         RFC 6749: form or JSON in, a bearer token out
//	POST /oauth2/introspect                       introspection  RFC 7662: does a token count, and what does it say
//	POST /oauth2/revoke                           revocation     RFC 7009: end a token or a login
//	*    /verify, /verify/...                     forwardauth    what a proxy asks about each request to an API
//	GET  /oauth2/jwks                             discovery      RFC 7517: the keys that tokens verify with
//	GET  /.well-known/oauth-authorization-server  discovery      RFC 8414: what this server can do
//	GET  /.well-known/openid-configuration        discovery      the same, for libraries that look only there
//
// The profiles have routes of their own (profiles.go), which serve their clients only, each also below /integrations/{namespace}/{name}, where they serve
// that Integration only:
//
//	POST /api/oauth/token                         profiles/shopware     the Admin API of Shopware 6
//	GET  /api/integration, /api/integration/{id}  profiles/shopware     the caller's own Integration
//	*    /oauth2-token                            profiles/orocommerce  OroCommerce
//	POST /rest/[{store}/]V1/...                   profiles/magento      Magento 2: users' tokens, second factors, revocation
//
// All else is 404 as JSON. If the issuer URL has a path, every route is there a second time below it, and the RFC 8414 document
// at the place that section 3.1 inserts it, so that it does not matter whether a proxy in front takes the path away.
//
// # Pipeline
//
// A token request is parsed, its client is authenticated, the grant checks what it asks for itself (a password, a refresh token), audiences
// and scopes are authorized, the grant issues, and the reply is written. Each step takes a type that only the step before makes: an
// oauth2.Request proves nothing, a clientauth.Caller is a client that has proven who it is, a grants.Authenticated request comes from one,
// a grants.Authorized one has what it may get. Errors are *oauth2.Error values that carry a public description and a private cause; they are
// written in one place, oauth2.WriteError. A panic anywhere becomes a server_error.
//
// A profile changes how requests are read and how claims, replies and errors are written (grants.Dialect, forwardauth.Dialect), and nothing of what
// has to be true before. docs/design/0007-profiles.md says why.
//
// Whether an access token counts is decided in one place too, introspection.Checker, for introspection and /verify alike.
//
// # Packages
//
// oauth2 is the wire format, clients decides whether a secret is right and what a client may have, clientauth who a client is, limits how
// often one may fail, signer holds the published keys and sealing the secret ones, tokens makes and verifies tokens, sessions keeps logins and
// declares the store that replicas share, grants is the pipeline, audit writes who did what, discovery publishes. None of them knows of
// Kubernetes: this package's Server takes clients, keys and sessions from interfaces that kubestore and sessions/valkey implement, and its
// Runnable puts Server behind a listener.
//
// This package owns mounting, metrics, listening and shutting down. cmd/manager calls it.
package tokenserver
