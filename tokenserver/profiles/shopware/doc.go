// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package shopware is the dialect of clients of the Shopware 6 Admin API, and the one resource that they ask for beside tokens: their own
// Integration.
//
// # Requests
//
//	POST /api/oauth/token         a token, by JSON or form
//	GET  /api/integration         the caller's Integration, as a list of one
//	GET  /api/integration/{id}    the same by its id
//
// Each of them is there a second time below /integrations/{namespace}/{name}, for that Integration alone. Users log in by the client_id
// administration, which names no Integration: the URL does, or the configuration of the server.
//
// A client asks for scopes in scope, in scopes, or in both, each as a string or as an array. Without any, its tokens carry none, which means
// read-only.
//
// # Errors
//
// They are JSON:API errors, {"errors":[{"code","status","title","detail"}]}, and clients branch on code: 2 for the grant, 3 for a member, 4 for
// the client, 5 for a scope, 6 for the password, 8 for the refresh token, 9 for an access token, 0 for what has no number, and
// FRAMEWORK__AUTH_THROTTLED after too many failures. The order in which a request is judged is part of the dialect: whether the
// user is blocked, the grant, the presence of client_id, the client with its secret, scopes, the user.
//
// # What is elsewhere
//
// The package decides nothing about who gets what. Dialect is one for grants.Handler, which authenticates, authorizes and issues, and Verify
// one for forwardauth.Handler. The tokenserver package mounts both, and Resources.
package shopware
