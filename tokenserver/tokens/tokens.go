// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package tokens

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/signer"
)

// ErrNoActiveKey says that no key signs for the client's algorithm yet. It passes by itself, once the key has been made.
var ErrNoActiveKey = errors.New("no active signing key")

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
	Integration Integration `json:"integration-operator.io"`
}

// Integration is the private claim that names the Integration behind the client.
type Integration struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
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
}

// An AccessToken is a signed token with what a reply and a log line need to say of it.
type AccessToken struct {
	// Token is the token itself, which must not be logged.
	Token string
	// ID is its jti, which may.
	ID string
	// Lifetime is how long it is good for.
	Lifetime time.Duration
}

// An Issuer signs tokens.
type Issuer struct {
	// URL is the iss claim.
	URL string
	// Keys are the signing keys.
	Keys *signer.Set
	// Now is the clock.
	Now func() time.Time
}

// AccessToken returns a new token on the given terms. It returns ErrNoActiveKey, wrapped, if there is no key yet for the
// client's algorithm.
func (i *Issuer) AccessToken(terms Terms) (AccessToken, error) {
	c := terms.Client
	key, ok := i.Keys.Active(c.SigningAlgorithm)
	if !ok {
		return AccessToken{}, fmt.Errorf("sign token with %s: %w", c.SigningAlgorithm, ErrNoActiveKey)
	}
	id := newID()
	now := i.Now().Unix()
	token, err := sign(key, &Claims{
		Issuer:      i.URL,
		Subject:     terms.Subject,
		Audience:    terms.Audience,
		ClientID:    c.ID,
		Scope:       terms.Scope,
		IssuedAt:    now,
		NotBefore:   now,
		ExpiresAt:   now + int64(c.TokenLifetime/time.Second),
		ID:          id,
		Integration: Integration{Namespace: c.Namespace, Name: c.Name, UID: c.UID},
	})
	if err != nil {
		return AccessToken{}, fmt.Errorf("sign token with %s key %s: %w", key.Algorithm, key.ID, err)
	}
	return AccessToken{Token: token, ID: id, Lifetime: c.TokenLifetime}, nil
}

// newID returns a token ID.
func newID() string {
	var id [idBytes]byte
	// crypto/rand.Read never fails: it ends the process instead.
	_, _ = rand.Read(id[:])
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// sign returns claims as a compact JWS (RFC 7515 section 7.1). It calls the signing method itself rather than go through
// jwt.Token, whose header is a map that would be made and rendered anew for each token.
func sign(key *signer.Key, claims *Claims) (string, error) {
	method := jwt.GetSigningMethod(key.Algorithm)
	if method == nil {
		return "", errors.New("the algorithm is unknown")
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	// Neither an algorithm nor a thumbprint holds anything that JSON would escape.
	header := `{"typ":"at+jwt","alg":"` + key.Algorithm + `","kid":"` + key.ID + `"}`
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
