// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package grants is the token endpoint: the pipeline that every token request goes through, and the grants at its end.
//
// The pipeline is parse, authenticate the client, check what the grant itself asks for, authorize audiences and scopes, issue, write. It
// lies on Handler, and each step takes what only the step before can make: an oauth2.Request becomes an Authenticated request, and that
// becomes an Authorized one, which is what issues. So no grant can skip a step. A grant says what a request may get at most, as data,
// and issues the tokens; Handler looks whether the client may use the grant before the grant sees the request. Of a grant that looks at what
// somebody might guess, a blocked user and a scope that the client has for nobody are refused before it looks.
//
// How a request is read, and how claims, replies and errors are written, is the part of a Dialect, of which each profile has one. It decides
// nothing.
//
// The package neither parses, authenticates nor signs by itself: oauth2 and the profiles, clientauth and tokens do, and sessions keeps the logins that the
// grants password and refresh_token begin and go on with. The tokenserver package mounts its Handler.
package grants
