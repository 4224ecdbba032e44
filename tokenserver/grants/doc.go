// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package grants is the token endpoint: the pipeline that every token request goes through, and the grants at its end.
//
// The pipeline is parse, authenticate the client, authorize grant, audiences and scopes, issue, write. It lies on Handler, and
// each step takes what only the step before can make: an oauth2.Request becomes an Authenticated request, and that becomes an
// Authorized one, which is what a Grant gets. So no grant can skip a step. A grant says what a request may get at most, as
// data, and issues the tokens.
//
// The package neither parses nor signs by itself: oauth2, clients and tokens do. The tokenserver package mounts its Handler.
package grants
