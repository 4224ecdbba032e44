// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package kubestore is how the token server meets Kubernetes: it turns Integrations and Secrets into the clients, the users, the keys
// and the serving certificate that the rest of the token server works with, and it keeps logins in TokenSessions and spent token IDs
// in TokenRevocations.
//
// # Store
//
// It listens to the informers of the manager's cache on every replica, decides what an object may be believed (owner and name of
// credentials Secrets, the consent on users' Secrets, who holds a client ID, whether a key is sound), and publishes immutable values. A
// reader on the request path takes a value and nothing else: no lock is held across a request, no API call is made, and with the
// API server down the last values stay. A Store never writes to Kubernetes; the controllers do.
//
// Three parts share that pattern: clientIndex (clients.go, client.go, credential.go, lasting.go, login.go, assertionkeys.go, and
// othernames.go for requests that name no client ID), keyring (keys.go) and
// servingCertificate (certificate.go). Store (store.go) feeds them and says whether they are complete.
//
// # Last use
//
// LastUse (lastuse.go) writes into the status of Integrations when their previous client secrets were last used, off the request path.
// It is what a rotation waits for before it takes the previous secret away.
//
// # Sessions
//
// Sessions (sessions.go, sessionstore.go) is the sessions.Store that needs nothing installed. It writes to the API server from the
// request path, and it is the only part that does so. What an object says is believed only if its name, its controller and its content
// agree (sessionobject.go). Lists and counts come from the informers (owned.go), but for those of EndUser (enduser.go), which must miss no login.
//
// cmd/manager makes the one Store, the one LastUse and the one Sessions and hands them to the handlers and to the Runnable; the cache that
// feeds them is made with CacheByObject (cache.go). It asks ClientOf (client.go) for the client to make an access token for that goes into
// a Secret.
package kubestore
