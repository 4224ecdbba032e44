// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package tokens

import (
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

// What is wrong with a token, to be found by errors.Is. The causes that are wrapped beside them hold nothing of the token.
var (
	// ErrInvalidToken says that the token is none that this server made, or not of the kind that was asked for.
	ErrInvalidToken = errors.New("the token is invalid")
	// ErrExpiredToken says that the token is authentic and has expired.
	ErrExpiredToken = errors.New("the token has expired")
)

var (
	errTooLarge      = errors.New("it is larger than 64 KiB")
	errMalformed     = errors.New("it is not in a form in which this server writes access tokens")
	errUnknownKey    = errors.New("its header names no key that this server has")
	errWrongHeader   = errors.New("its header is not the one that its key writes")
	errBadSignature  = errors.New("its signature is wrong")
	errNotClaims     = errors.New("its claims are malformed")
	errMissingClaims = errors.New("it lacks claims")
	errOtherIssuer   = errors.New("another issuer made it")
	errFromTheFuture = errors.New("it was issued in the future")
)

// Leeway is how far the clocks of two replicas may differ without harm to a token that one has just made. Nothing lives
// longer for it.
const Leeway = 10 * time.Second

// ClockDrift is how far the clocks of replicas, of the leader and of the session store's server may differ at most. What is good for one use is
// remembered for as much longer than it is good, as it may be forgotten by another clock than the one that it is judged by.
const ClockDrift = time.Minute

// The number of dots in a compact JWS (RFC 7515 section 7.1) and in a compact JWE (RFC 7516 section 7.1).
const (
	jwsDots = 2
	jweDots = 4
)

// strict decodes base64url in its canonical form only, so that a token can be written in one way.
var strict = base64.RawURLEncoding.Strict()

// A Verifier tells tokens that this server made from all others. It reads nothing but the token, the keys and the clock.
type Verifier struct {
	// Issuer is the iss claim that tokens must have.
	Issuer string
	// Keys are the signing keys. RefreshToken does not need them.
	Keys *signer.Set
	// Sealing are the keys of opaque and of refresh tokens.
	Sealing *sealing.Set
	// Now is the clock.
	Now func() time.Time
}

// AccessToken returns the claims of an access token, signed or opaque, that this server made and that has not expired
// (RFC 9068 section 4). It does not look at the audience, which is for the caller to judge. It returns ErrInvalidToken or
// ErrExpiredToken with the cause wrapped beside it.
func (v *Verifier) AccessToken(token string) (*Claims, error) {
	payload, id, err := v.open(token)
	if err != nil {
		return nil, invalid(err)
	}
	var c Claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return nil, invalid(errNotClaims)
	}
	// The header says which claims are what, and the ID in that of a profile is the token's own.
	if profiled := c.Integration.Profile != clients.ProfileOAuth2; profiled != (id != "") || profiled && id != c.ID {
		return nil, invalid(errNotClaims)
	} else if profiled {
		c.restore()
	}
	if c.Subject == "" || c.ClientID == "" || c.ID == "" || c.Integration.UID == "" || len(c.Audience) == 0 {
		return nil, invalid(errMissingClaims)
	}
	if err := v.judge(c.Issuer, max(c.IssuedAt, c.NotBefore), c.ExpiresAt); err != nil {
		return nil, err
	}
	return &c, nil
}

// RefreshToken returns the claims of a refresh token that this server made and that has not expired. Whether it is the
// current one of its session is for the caller to find out. It returns ErrInvalidToken or ErrExpiredToken with the cause
// wrapped beside it.
func (v *Verifier) RefreshToken(token string) (*RefreshClaims, error) {
	payload, err := v.Sealing.VerifyMAC(typeRefresh, token)
	if err != nil {
		return nil, invalid(err)
	}
	var c RefreshClaims
	if err := json.Unmarshal(payload, &c); err != nil {
		return nil, invalid(errNotClaims)
	}
	if c.ClientID == "" || c.UID == "" || c.SessionID == "" || c.ID == "" {
		return nil, invalid(errMissingClaims)
	}
	if err := v.judge(c.Issuer, c.IssuedAt, c.ExpiresAt); err != nil {
		return nil, err
	}
	return &c, nil
}

// open returns the claims of an access token once it has proven authentic, and the ID in its header if it is one of a profile.
func (v *Verifier) open(token string) (payload []byte, id string, err error) {
	if len(token) > sealing.MaxTokenBytes {
		return nil, "", errTooLarge
	}
	switch strings.Count(token, ".") {
	case jwsDots:
		return v.verify(token)
	case jweDots:
		payload, err = v.Sealing.Decrypt(typeOpaque, token)
		return payload, "", err
	default:
		return nil, "", errMalformed
	}
}

// verify returns the claims of a JWT, and the ID in its header if it is one of a profile. The algorithm is the key's: what the header says decides
// nothing, and has to agree.
func (v *Verifier) verify(token string) (payload []byte, id string, err error) {
	dot := strings.LastIndexByte(token, '.')
	encodedHeader, encodedClaims, _ := strings.Cut(token[:dot], ".")
	header, err := decode(encodedHeader)
	if err != nil {
		return nil, "", err
	}
	key, id, err := v.keyOf(string(header))
	if err != nil {
		return nil, "", err
	}
	signature, err := decode(token[dot+1:])
	if err != nil {
		return nil, "", err
	}
	method := jwt.GetSigningMethod(key.Algorithm)
	if method == nil || method.Verify(token[:dot], signature, key.Private.Public()) != nil {
		return nil, "", errBadSignature
	}
	payload, err = decode(encodedClaims)
	return payload, id, err
}

// keyOf returns the key that a header names, and the ID that one of a profile has.
func (v *Verifier) keyOf(header string) (key *signer.Key, id string, err error) {
	const before, after = `"kid":"`, `"}`
	start := strings.LastIndex(header, before)
	if start < 0 || !strings.HasSuffix(header[start+len(before):], after) {
		return nil, "", errWrongHeader
	}
	key, ok := v.Keys.ByID(header[start+len(before) : len(header)-len(after)])
	if !ok {
		return nil, "", errUnknownKey
	}
	if header == headerOf(key) {
		return key, "", nil
	}
	// Whatever stands where the ID is: if the header is the one that the key writes with it, it is the ID.
	_, rest, _ := strings.Cut(header, `"jti":"`)
	if id, _, _ = strings.Cut(rest, `"`); id == "" || header != profileHeaderOf(key, id) {
		return nil, "", errWrongHeader
	}
	return key, id, nil
}

// judge checks issuer and times. Two servers may share keys by accident, after a restore for instance, so the issuer is
// checked even though the key has made the token.
func (v *Verifier) judge(issuer string, notBefore, expiresAt int64) error {
	now := v.Now()
	switch {
	case issuer != v.Issuer:
		return invalid(errOtherIssuer)
	case now.Add(Leeway).Before(time.Unix(notBefore, 0)):
		return invalid(errFromTheFuture)
	case !now.Before(time.Unix(expiresAt, 0)):
		// RFC 7519 section 4.1.4: not on the second itself.
		return ErrExpiredToken
	default:
		return nil
	}
}

// invalid says why a token is.
func invalid(cause error) error {
	return fmt.Errorf("%w: %w", ErrInvalidToken, cause)
}

// decode returns what an encoded part stands for. The decoder skips line breaks, which have no place in a token.
func decode(part string) ([]byte, error) {
	if strings.ContainsAny(part, "\r\n") {
		return nil, errMalformed
	}
	decoded, err := strict.DecodeString(part)
	if err != nil {
		return nil, errMalformed
	}
	return decoded, nil
}
