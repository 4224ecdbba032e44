// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package kubestore is how the token server reads Kubernetes: it turns Integrations and Secrets into the clients, the signing
// keys and the serving certificate that the rest of the token server works with.
//
// It listens to the informers of the manager's cache on every replica, decides what an object may be believed (ownership of
// credentials Secrets, who holds a client ID, whether a key is sound), and publishes immutable values. A reader on the
// request path takes a value and nothing else: no lock is held across a request, no API call is made, and with the API
// server down the last values stay. The package never writes to Kubernetes; the controllers do.
//
// Three parts share that pattern: clientIndex (clients.go, credential.go), keyring (keys.go) and servingCertificate
// (certificate.go). Store (store.go) feeds them and says whether they are complete. cmd/manager makes the one Store and hands
// it to the handlers and to the Runnable; the cache it is fed from is made with CacheByObject (cache.go).
package kubestore
