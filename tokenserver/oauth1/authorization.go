// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauth1

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// MaxSkew is how far the timestamp of a request may be ahead of the server's clock, and how far behind. Without a bound behind, nonces
// would have to be remembered forever (section 3.3).
const MaxSkew = 600 * time.Second

// The only signature method, and the only version (section 3.1).
const (
	methodHMACSHA256 = "HMAC-SHA256"
	version          = "1.0"
)

// Errors of Parse and Verify, to be found by errors.Is. None of them holds anything of the request.
var (
	// ErrMalformed says that the header cannot be read, or lacks a parameter.
	ErrMalformed = errors.New("the OAuth header is malformed")
	// ErrMethod says that the request is signed in a way that does not count here.
	ErrMethod = errors.New("the oauth_signature_method is not " + methodHMACSHA256)
	// ErrTimestamp says that the request was signed too long ago, or in the future.
	ErrTimestamp = errors.New("the oauth_timestamp is too far from now")
	// ErrSignature says that the request is not the one that was signed, or that it was signed with other secrets.
	ErrSignature = errors.New("the oauth_signature is wrong")
)

// An Authorization is a parsed Authorization header. Nothing in it is proven until Verify has returned nil.
type Authorization struct {
	// ConsumerKey and Token say whose secrets the request is signed with.
	ConsumerKey, Token string
	// Nonce makes the request differ from all others of the same consumer (section 3.3).
	Nonce string

	timestamp time.Time
	signature []byte
	// signed are all parameters but realm and oauth_signature.
	signed []parameter
}

// Parse reads the value of an Authorization header (section 3.5.1). It returns ErrMalformed or ErrMethod.
func Parse(header string) (*Authorization, error) {
	parameters, err := parseHeader(header)
	if err != nil {
		return nil, err
	}
	a := &Authorization{signed: make([]parameter, 0, len(parameters))}
	values := map[string]string{}
	for _, p := range parameters {
		// Section 3.4.1.3.1 signs others as if they were the query's, so one of the query could be moved here, where no API looks for it.
		if p.name != "realm" && !strings.HasPrefix(p.name, "oauth_") {
			return nil, fmt.Errorf("%w: it has a parameter that is neither realm nor one of OAuth", ErrMalformed)
		}
		values[p.name] = p.value
		if p.name != "oauth_signature" && p.name != "realm" {
			a.signed = append(a.signed, p)
		}
	}
	for _, name := range []string{
		"oauth_consumer_key", "oauth_token", "oauth_nonce", "oauth_timestamp", "oauth_signature", "oauth_signature_method",
	} {
		if values[name] == "" {
			return nil, fmt.Errorf("%w: it lacks %s", ErrMalformed, name)
		}
	}
	if values["oauth_signature_method"] != methodHMACSHA256 {
		return nil, ErrMethod
	}
	if v, sent := values["oauth_version"]; sent && v != version {
		return nil, fmt.Errorf("%w: its oauth_version is not %s", ErrMalformed, version)
	}
	a.ConsumerKey, a.Token, a.Nonce = values["oauth_consumer_key"], values["oauth_token"], values["oauth_nonce"]
	if a.timestamp, err = parseTimestamp(values["oauth_timestamp"]); err != nil {
		return nil, err
	}
	if a.signature, err = base64.StdEncoding.Strict().DecodeString(values["oauth_signature"]); err != nil || len(a.signature) != sha256.Size {
		return nil, fmt.Errorf("%w: its oauth_signature is not base64 of %d bytes", ErrMalformed, sha256.Size)
	}
	return a, nil
}

// maxTimestampDigits is how many digits a timestamp may have: they last until the year 33658.
const maxTimestampDigits = 12

// parseTimestamp reads seconds since 1970, a positive integer (section 3.3).
func parseTimestamp(value string) (time.Time, error) {
	seconds, err := strconv.ParseUint(value, 10, 63)
	if err != nil || seconds == 0 || len(value) > maxTimestampDigits {
		return time.Time{}, fmt.Errorf("%w: its oauth_timestamp is not a positive integer", ErrMalformed)
	}
	return time.Unix(int64(seconds), 0).UTC(), nil
}

// Verify returns nil if the request was signed with these secrets at a time that is near enough to now, and otherwise ErrTimestamp or
// ErrSignature. How long it takes tells nothing of the secrets.
func (a *Authorization) Verify(r Request, consumerSecret, tokenSecret string, now time.Time) error {
	if a.timestamp.After(now.Add(MaxSkew)) || a.timestamp.Before(now.Add(-MaxSkew)) {
		return ErrTimestamp
	}
	base, err := baseString(r, a.signed)
	if err != nil {
		return err
	}
	// Section 3.4.2, with the SHA-256 in place of the SHA-1.
	mac := hmac.New(sha256.New, []byte(encode(consumerSecret)+"&"+encode(tokenSecret)))
	mac.Write([]byte(base))
	if !hmac.Equal(mac.Sum(nil), a.signature) {
		return ErrSignature
	}
	return nil
}

// Forgettable returns when the nonce need not be remembered any more, because the request's timestamp is refused from then on. It is never sooner than
// MaxSkew from now, though it could be: a client chooses its timestamps, and must not fill a store with what counts for a moment.
func (a *Authorization) Forgettable(now time.Time) time.Time {
	if a.timestamp.After(now) {
		now = a.timestamp
	}
	return now.Add(MaxSkew + time.Second)
}
