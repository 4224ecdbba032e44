// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package controllers turns Integrations into credentials, and keeps the operator's own keys and certificates. Only the
// leader runs it; the token server reads what it wrote, and writes nothing but logins and revocations.
//
//	integration_controller.go  Integration → client ID, Secret, status
//	signingkey_controller.go   algorithms in use → signing keys, and keys for opaque and refresh tokens, in the operator's namespace
//	certificate_controller.go  issuer host → self-made CA and serving certificate
//
// Each Reconcile gathers facts by phases and leaves judging to pure functions: what a client may have (internal/permit), what
// its Secret must look like (internal/credentials), what a signing key does next (internal/keyring), what a certificate does
// next (internal/pki), whether its users can log in (integration_users.go), and what the conditions say (integration_status.go). A
// phase ends in one of three ways besides success: it waits for something that will come by itself, it is stuck until somebody
// changes something, or it failed and is tried again (outcome.go).
//
// # A signing key's life
//
//	           published 2 × JWKS max-age          the last token it signed has expired
//	(made) → next ─────────────────────→ active ─→ retiring ─────────────────────────→ (deleted)
//	   └─ at once, when there is no active key ─┘
//
// A key for v1alpha1.KeyAlgorithmA256GCM lives the same way, but is never published: while it is next, every replica loads it.
package controllers
