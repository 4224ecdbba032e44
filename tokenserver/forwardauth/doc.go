// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package forwardauth is the endpoint /verify: a proxy in front of an API asks it about each request, and lets the
// request through or not by the status of the reply (nginx auth_request, Traefik ForwardAuth, Envoy ext_authz).
// docs/forward-auth.md is its manual.
//
// Whether a token counts at all is for introspection.Checker to decide. This package reads the token from the
// Authorization header, and checks that the token is meant for the API and carries what the API asks for.
//
// # What is required
//
// At /verify the query says it: scope, audience and kind. Below /verify/ the path and the query are those of the request
// to the API, which its client wrote, so they are ignored; this is how Envoy asks. The headers X-Verify-Scope,
// X-Verify-Audience and X-Verify-Kind say it there, one of X-Verify-Audience at least. Wherever they are, each of these
// headers and each of the query's lists is a requirement of its own. One more can only let less through, so a client that
// gets such a header past its proxy restricts nobody but itself.
//
// The query may also name the profile of the API's system, whose tokens alone pass then, and which has a Dialect of its own: profile says it, and so do
// application (OroCommerce) and resource (Magento), which the token must be for. Headers cannot say any of these.
//
// Without any audience a token must be meant for the issuer, so that a token for one API never opens another by default.
//
// # Replies
//
//	204  the request may pass; X-Auth-Client-Id, X-Auth-Subject, X-Auth-Scope and X-Auth-Integration say who it is from.
//	     Below /verify/ it is 200, as Envoy lets nothing pass on any other status.
//	400  the proxy asks something that makes no sense, which is its operator's mistake
//	401  there is no token, or none that counts for this API (RFC 6750 section 3.1). What is malformed gets 401 as well, not 400: nginx
//	     makes a 500 of any other status, and it is not the proxy that is to blame
//	403  the token's scope or kind is not enough
//	503  the session store cannot be asked. Proxies let nothing pass on that
package forwardauth
