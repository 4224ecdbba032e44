// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sealing

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
)

const typ = "test+jose"

// claims are long enough that every kind of base64 remainder comes up in some token.
var claims = []byte(`{"sub":"somebody"}`)

// encrypted returns a JWE, or ends the test.
func encrypted(tb testing.TB, key *Key, typ string, plaintext []byte) string {
	tb.Helper()
	token, err := key.Encrypt(typ, plaintext)
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

// signed returns a JWS, or ends the test.
func signed(tb testing.TB, key *Key, typ string, claims []byte) string {
	tb.Helper()
	token, err := key.SignMAC(typ, claims)
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

func TestEncrypt(t *testing.T) {
	key := fixed(t, 1)
	token := encrypted(t, key, typ, claims)
	if got, err := NewSet([]*Key{fixed(t, 2), key}).Decrypt(typ, token); err != nil || !bytes.Equal(got, claims) {
		t.Errorf("got %q (%v), want the plaintext", got, err)
	}
	if again := encrypted(t, key, typ, claims); again == token {
		t.Error("one plaintext encrypts to one token: the nonce does not change")
	}
	// An independent parser, which this package does not use.
	parsed, err := jose.ParseEncryptedCompact(token, []jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		t.Fatal(err)
	}
	if got := parsed.Header; got.KeyID != key.ID || got.Algorithm != "dir" || got.ExtraHeaders["typ"] != typ || got.ExtraHeaders["zip"] != nil {
		t.Errorf("got the header %+v", got)
	}
	if _, err := parsed.Decrypt(make([]byte, 32)); err == nil {
		t.Error("another key decrypts the token")
	}
}

func TestEncryptedTokensAreReadByOthers(t *testing.T) {
	// The key that encrypts cannot be had from a Key, so one is put there.
	secret := bytes.Repeat([]byte{9}, 32)
	encryption, err := newAEAD(secret)
	if err != nil {
		t.Fatal(err)
	}
	key := &Key{ID: "kid-1", encryption: encryption}
	parsed, err := jose.ParseEncryptedCompact(encrypted(t, key, typ, claims),
		[]jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := parsed.Decrypt(secret); err != nil || !bytes.Equal(got, claims) {
		t.Errorf("got %q (%v), want the plaintext", got, err)
	}
}

func TestSignMAC(t *testing.T) {
	key := fixed(t, 1)
	token := signed(t, key, typ, claims)
	if got, err := NewSet([]*Key{fixed(t, 2), key}).VerifyMAC(typ, token); err != nil || !bytes.Equal(got, claims) {
		t.Errorf("got %q (%v), want the claims", got, err)
	}
	parsed, err := jwt.Parse(token, func(*jwt.Token) (any, error) { return key.authentication, nil }, jwt.WithValidMethods([]string{"HS256"}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"alg": "HS256", "typ": typ, "kid": key.ID}, parsed.Header); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
}

// opened opens a token either way; false if neither does.
func opened(s *Set, token string) bool {
	_, decrypted := s.Decrypt(typ, token)
	_, verified := s.VerifyMAC(typ, token)
	return decrypted == nil || verified == nil
}

// TestNoEditPasses flips every bit of tokens of every length of the last base64 quantum, drops every character and
// doubles it.
func TestNoEditPasses(t *testing.T) {
	key := fixed(t, 1)
	set := NewSet([]*Key{key})
	for n := range 4 {
		plaintext := append(bytes.Clone(claims), bytes.Repeat([]byte{' '}, n)...)
		for _, token := range []string{encrypted(t, key, typ, plaintext), signed(t, key, typ, plaintext)} {
			if !opened(set, token) {
				t.Fatal("the token itself does not open")
			}
			for i := range len(token) {
				for bit := range 8 {
					edited := []byte(token)
					edited[i] ^= 1 << bit
					if opened(set, string(edited)) {
						t.Errorf("a token of %d bytes opens with bit %d of byte %d flipped", len(token), bit, i)
					}
				}
				for _, edited := range []string{
					token[:i] + token[i+1:], token[:i] + token[i:i+1] + token[i:], token[:i] + "\n" + token[i:],
					token[:i] + "=" + token[i:], token[:i] + "." + token[i:], token[:i],
				} {
					if opened(set, edited) {
						t.Errorf("a token edited at byte %d opens", i)
					}
				}
			}
			for _, end := range []string{"\n", "\r\n", "=", " ", ".", "A"} {
				if opened(set, token+end) {
					t.Errorf("a token opens with %q behind it", end)
				}
			}
		}
	}
}

// joseJWE returns what go-jose encrypts with a key of the set, with other headers than this package writes.
func joseJWE(t *testing.T, key []byte, kid string, change func(*jose.EncrypterOptions)) string {
	t.Helper()
	options := (&jose.EncrypterOptions{}).WithType(typ)
	change(options)
	encrypter, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.DIRECT, Key: key, KeyID: kid}, options)
	if err != nil {
		t.Fatal(err)
	}
	// A bomb, where it is compressed: far more than any token may have.
	object, err := encrypter.Encrypt(bytes.Repeat([]byte{'0'}, 8<<20))
	if err != nil {
		t.Fatal(err)
	}
	token, err := object.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestDecryptRefuses(t *testing.T) {
	secret := bytes.Repeat([]byte{9}, 32)
	encryption, err := newAEAD(secret)
	if err != nil {
		t.Fatal(err)
	}
	// Whoever makes these tokens is given the right key, so that nothing but the header stands in the way.
	key := &Key{ID: "kid-1", encryption: encryption}
	set := NewSet([]*Key{key})
	sealedWith := func(header string, plaintext []byte) string {
		encoded := encoding.EncodeToString([]byte(header))
		sealed := encryption.Seal(nil, nil, plaintext, []byte(encoded)) //nolint:gosec // the nonce is random
		end := len(sealed) - tagBytes
		return strings.Join([]string{
			encoded, "", encoding.EncodeToString(sealed[:nonceBytes]),
			encoding.EncodeToString(sealed[nonceBytes:end]), encoding.EncodeToString(sealed[end:]),
		}, ".")
	}
	good := encrypted(t, key, typ, claims)
	parts := strings.Split(good, ".")
	var deflated bytes.Buffer
	w, _ := flate.NewWriter(&deflated, flate.BestCompression)
	_, _ = w.Write(make([]byte, 8<<20))
	_ = w.Close()
	tests := []struct {
		name, token string
		want        error
	}{
		{"nothing", "", errMalformed},
		{"four dots", "....", errMalformed},
		{"too much", strings.Repeat("a", MaxTokenBytes+1), errTooLarge},
		{"too much in the right form", good + strings.Repeat("A", MaxTokenBytes), errTooLarge},
		{"three parts", signed(t, fixed(t, 1), typ, claims), errMalformed},
		{"a token of another typ", encrypted(t, key, typ+"x", claims), errMalformed},
		{"a token of a typ that begins alike", encrypted(t, key, typ[:4], claims), errMalformed},
		{"a token of another key", encrypted(t, fixed(t, 2), typ, claims), errUnknownKey},
		{"a token of another key with the kid of this", encrypted(t, (&Key{ID: "kid-1", encryption: fixed(t, 2).encryption}), typ, claims), errTampered},
		{"an encrypted key where none belongs", parts[0] + ".AAAA." + strings.Join(parts[2:], "."), errMalformed},
		{"a longer nonce", strings.Join([]string{parts[0], "", parts[2] + "AAAA", parts[3], parts[4]}, "."), errMalformed},
		{"a shorter tag", strings.Join([]string{parts[0], "", parts[2], parts[3], parts[4][:16]}, "."), errMalformed},
		{"a bomb", sealedWith(`{"alg":"dir","enc":"A256GCM","zip":"DEF","typ":"test+jose","kid":"kid-1"}`, deflated.Bytes()), errMalformed},
		{"a bomb behind the kid", sealedWith(`{"alg":"dir","enc":"A256GCM","typ":"test+jose","kid":"kid-1","zip":"DEF"}`, deflated.Bytes()), errUnknownKey},
		{"crit", sealedWith(`{"alg":"dir","enc":"A256GCM","typ":"test+jose","kid":"kid-1","crit":["exp"]}`, claims), errMalformed},
		{"jku", sealedWith(`{"alg":"dir","enc":"A256GCM","jku":"https://evil.example","typ":"test+jose","kid":"kid-1"}`, claims), errMalformed},
		{"two kids", sealedWith(`{"alg":"dir","enc":"A256GCM","typ":"test+jose","kid":"x","kid":"kid-1"}`, claims), errUnknownKey},
		{"no kid", sealedWith(`{"alg":"dir","enc":"A256GCM","typ":"test+jose"}`, claims), errMalformed},
		{"an empty kid", sealedWith(`{"alg":"dir","enc":"A256GCM","typ":"test+jose","kid":""}`, claims), errUnknownKey},
		{"spaces in the header", sealedWith(`{"alg": "dir","enc":"A256GCM","typ":"test+jose","kid":"kid-1"}`, claims), errMalformed},
		{"another order in the header", joseJWE(t, secret, "kid-1", func(*jose.EncrypterOptions) {}), errTooLarge},
		{"what go-jose compresses", joseJWE(t, secret, "kid-1", func(o *jose.EncrypterOptions) { o.Compression = jose.DEFLATE }), errMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := set.Decrypt(typ, tt.token)
			if !errors.Is(err, tt.want) || got != nil {
				t.Errorf("got %q (%v), want %v", got, err, tt.want)
			}
		})
	}
}

func TestVerifyMACRefuses(t *testing.T) {
	key := fixed(t, 1)
	set := NewSet([]*Key{key})
	signedWith := func(header string, method jwt.SigningMethod, secret any) string {
		input := encoding.EncodeToString([]byte(header)) + "." + encoding.EncodeToString(claims)
		signature, err := method.Sign(input, secret)
		if err != nil {
			t.Fatal(err)
		}
		return input + "." + encoding.EncodeToString(signature)
	}
	header := func(format string) string { return fmt.Sprintf(format, key.ID) }
	parts := strings.Split(signed(t, key, typ, claims), ".")
	tests := []struct {
		name, token string
		want        error
	}{
		{"nothing", "", errMalformed},
		{"two dots", "..", errMalformed},
		{"too much", strings.Repeat("a", MaxTokenBytes+1), errTooLarge},
		{"five parts", encrypted(t, key, typ, claims), errMalformed},
		{"a token of another typ", signed(t, key, typ+"x", claims), errMalformed},
		{"a token of another key", signed(t, fixed(t, 2), typ, claims), errUnknownKey},
		{"a token of another key with the kid of this", signed(t, (&Key{ID: key.ID, authentication: []byte("x")}), typ, claims), errTampered},
		{"no signature", parts[0] + "." + parts[1] + ".", errTampered},
		{"half a signature", parts[0] + "." + parts[1] + "." + parts[2][:22], errMalformed},
		{"no algorithm", signedWith(header(`{"alg":"none","typ":"test+jose","kid":"%s"}`), jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType), errMalformed},
		{"another algorithm", signedWith(header(`{"alg":"HS512","typ":"test+jose","kid":"%s"}`), jwt.SigningMethodHS512, key.authentication), errMalformed},
		{"crit", signedWith(header(`{"alg":"HS256","typ":"test+jose","crit":["b64"],"kid":"%s"}`), jwt.SigningMethodHS256, key.authentication), errMalformed},
		{"a header in another order", signedWith(header(`{"typ":"test+jose","alg":"HS256","kid":"%s"}`), jwt.SigningMethodHS256, key.authentication), errMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := set.VerifyMAC(typ, tt.token)
			if !errors.Is(err, tt.want) || got != nil {
				t.Errorf("got %q (%v), want %v", got, err, tt.want)
			}
		})
	}
}

func TestTokensThatWouldBeTooLarge(t *testing.T) {
	key := fixed(t, 1)
	large := bytes.Repeat([]byte{'x'}, 3*MaxTokenBytes/4)
	if token, err := key.Encrypt(typ, large); !errors.Is(err, errTooLarge) || token != "" {
		t.Errorf("got a token of %d bytes (%v), want none", len(token), err)
	}
	if token, err := key.SignMAC(typ, large); !errors.Is(err, errTooLarge) || token != "" {
		t.Errorf("got a token of %d bytes (%v), want none", len(token), err)
	}
}

// FuzzDecrypt checks that nothing opens but what the key made, byte for byte. The key and its two tokens are constants,
// as the fuzzer runs in several processes.
func FuzzDecrypt(f *testing.F) {
	set := NewSet([]*Key{fixed(f, 7)})
	for _, token := range []string{
		oldJWE, oldJWS, oldJWE + "=", oldJWS + "\n", oldJWE[:len(oldJWE)-1], strings.ToUpper(oldJWS), "....", "..", "",
		base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"dir","enc":"A256GCM","zip":"DEF","typ":"test+jose","kid":"x"}`)) + "..AAAAAAAAAAAAAAAA.AA.AAAAAAAAAAAAAAAAAAAAAA",
		base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + ".e30.",
	} {
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if plaintext, err := set.Decrypt("at+jwe", token); err == nil && token != oldJWE {
			t.Errorf("%q decrypts to %q", token, plaintext)
		}
		if got, err := set.VerifyMAC("rt+jwt", token); err == nil && token != oldJWS {
			t.Errorf("%q verifies as %q", token, got)
		}
	})
}

// TestHeadersAreJSON checks that the headers, which are put together by hand, are JSON.
func TestHeadersAreJSON(t *testing.T) {
	key := fixed(t, 1)
	for _, token := range []string{encrypted(t, key, typ, claims), signed(t, key, typ, claims)} {
		encoded, _, _ := strings.Cut(token, ".")
		header, err := encoding.DecodeString(encoded)
		if err != nil || !json.Valid(header) {
			t.Errorf("got the header %s (%v)", header, err)
		}
	}
}
