// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package logins

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// Bounds of second factors.
const (
	// MaxSecurityKeys is how many security keys a user may have.
	MaxSecurityKeys = 8
	// MaxTOTPLength and MaxSecurityKeysLength are how many bytes the keys totp and securityKeys of a Secret may have at most.
	MaxTOTPLength         = 1 << 10
	MaxSecurityKeysLength = 32 << 10

	minSeedBytes = 10
	maxSeedBytes = 128
	// maxCredentialID is that of WebAuthn section 4.
	maxCredentialID = 1023
	maxPublicKey    = 2 << 10
)

// A SecurityKey is a public key credential that a user has registered. Nothing of it is secret.
type SecurityKey struct {
	// ID is the credential ID, and PublicKey the public key as a COSE_Key.
	ID, PublicKey []byte
}

// What is wrong with a one-time code seed.
var (
	errNoSeed    = errors.New("it is empty: write a seed in base32 or an otpauth URL, or leave the key out")
	errLongTOTP  = fmt.Errorf("it has more than %d bytes", MaxTOTPLength)
	errNoBase32  = errors.New("the seed is not base32: write it in the letters A to Z and the digits 2 to 7")
	errSeedBytes = fmt.Errorf("the seed must have %d to %d bytes, which is %d characters of base32 or more", minSeedBytes, maxSeedBytes, minSeedBytes*8/5)
	errNoURL     = errors.New("write the URL as otpauth://totp/LABEL?secret=SEED")
	errOtherCode = errors.New("only codes by SHA1 of 6 digits and 30 seconds are supported: leave algorithm, digits and period out of the URL")
)

// What is wrong with a list of security keys.
var (
	errKeysLength   = fmt.Errorf("it has more than %d bytes", MaxSecurityKeysLength)
	errKeysJSON     = errors.New(`write a JSON list of {"id": "...", "publicKey": "..."}, as the registration returns its entries`)
	errTooManyKeys  = fmt.Errorf("it has more than %d entries", MaxSecurityKeys)
	errCredentialID = fmt.Errorf("the id must be base64url of 1 to %d bytes", maxCredentialID)
	errPublicKey    = fmt.Errorf("the publicKey must be base64url of a COSE key of at most %d bytes", maxPublicKey)
	errSameKey      = errors.New("its id is that of another entry")
)

// readSecondFactors adds what a user has to show beside the password. A value that is there and cannot be used is an error, never the same
// as none: the user would log in by the password alone.
func (l *Login) readSecondFactors(data map[string][]byte) error {
	if value, ok := data[v1alpha1.KeyTOTP]; ok {
		seed, err := readTOTP(value)
		if err != nil {
			return fmt.Errorf("its %s cannot be used: %w", v1alpha1.KeyTOTP, err)
		}
		l.TOTP = func() string { return seed }
	}
	if value, ok := data[v1alpha1.KeySecurityKeys]; ok {
		keys, err := readSecurityKeys(value)
		if err != nil {
			return fmt.Errorf("its %s cannot be used: %w", v1alpha1.KeySecurityKeys, err)
		}
		l.SecurityKeys = keys
	}
	return nil
}

// readTOTP returns the seed of one-time codes in base32, in upper case and without padding. The value is such a seed, or the URL that the QR
// codes of authenticator apps hold.
func readTOTP(value []byte) (string, error) {
	if len(value) > MaxTOTPLength {
		return "", errLongTOTP
	}
	seed := strings.TrimSpace(string(value))
	if strings.Contains(seed, ":") {
		var err error
		if seed, err = seedOfURL(seed); err != nil {
			return "", err
		}
	}
	seed = strings.TrimRight(strings.ToUpper(strings.ReplaceAll(seed, " ", "")), "=")
	if seed == "" {
		return "", errNoSeed
	}
	decoded, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(seed)
	if err != nil || strings.ContainsAny(seed, "\r\n") {
		// The decoder's own error tells where the seed is odd, and skips line breaks.
		return "", errNoBase32
	}
	if len(decoded) < minSeedBytes || len(decoded) > maxSeedBytes {
		return "", errSeedBytes
	}
	return seed, nil
}

// seedOfURL returns the seed in an otpauth URL that asks for the only codes that there are.
func seedOfURL(value string) (string, error) {
	u, err := url.Parse(value)
	if err != nil || !strings.EqualFold(u.Scheme, "otpauth") || !strings.EqualFold(u.Host, "totp") {
		return "", errNoURL
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil || len(query["secret"]) != 1 {
		return "", errNoURL
	}
	for name, want := range map[string]string{"algorithm": "SHA1", "digits": "6", "period": "30"} {
		if slices.ContainsFunc(query[name], func(got string) bool { return !strings.EqualFold(got, want) }) {
			return "", errOtherCode
		}
	}
	return query.Get("secret"), nil
}

// readSecurityKeys returns a user's security keys.
func readSecurityKeys(value []byte) ([]SecurityKey, error) {
	if len(value) > MaxSecurityKeysLength {
		return nil, errKeysLength
	}
	var entries []struct {
		ID        string `json:"id"`
		PublicKey string `json:"publicKey"`
	}
	d := json.NewDecoder(bytes.NewReader(value))
	d.DisallowUnknownFields()
	if err := d.Decode(&entries); err != nil || entries == nil {
		// The decoder's own error may quote the value.
		return nil, errKeysJSON
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errKeysJSON
	}
	if len(entries) > MaxSecurityKeys {
		return nil, errTooManyKeys
	}
	var keys []SecurityKey
	for i, entry := range entries {
		key, err := readSecurityKey(entry.ID, entry.PublicKey)
		if err == nil && slices.ContainsFunc(keys, func(other SecurityKey) bool { return bytes.Equal(other.ID, key.ID) }) {
			err = errSameKey
		}
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", i+1, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func readSecurityKey(id, publicKey string) (SecurityKey, error) {
	decodedID, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(id, "="))
	if err != nil || len(decodedID) == 0 || len(decodedID) > maxCredentialID {
		return SecurityKey{}, errCredentialID
	}
	decodedKey, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(publicKey, "="))
	if err != nil || len(decodedKey) == 0 || len(decodedKey) > maxPublicKey || !isCBORMap(decodedKey[0]) {
		return SecurityKey{}, errPublicKey
	}
	return SecurityKey{ID: decodedID, PublicKey: decodedKey}, nil
}

// isCBORMap reports whether first begins a map of CBOR (RFC 8949 section 3.1), as each COSE_Key is one. It finds what was put in place of
// the key by mistake, such as its PEM.
func isCBORMap(first byte) bool { return first>>5 == 5 }
