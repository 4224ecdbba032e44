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

// The kinds of tokens, as their header typ. That of profiles is the one that their systems write.
const (
	typeJWT     = "at+jwt"
	typeProfile = "JWT"
	typeOpaque  = "at+jwe"
	typeRefresh = "rt+jwt"
)

// idBytes is the randomness of a token's ID: enough that no two are ever alike.
const idBytes = 16

// Claims are the claims of an access token (RFC 9068 section 2.2). Times are in whole seconds. The token of a profile other than plain OAuth 2 has
// the claims that its system documents, and says what the server goes by in the claim Integration; a Verifier puts it back where it belongs.
type Claims struct {
	Issuer      string      `json:"iss"`
	Subject     string      `json:"sub"`
	Audience    Audience    `json:"aud"`
	ClientID    string      `json:"client_id"`
	Scope       string      `json:"scope,omitempty"`
	IssuedAt    int64       `json:"iat"`
	NotBefore   int64       `json:"nbf"`
	ExpiresAt   int64       `json:"exp"`
	ID          string      `json:"jti"`
	SessionID   string      `json:"sid,omitempty"`
	Integration Integration `json:"integration-operator.io"`
	// Login is the name that all logins of the profile go by which name no client, if the token is from one. It is no claim: a profile may
	// make one of it.
	Login string `json:"-"`
}

// An Audience is a list of audiences. In JSON it may be a single string as well (RFC 7519 section 4.1.3).
type Audience []string

// UnmarshalJSON reads a string or an array of strings.
func (a *Audience) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		var one string
		if err := json.Unmarshal(text, &one); err != nil {
			return err
		}
		*a = Audience{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(a))
}

// Integration is the private claim that names the Integration behind the client, and the user if the token speaks for one.
type Integration struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
	Username  string `json:"username,omitempty"`
	// Kind is that of the user.
	Kind string `json:"kind,omitempty"`

	// Profile is the client's, and empty for plain OAuth 2. The rest is there in other profiles only, whose claims of these names are not what they
	// are in RFC 9068, or are missing.
	Profile  clients.Profile `json:"profile,omitempty"`
	ClientID string          `json:"client_id,omitempty"`
	Audience []string        `json:"aud,omitempty"`
	Scope    string          `json:"scope,omitempty"`
	// Application is that of the client when the token was issued.
	Application string `json:"application,omitempty"`
	// Pair marks a token that counts only while the refresh token is current that it was issued with: it is that one's PairOf.
	Pair string `json:"pair,omitempty"`
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
	// Login is the name that the login goes by if it names no client.
	Login string
	// Pair is the PairOf of the refresh token that the token is to die with; empty where it lives on.
	Pair string
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
	// Shape returns the claims of an access token as the clients of its profile read them, for json.Marshal; nil, or a Shape that returns nil,
	// leaves them as they are. Whatever it makes of the rest, iss, sub, iat, nbf, exp, jti, sid and the claim Integration stay.
	Shape func(*Claims) any
	// Now is the clock.
	Now func() time.Time
}

// SubjectOf returns the sub claim of a token that speaks for a user of the client, or for the client itself if u is nil.
// No client ID holds a colon, so no user's subject is that of a client or of another client's user. The systems of other profiles have
// the user's bare name there, which tells nobody apart without the client.
func SubjectOf(c *clients.Client, u *clients.User) string {
	switch {
	case u == nil:
		return c.ID
	case c.Profile != clients.ProfileOAuth2:
		return u.Name
	default:
		return c.ID + ":" + u.Name
	}
}

// IsOpaque reports whether an access token that this server made is encrypted rather than signed. Of any other string it says nothing.
func IsOpaque(token string) bool {
	return strings.Count(token, ".") == jweDots
}

// HashOf returns what is stored of a refresh token.
func HashOf(token string) [sha256.Size]byte {
	return sha256.Sum256([]byte(token))
}

// pairBytes is how much of a refresh token's digest marks the access token beside it.
const pairBytes = 12

// PairOf returns what marks an access token that is to die with a refresh token, by the HashOf of that. It is too little to tell the digest.
func PairOf(refresh [sha256.Size]byte) string {
	return base64.RawURLEncoding.EncodeToString(refresh[:pairBytes])
}

// AccessToken returns a new token on the given terms, signed or encrypted as the client has it. It returns
// ErrNoActiveKey, wrapped, if there is no key yet to do so, or ErrTooLarge.
func (i *Issuer) AccessToken(terms Terms) (AccessToken, error) {
	c := terms.Client
	now := i.Now().Unix()
	lifetime := c.LifetimeFor(terms.User)
	claims := &Claims{
		Issuer:      i.URL,
		Subject:     terms.Subject,
		Audience:    terms.Audience,
		ClientID:    c.ID,
		Scope:       terms.Scope,
		IssuedAt:    now,
		NotBefore:   now,
		ExpiresAt:   now + int64(lifetime/time.Second),
		ID:          newID(),
		SessionID:   terms.SessionID,
		Integration: Integration{Namespace: c.Namespace, Name: c.Name, UID: c.UID},
		Login:       terms.Login,
	}
	if u := terms.User; u != nil {
		claims.Integration.Username, claims.Integration.Kind = u.Name, u.Kind
	}
	var token string
	var err error
	switch {
	case c.Profile != clients.ProfileOAuth2:
		claims.keep(c, terms)
		token, err = i.shaped(c.SigningAlgorithm, claims)
	case c.Opaque:
		token, err = i.encrypted(claims)
	default:
		token, err = i.signed(c.SigningAlgorithm, claims)
	}
	if err != nil {
		return AccessToken{}, err
	}
	return AccessToken{
		Token: token, ID: claims.ID, Lifetime: lifetime,
		IssuedAt: time.Unix(now, 0).UTC(), ExpiresAt: time.Unix(claims.ExpiresAt, 0).UTC(),
	}, nil
}

// keep notes in the claim Integration what the claims of a profile may not say, or say otherwise.
func (c *Claims) keep(client *clients.Client, terms Terms) {
	p := &c.Integration
	p.Profile, p.Application, p.ClientID = client.Profile, client.Application, client.ID
	p.Audience, p.Scope, p.Pair = terms.Audience, terms.Scope, terms.Pair
}

// restore undoes keep.
func (c *Claims) restore() {
	c.ClientID, c.Audience, c.Scope = c.Integration.ClientID, c.Integration.Audience, c.Integration.Scope
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
	token, err := sign(key, headerOf(key), claims)
	if err != nil {
		return "", fmt.Errorf("sign token with %s key %s: %w", key.Algorithm, key.ID, err)
	}
	return token, nil
}

// shaped returns claims as a JWT of their profile.
func (i *Issuer) shaped(algorithm string, claims *Claims) (string, error) {
	key, ok := i.Keys.Active(algorithm)
	if !ok {
		return "", fmt.Errorf("sign token with %s: %w", algorithm, ErrNoActiveKey)
	}
	var payload any = claims
	if i.Shape != nil {
		if shape := i.Shape(claims); shape != nil {
			payload = shape
		}
	}
	token, err := sign(key, profileHeaderOf(key, claims.ID), payload)
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
func render(claims any) ([]byte, error) {
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

// profileHeaderOf returns the header of a JWT of a profile. One of the systems has the token's ID there as well, and the others do not mind.
func profileHeaderOf(key *signer.Key, id string) string {
	return `{"typ":"` + typeProfile + `","alg":"` + key.Algorithm + `","jti":"` + id + `","kid":"` + key.ID + `"}`
}

// sign returns claims as a compact JWS (RFC 7515 section 7.1). It calls the signing method itself rather than go through
// jwt.Token, whose header is a map that would be made and rendered anew for each token.
func sign(key *signer.Key, header string, claims any) (string, error) {
	method := jwt.GetSigningMethod(key.Algorithm)
	if method == nil {
		return "", errors.New("the algorithm is unknown")
	}
	payload, err := render(claims)
	if err != nil {
		return "", err
	}
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
