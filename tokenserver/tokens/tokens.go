// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package tokens

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/sealing"
	"github.com/integration-operator/integration-operator/tokenserver/signer"
)

// ErrTooLarge says that a token would be larger than this server itself reads. Its scopes and audiences are too many.
var ErrTooLarge = errors.New("the token would be too large")

// maxClaimsBytes keeps a token, with header and signature, below what introspection and revocation read: oauth2.MaxTokenLength.
const maxClaimsBytes = 45_000

// ErrNoActiveKey says that no key signs for the client's algorithm yet, or that none seals. It passes by itself, once the
// key has been made.
var ErrNoActiveKey = errors.New("no active key")

// The kinds of tokens, as their header typ.
const (
	typeJWT     = "at+jwt"
	typeOpaque  = "at+jwe"
	typeRefresh = "rt+jwt"
)

// idBytes is the randomness of a token's ID: enough that no two are ever alike.
const idBytes = 16

// Claims are the claims of an access token (RFC 9068 section 2.2). Times are in whole seconds.
type Claims struct {
	Issuer      string      `json:"iss"`
	Subject     string      `json:"sub"`
	Audience    []string    `json:"aud"`
	ClientID    string      `json:"client_id"`
	Scope       string      `json:"scope,omitempty"`
	IssuedAt    int64       `json:"iat"`
	NotBefore   int64       `json:"nbf"`
	ExpiresAt   int64       `json:"exp"`
	ID          string      `json:"jti"`
	SessionID   string      `json:"sid,omitempty"`
	Integration Integration `json:"integration-operator.io"`
}

// Integration is the private claim that names the Integration behind the client, and the user if the token speaks for one.
type Integration struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
	Username  string `json:"username,omitempty"`
	// Kind is that of the user.
	Kind string `json:"kind,omitempty"`
}

// RefreshClaims are the claims of a refresh token. Times are in whole seconds.
type RefreshClaims struct {
	Issuer    string `json:"iss"`
	ClientID  string `json:"client_id"`
	UID       string `json:"uid"`
	SessionID string `json:"sid"`
	ID        string `json:"jti"`
	IssuedAt  int64  `json:"iat"`
	ExpiresAt int64  `json:"exp"`
}

// Terms are what was decided about a token.
type Terms struct {
	// Client gets the token; its algorithm signs it and its lifetime bounds it.
	Client *clients.Client
	// Subject is whom the token speaks for.
	Subject string
	// Audience lists who may accept the token.
	Audience []string
	// Scope is the space-separated scope; empty leaves the claim out.
	Scope string
	// User is the user whom the token speaks for; nil if it speaks for the client itself.
	User *clients.User
	// SessionID names the login that the token belongs to; empty if there is none.
	SessionID string
}

// An AccessToken is a token with what a reply and a log line need to say of it.
type AccessToken struct {
	// Token is the token itself, which must not be logged.
	Token string
	// ID is its jti, which may.
	ID string
	// Lifetime is how long it is good for.
	Lifetime time.Duration
	// IssuedAt and ExpiresAt are its times, in whole seconds.
	IssuedAt, ExpiresAt time.Time
}

// A RefreshToken is a refresh token with what its session keeps of it.
type RefreshToken struct {
	// Token is the token itself, which must be neither logged nor stored.
	Token string
	// ID is its jti.
	ID string
	// Hash is its HashOf.
	Hash [sha256.Size]byte
	// KeyID names the sealing key that it was made with.
	KeyID string
	// IssuedAt and ExpiresAt are its times, in whole seconds.
	IssuedAt, ExpiresAt time.Time
}

// An Issuer makes tokens.
type Issuer struct {
	// URL is the iss claim.
	URL string
	// Keys are the signing keys.
	Keys *signer.Set
	// Sealing are the keys of opaque and of refresh tokens.
	Sealing *sealing.Set
	// Now is the clock.
	Now func() time.Time
}

// SubjectOf returns the sub claim of a token that speaks for a user of the client, or for the client itself if u is nil.
// No client ID holds a colon, so no user's subject is that of a client or of another client's user.
func SubjectOf(c *clients.Client, u *clients.User) string {
	if u == nil {
		return c.ID
	}
	return c.ID + ":" + u.Name
}

// IsOpaque reports whether an access token that this server made is encrypted rather than signed. Of any other string it says nothing.
func IsOpaque(token string) bool {
	return strings.Count(token, ".") == jweDots
}

// HashOf returns what is stored of a refresh token.
func HashOf(token string) [sha256.Size]byte {
	return sha256.Sum256([]byte(token))
}

// AccessToken returns a new token on the given terms, signed or encrypted as the client has it. It returns
// ErrNoActiveKey, wrapped, if there is no key yet to do so, or ErrTooLarge.
func (i *Issuer) AccessToken(terms Terms) (AccessToken, error) {
	c := terms.Client
	id := newID()
	now := i.Now().Unix()
	expires := now + int64(c.TokenLifetime/time.Second)
	claims := &Claims{
		Issuer:      i.URL,
		Subject:     terms.Subject,
		Audience:    terms.Audience,
		ClientID:    c.ID,
		Scope:       terms.Scope,
		IssuedAt:    now,
		NotBefore:   now,
		ExpiresAt:   expires,
		ID:          id,
		SessionID:   terms.SessionID,
		Integration: Integration{Namespace: c.Namespace, Name: c.Name, UID: c.UID},
	}
	if u := terms.User; u != nil {
		claims.Integration.Username, claims.Integration.Kind = u.Name, u.Kind
	}
	var token string
	var err error
	if c.Opaque {
		token, err = i.encrypted(claims)
	} else {
		token, err = i.signed(c.SigningAlgorithm, claims)
	}
	if err != nil {
		return AccessToken{}, err
	}
	return AccessToken{
		Token: token, ID: id, Lifetime: c.TokenLifetime,
		IssuedAt: time.Unix(now, 0).UTC(), ExpiresAt: time.Unix(expires, 0).UTC(),
	}, nil
}

// RefreshToken returns a new refresh token for a session of the client. It returns ErrNoActiveKey, wrapped, if there is
// no key yet to make it with.
func (i *Issuer) RefreshToken(c *clients.Client, sessionID string) (RefreshToken, error) {
	key, ok := i.Sealing.Active()
	if !ok {
		return RefreshToken{}, fmt.Errorf("sign refresh token: %w", ErrNoActiveKey)
	}
	issued := i.Now().Unix()
	expires := issued + int64(c.RefreshLifetime/time.Second)
	id := newID()
	payload, err := json.Marshal(&RefreshClaims{
		Issuer: i.URL, ClientID: c.ID, UID: c.UID, SessionID: sessionID, ID: id, IssuedAt: issued, ExpiresAt: expires,
	})
	if err != nil {
		return RefreshToken{}, fmt.Errorf("render refresh token: %w", err)
	}
	token, err := key.SignMAC(typeRefresh, payload)
	if err != nil {
		return RefreshToken{}, fmt.Errorf("sign refresh token with key %s: %w", key.ID, err)
	}
	return RefreshToken{
		Token: token, ID: id, Hash: HashOf(token), KeyID: key.ID,
		IssuedAt: time.Unix(issued, 0).UTC(), ExpiresAt: time.Unix(expires, 0).UTC(),
	}, nil
}

// signed returns claims as a JWT.
func (i *Issuer) signed(algorithm string, claims *Claims) (string, error) {
	key, ok := i.Keys.Active(algorithm)
	if !ok {
		return "", fmt.Errorf("sign token with %s: %w", algorithm, ErrNoActiveKey)
	}
	token, err := sign(key, claims)
	if err != nil {
		return "", fmt.Errorf("sign token with %s key %s: %w", key.Algorithm, key.ID, err)
	}
	return token, nil
}

// encrypted returns claims as a JWE.
func (i *Issuer) encrypted(claims *Claims) (string, error) {
	key, ok := i.Sealing.Active()
	if !ok {
		return "", fmt.Errorf("encrypt token: %w", ErrNoActiveKey)
	}
	payload, err := render(claims)
	if err != nil {
		return "", fmt.Errorf("render token: %w", err)
	}
	token, err := key.Encrypt(typeOpaque, payload)
	if err != nil {
		return "", fmt.Errorf("encrypt token with key %s: %w", key.ID, err)
	}
	return token, nil
}

// newID returns a token ID.
func newID() string {
	var id [idBytes]byte
	// crypto/rand.Read never fails: it ends the process instead.
	_, _ = rand.Read(id[:])
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// render returns claims as JSON. Unlike json.Marshal it leaves characters alone that mean something only in HTML: scopes and audiences may
// be full of them, and each would take six bytes.
func render(claims *Claims) ([]byte, error) {
	var payload bytes.Buffer
	encoder := json.NewEncoder(&payload)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(claims); err != nil {
		return nil, err
	}
	if payload.Len() > maxClaimsBytes {
		return nil, ErrTooLarge
	}
	return bytes.TrimSuffix(payload.Bytes(), []byte("\n")), nil
}

// headerOf returns the header of the JWTs that a key signs. Neither an algorithm nor a thumbprint holds anything that
// JSON would escape.
func headerOf(key *signer.Key) string {
	return `{"typ":"` + typeJWT + `","alg":"` + key.Algorithm + `","kid":"` + key.ID + `"}`
}

// sign returns claims as a compact JWS (RFC 7515 section 7.1). It calls the signing method itself rather than go through
// jwt.Token, whose header is a map that would be made and rendered anew for each token.
func sign(key *signer.Key, claims *Claims) (string, error) {
	method := jwt.GetSigningMethod(key.Algorithm)
	if method == nil {
		return "", errors.New("the algorithm is unknown")
	}
	payload, err := render(claims)
	if err != nil {
		return "", err
	}
	header := headerOf(key)
	encoding := base64.RawURLEncoding
	token := make([]byte, 0, encoding.EncodedLen(len(header))+encoding.EncodedLen(len(payload))+1)
	token = encoding.AppendEncode(token, []byte(header))
	token = append(token, '.')
	token = encoding.AppendEncode(token, payload)
	signed := string(token)
	signature, err := method.Sign(signed, key.Private)
	if err != nil {
		return "", err
	}
	return signed + "." + encoding.EncodeToString(signature), nil
}
