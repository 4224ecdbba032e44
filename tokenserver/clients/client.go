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

// A Profile is the token dialect that a client speaks, as spec.profile of an Integration names it.
type Profile string

// The profiles. Plain OAuth 2 is the zero value.
const (
	ProfileOAuth2      Profile = ""
	ProfileShopware    Profile = "Shopware"
	ProfileOroCommerce Profile = "OroCommerce"
	ProfileMagento     Profile = "Magento"
)

// The kinds of users, as spec.users of an Integration names them, and the visitors of ProfileOroCommerce, who are nobody in particular.
const (
	KindAdmin    = "Admin"
	KindCustomer = "Customer"
	KindVisitor  = "Visitor"
)

// A Client is everything that the token server needs to know of one Integration to serve its tokens. It is immutable once it
// is published: a change makes a new one.
type Client struct {
	// ID is the client ID.
	ID string
	// Namespace, Name and UID identify the Integration.
	Namespace, Name, UID string
	// Profile is the token dialect that the client speaks.
	Profile Profile
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
	// UserKind is the only kind of users that may log in; empty for all of them.
	UserKind string
	// UserLifetimes are how long access tokens of users are good for, by the users' kind; those of other kinds have TokenLifetime.
	UserLifetimes map[string]time.Duration
	// Application is which of its system's applications the client's tokens are for, and empty in profiles that know none. Tokens for one
	// are none for another.
	Application string
	// Guests lets visitors log in.
	Guests bool
	// Lasting is the client's own token that never expires; nil where there is none.
	Lasting *LastingToken
	// RelyingParty is what security keys are registered with; nil where users cannot have any.
	RelyingParty *RelyingParty
}

// A LastingToken is a token that lasts until it is revoked, with the secrets that requests are signed with in its name (RFC 5849). It prints as
// nothing but its times.
type LastingToken struct {
	// Hash is the SHA-256 digest of the token.
	Hash [sha256.Size]byte
	// ConsumerSecret and TokenSecret together are the key of signatures.
	ConsumerSecret, TokenSecret Concealed
	// IssuedAt is when it was made, in whole seconds.
	IssuedAt time.Time
	// Bearer says that it is also good as a bearer token; otherwise only signed requests count.
	Bearer bool
}

// A RelyingParty is the site that security keys are registered with (WebAuthn section 4).
type RelyingParty struct {
	// ID is a domain, and Origins are the origins of that domain, such as https://shop.example, at which users log in.
	ID      string
	Origins []string
}

// A Concealed value is a secret that is needed in full. It is a function so that nothing that prints or logs it shows it.
type Concealed func() string

// Conceal returns a secret as one.
func Conceal(secret string) Concealed { return func() string { return secret } }

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
	// TOTP is the seed of the user's one-time codes in base32 (RFC 6238); nil for none.
	TOTP Concealed
	// SecurityKeys are the user's registered security keys.
	SecurityKeys []SecurityKey
}

// A SecurityKey is a public key credential (WebAuthn section 4) that a user has registered.
type SecurityKey struct {
	// ID is the credential ID, and PublicKey the public key as a COSE_Key.
	ID, PublicKey []byte
}

// NeedsSecondFactor reports whether the password alone is not enough for the user.
func (u *User) NeedsSecondFactor() bool {
	return u.TOTP != nil || len(u.SecurityKeys) > 0
}

// Accepts reports whether the client may prove who it is by a method.
func (c *Client) Accepts(m Method) bool {
	return slices.Contains(c.Methods, m)
}

// LifetimeFor returns how long an access token is good for that speaks for a user, or for the client itself if u is nil.
func (c *Client) LifetimeFor(u *User) time.Duration {
	if u != nil {
		if lifetime, ok := c.UserLifetimes[u.Kind]; ok {
			return lifetime
		}
	}
	return c.TokenLifetime
}

// TracksLogins reports whether every login is a session, also one without a refresh token, so that all tokens of a user can be ended at once.
func (c *Client) TracksLogins() bool { return c.Profile == ProfileMagento }

// PairsTokens reports whether an access token dies with the refresh token that it was issued with.
func (c *Client) PairsTokens() bool { return c.Profile == ProfileOroCommerce }

// LocksOut reports whether a user is locked out for long after a few failures, rather than slowed down.
func (c *Client) LocksOut() bool { return c.Profile == ProfileMagento }

// Stopped reports whether the client gets nothing at the given time: it is suspended, or all that it might get is revoked.
func (c *Client) Stopped(now time.Time) bool {
	return c.Suspended || now.Before(c.RevokedBefore)
}

// Revoked reports whether whatever was issued at the given time counts for nothing.
func (c *Client) Revoked(issuedAt time.Time) bool {
	return issuedAt.Before(c.RevokedBefore)
}
