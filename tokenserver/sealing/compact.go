// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sealing

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
)

// MaxTokenBytes is the most that a token may have. No longer one is made, and none is read.
const MaxTokenBytes = 64 << 10

const (
	nonceBytes = 12
	tagBytes   = 16
)

// Why a token does not open. None of them holds anything of the token.
var (
	errTooLarge   = errors.New("it is larger than 64 KiB")
	errMalformed  = errors.New("it is not in the form in which this server writes it")
	errUnknownKey = errors.New("its header names no key that this server has")
	errTampered   = errors.New("it does not authenticate: it was edited or made with another key")
)

// The beginnings of the headers; the typ and the kid follow.
const (
	encryptedHeader     = `{"alg":"dir","enc":"A256GCM","typ":"`
	authenticatedHeader = `{"alg":"HS256","typ":"`
)

// encoding is base64url without padding (RFC 7515 section 2), in its canonical form only.
var encoding = base64.RawURLEncoding.Strict()

// Encrypt returns plaintext as a JWE of the given typ, which must need no escaping in JSON. It returns an error if the
// token would be larger than MaxTokenBytes.
func (k *Key) Encrypt(typ string, plaintext []byte) (string, error) {
	header := encoding.EncodeToString([]byte(encryptedHeader + typ + `","kid":"` + k.ID + `"}`))
	// RFC 7516 section 5.1: the encoded header is authenticated with the plaintext, and with alg dir there is no
	// encrypted key.
	room := make([]byte, 0, len(plaintext)+nonceBytes+tagBytes)
	sealed := k.encryption.Seal(room, nil, plaintext, []byte(header)) //nolint:gosec // the nonce is random, see newAEAD
	end := len(sealed) - tagBytes
	token := make([]byte, 0, len(header)+4+encoding.EncodedLen(len(sealed))+2)
	token = append(token, header...)
	token = append(token, '.', '.')
	token = encoding.AppendEncode(token, sealed[:nonceBytes])
	token = append(token, '.')
	token = encoding.AppendEncode(token, sealed[nonceBytes:end])
	token = append(token, '.')
	token = encoding.AppendEncode(token, sealed[end:])
	if len(token) > MaxTokenBytes {
		return "", errTooLarge
	}
	return string(token), nil
}

// Decrypt returns the plaintext of a JWE that Encrypt made with the same typ and a key of the set. Its error holds
// nothing of the token.
func (s *Set) Decrypt(typ, token string) ([]byte, error) {
	parts, err := split(token, 5)
	if err != nil {
		return nil, err
	}
	key, err := s.keyOf(parts[0], encryptedHeader+typ)
	if err != nil {
		return nil, err
	}
	if parts[1] != "" || len(parts[2]) != encoding.EncodedLen(nonceBytes) || len(parts[4]) != encoding.EncodedLen(tagBytes) {
		return nil, errMalformed
	}
	sealed := make([]byte, 0, len(token))
	for _, part := range parts[2:] {
		if sealed, err = appendDecoded(sealed, part); err != nil {
			return nil, err
		}
	}
	plaintext, err := key.encryption.Open(nil, nil, sealed, []byte(parts[0]))
	if err != nil {
		return nil, errTampered
	}
	return plaintext, nil
}

// SignMAC returns claims as a JWS of the given typ, which must need no escaping in JSON. It returns an error if the token
// would be larger than MaxTokenBytes.
func (k *Key) SignMAC(typ string, claims []byte) (string, error) {
	header := authenticatedHeader + typ + `","kid":"` + k.ID + `"}`
	token := make([]byte, 0, encoding.EncodedLen(len(header))+encoding.EncodedLen(len(claims))+encoding.EncodedLen(sha256.Size)+2)
	token = encoding.AppendEncode(token, []byte(header))
	token = append(token, '.')
	token = encoding.AppendEncode(token, claims)
	mac := k.mac(token)
	token = append(token, '.')
	token = encoding.AppendEncode(token, mac)
	if len(token) > MaxTokenBytes {
		return "", errTooLarge
	}
	return string(token), nil
}

// VerifyMAC returns the claims of a JWS that SignMAC made with the same typ and a key of the set. Its error holds nothing
// of the token.
func (s *Set) VerifyMAC(typ, token string) (claims []byte, err error) {
	parts, err := split(token, 3)
	if err != nil {
		return nil, err
	}
	key, err := s.keyOf(parts[0], authenticatedHeader+typ)
	if err != nil {
		return nil, err
	}
	presented, err := appendDecoded(nil, parts[2])
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(presented, key.mac([]byte(token[:len(parts[0])+1+len(parts[1])]))) {
		return nil, errTampered
	}
	return appendDecoded(nil, parts[1])
}

// mac returns the HMAC-SHA256 of what is signed.
func (k *Key) mac(signed []byte) []byte {
	mac := hmac.New(sha256.New, k.authentication)
	mac.Write(signed)
	return mac.Sum(nil)
}

// split cuts a token into exactly n parts.
func split(token string, n int) ([]string, error) {
	if len(token) > MaxTokenBytes {
		return nil, errTooLarge
	}
	if strings.Count(token, ".") != n-1 {
		return nil, errMalformed
	}
	return strings.Split(token, "."), nil
}

// keyOf returns the key that an encoded header names. The header must be the one that the key writes and none else: what
// follows the beginning and the typ is the kid, and the kid of a key of the set has nothing in it that could end it
// early.
func (s *Set) keyOf(encoded, beginning string) (*Key, error) {
	header, err := appendDecoded(nil, encoded)
	if err != nil {
		return nil, err
	}
	rest, ok := strings.CutPrefix(string(header), beginning+`","kid":"`)
	if !ok {
		return nil, errMalformed
	}
	id, ok := strings.CutSuffix(rest, `"}`)
	if !ok {
		return nil, errMalformed
	}
	key, ok := s.ByID(id)
	if !ok {
		return nil, errUnknownKey
	}
	return key, nil
}

// appendDecoded appends what an encoded part stands for. The decoder skips line breaks, which have no place in a token.
func appendDecoded(to []byte, part string) ([]byte, error) {
	if strings.ContainsAny(part, "\r\n") {
		return nil, errMalformed
	}
	decoded, err := encoding.AppendDecode(to, []byte(part))
	if err != nil {
		return nil, errMalformed
	}
	return decoded, nil
}
