// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clientauth

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/integration-operator/integration-operator/tokenserver/clientauth/jwks"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

const (
	// maxAssertionLife is how far ahead the exp of an assertion may lie. It bounds how long its jti has to be remembered.
	maxAssertionLife = 5 * time.Minute
	// clockLeeway is how far the clocks of client and server may differ.
	clockLeeway = 10 * time.Second

	maxJTILength = 256
	maxKeyIDs    = 256
	maxAudiences = 16
)

// Algorithms returns the JWS algorithms that a client may sign assertions with.
func Algorithms() []string {
	var names []string
	for _, algorithm := range jwks.Algorithms() {
		names = append(names, string(algorithm))
	}
	return names
}

// An assertion is a client assertion that has been decoded. Nothing in it is proven.
type assertion struct {
	jws       *jose.JSONWebSignature
	algorithm jose.SignatureAlgorithm
	keyID     string
	claims    assertionClaims
}

// assertionClaims are the claims of RFC 7523 section 3. Times are seconds, maybe with a fraction (RFC 7519 section 2).
type assertionClaims struct {
	Issuer    string        `json:"iss"`
	Subject   string        `json:"sub"`
	Audience  audienceClaim `json:"aud"`
	Expiry    *float64      `json:"exp"`
	NotBefore *float64      `json:"nbf"`
	IssuedAt  *float64      `json:"iat"`
	ID        string        `json:"jti"`
}

// An audienceClaim is one string or a list of them (RFC 7519 section 4.1.3).
type audienceClaim []string

// UnmarshalJSON reads the claim.
func (a *audienceClaim) UnmarshalJSON(data []byte) error {
	var one string
	if err := json.Unmarshal(data, &one); err == nil {
		*a = audienceClaim{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
}

// refuse returns the error for an assertion that would be wrong for every client (RFC 7521 section 4.2.1).
func refuse(what string) *oauth2.Error {
	return oauth2.ErrInvalidClient.WithDescription("client_assertion: " + what)
}

// decode reads an assertion. Its error says what is wrong with it whoever the client is.
func decode(token string) (*assertion, *oauth2.Error) {
	malformed := refuse("it must be a JWT in compact form, signed with " + strings.Join(Algorithms(), ", "))
	if len(token) > oauth2.MaxAssertionLength || !isCanonical(token) {
		return nil, malformed
	}
	// The library's errors may quote the assertion.
	jws, err := jose.ParseSignedCompact(token, jwks.Algorithms())
	if err != nil || len(jws.Signatures) != 1 {
		return nil, malformed
	}
	header := jws.Signatures[0].Protected
	x := &assertion{jws: jws, algorithm: jose.SignatureAlgorithm(header.Algorithm), keyID: header.KeyID}
	if err := json.Unmarshal(jws.UnsafePayloadWithoutVerification(), &x.claims); err != nil {
		return nil, malformed
	}
	// RFC 7515 section 4.1.11: what is critical and not understood refuses the whole. RFC 7797's b64 changes what is signed.
	if header.ExtraHeaders["crit"] != nil || header.ExtraHeaders["b64"] != nil {
		return nil, refuse("its header must have neither crit nor b64")
	}
	if !isAssertionType(header.ExtraHeaders[jose.HeaderType]) {
		return nil, refuse("the typ of its header must be JWT or client-authentication+jwt, or be left out")
	}
	if len(x.keyID) > maxKeyIDs {
		return nil, refuse("the kid of its header is too long")
	}
	return x, nil
}

// isCanonical reports whether each part of a token is encoded in the one way that there is (RFC 7515 section 2). The library is lax,
// and what it verifies is the part as it would encode it.
func isCanonical(token string) bool {
	for part := range strings.SplitSeq(token, ".") {
		// The decoder skips line breaks.
		if _, err := base64.RawURLEncoding.Strict().DecodeString(part); err != nil || strings.ContainsAny(part, "\r\n") {
			return false
		}
	}
	return true
}

// isAssertionType reports whether a typ is that of an assertion. Any other is something that its signer made for another purpose (RFC
// 8725 section 3.11).
func isAssertionType(typ any) bool {
	if typ == nil {
		return true
	}
	name, ok := typ.(string)
	name = strings.TrimPrefix(strings.ToLower(name), "application/")
	return ok && (name == "jwt" || name == "client-authentication+jwt")
}

// check checks what an assertion says of itself (RFC 7523 section 3). None of it depends on who the client is.
func (x *assertion) check(clientID string, audiences []string, now time.Time) *oauth2.Error {
	seconds, leeway := float64(now.UnixMicro())/1e6, clockLeeway.Seconds()
	c := x.claims
	switch {
	case c.Subject == "" || c.Issuer != c.Subject:
		return refuse("its iss and its sub must both be the client ID")
	case clientID != "" && clientID != c.Subject:
		return refuse("it is not for the client of the parameter client_id")
	case len(c.Audience) > maxAudiences || !slices.ContainsFunc(c.Audience, func(a string) bool { return slices.Contains(audiences, a) }):
		return refuse("its aud must be the issuer or the URL of the token endpoint")
	case c.Expiry == nil || *c.Expiry <= seconds || *c.Expiry > seconds+maxAssertionLife.Seconds()+leeway:
		return refuse("its exp must lie in the future, at most 5 minutes ahead")
	case c.NotBefore != nil && *c.NotBefore > seconds+leeway, c.IssuedAt != nil && *c.IssuedAt > seconds+leeway:
		return refuse("its nbf and its iat must not lie in the future")
	case c.ID == "" || len(c.ID) > maxJTILength:
		return refuse("it needs a jti of at most 256 bytes")
	default:
		return nil
	}
}

// forgettable returns when the jti may be forgotten by any clock. It is for an assertion that was checked, whose exp is not far away.
func (x *assertion) forgettable() time.Time {
	return time.Unix(int64(*x.claims.Expiry)+1, 0).Add(clockLeeway + tokens.ClockDrift)
}
