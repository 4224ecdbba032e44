// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"crypto/sha256"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/integration-operator/integration-operator/internal/passwords"
)

// A Method is a way for a client to prove who it is, as spec.credentials.methods of an Integration names it.
type Method string

// The methods.
const (
	MethodClientSecret  Method = "ClientSecret"
	MethodPrivateKeyJWT Method = "PrivateKeyJWT"
	MethodNone          Method = "None"
)

// A Client is everything that the token server needs to know of one Integration to serve its tokens. It is immutable once it
// is published: a change makes a new one.
type Client struct {
	// ID is the client ID.
	ID string
	// Namespace, Name and UID identify the Integration.
	Namespace, Name, UID string
	// Suspended clients exist and get nothing, and their tokens count for nothing.
	Suspended bool
	// RevokedBefore makes every token that was issued before it count for nothing; zero for none. It has whole seconds. In the
	// future it suspends the client until then.
	RevokedBefore time.Time
	// Methods are the ways in which the client may prove who it is.
	Methods []Method
	// Secrets are the client secrets that are accepted; none means that no secret is. A client has up to three: the current one, during
	// a rotation the announced one, and the one before it.
	Secrets []Secret
	// RotatedAt is when the current secret took the place of the previous one; zero while there is no previous one. It tells the uses
	// of one previous secret from those of another.
	RotatedAt time.Time
	// AssertionKeys are the public keys of MethodPrivateKeyJWT; nil if they are at JWKSURI, or if there are none.
	AssertionKeys *jose.JSONWebKeySet
	// JWKSURI is the https URL where the client publishes those keys, or empty.
	JWKSURI string
	// GrantTypes are the grant_type values that the client may use.
	GrantTypes []string
	// Access lists the audiences that tokens may be meant for, each with its scopes; it has at least one entry.
	Access []Access
	// DefaultScopes are what the client gets when it asks for no scope, as far as they are granted for the audiences it asks for.
	DefaultScopes []string
	// SigningAlgorithm is the JWS algorithm of the client's tokens.
	SigningAlgorithm string
	// Opaque says that the access tokens are encrypted rather than signed.
	Opaque bool
	// TokenLifetime is how long an access token is good for, and RefreshLifetime a refresh token.
	TokenLifetime, RefreshLifetime time.Duration
	// IntrospectedAudiences are the audiences whose tokens the client may introspect, beside its own tokens.
	IntrospectedAudiences []string
	// Users are the users that may log in, by name. Whoever fills them in sees to it that there are few kinds of slow hashes among
	// them, as AuthenticateUser computes one of each.
	Users map[string]*User
}

// A Secret is what is kept of a client secret that is accepted.
type Secret struct {
	// Hash is the SHA-256 digest of the secret.
	Hash [sha256.Size]byte
	// Previous says that another secret has taken its place.
	Previous bool
	// Until is when a previous secret is accepted no longer.
	Until time.Time
}

// Access is an audience with the scopes granted for it.
type Access struct {
	Audience string
	Scopes   []string
}

// A User is a resource owner that may log in to a client.
type User struct {
	// Name is the user's name.
	Name string
	// Kind is Admin or Customer.
	Kind string
	// Limited says that Scopes are the most that the user may get; otherwise that is all that the client may.
	Limited bool
	Scopes  []string
	// Password checks the user's password.
	Password *passwords.Password
}

// Accepts reports whether the client may prove who it is by a method.
func (c *Client) Accepts(m Method) bool {
	return slices.Contains(c.Methods, m)
}

// Stopped reports whether the client gets nothing at the given time: it is suspended, or all that it might get is revoked.
func (c *Client) Stopped(now time.Time) bool {
	return c.Suspended || now.Before(c.RevokedBefore)
}

// Revoked reports whether whatever was issued at the given time counts for nothing.
func (c *Client) Revoked(issuedAt time.Time) bool {
	return issuedAt.Before(c.RevokedBefore)
}
