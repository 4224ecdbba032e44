// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"crypto/sha256"
	"time"
)

// A Client is everything that the token server needs to know of one Integration to serve its tokens. It is immutable once it
// is published: a change makes a new one.
type Client struct {
	// ID is the client ID.
	ID string
	// Namespace, Name and UID identify the Integration.
	Namespace, Name, UID string
	// Suspended clients exist and get nothing.
	Suspended bool
	// SecretHashes are the SHA-256 digests of the client secrets that are accepted; none means that no secret is.
	SecretHashes [][sha256.Size]byte
	// GrantTypes are the grant_type values that the client may use.
	GrantTypes []string
	// Access lists the audiences that tokens may be meant for, each with its scopes; it has at least one entry.
	Access []Access
	// DefaultScopes are what the client gets when it asks for no scope, as far as they are granted for the audiences it asks for.
	DefaultScopes []string
	// SigningAlgorithm is the JWS algorithm of the client's tokens.
	SigningAlgorithm string
	// TokenLifetime is how long an access token is good for.
	TokenLifetime time.Duration
}

// Access is an audience with the scopes granted for it.
type Access struct {
	Audience string
	Scopes   []string
}
