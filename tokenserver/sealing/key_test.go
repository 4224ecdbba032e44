// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sealing

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/sealing/sealingtest"
)

// mustParse reads a key in PEM.
func mustParse(tb testing.TB, pemBytes []byte) *Key {
	tb.Helper()
	key, err := ParseKey(pemBytes)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// fixed returns the key whose secret is 32 times the given byte.
func fixed(tb testing.TB, b byte) *Key {
	tb.Helper()
	return mustParse(tb, pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: bytes.Repeat([]byte{b}, secretBytes)}))
}

func TestParseKeyDerivesKeysThatDiffer(t *testing.T) {
	pemBytes := sealingtest.NewKey()
	key, again, other := mustParse(t, pemBytes), mustParse(t, pemBytes), mustParse(t, sealingtest.NewKey())
	if key.ID != again.ID || key.ID == other.ID || len(key.ID) != 43 || key.Active {
		t.Errorf("got the IDs %q, %q and %q, want one of 256 bits for each key", key.ID, again.ID, other.ID)
	}
	block, _ := pem.Decode(pemBytes)
	id, err := base64.RawURLEncoding.DecodeString(key.ID)
	if err != nil {
		t.Fatal(err)
	}
	secrets := [][]byte{block.Bytes, id, key.authentication, key.fingerprint}
	for i, a := range secrets {
		for _, b := range secrets[:i] {
			if bytes.Equal(a, b) {
				t.Errorf("two purposes share one key: %d", i)
			}
		}
	}
}

// Tokens that fixed(7) made of {}, the first of typ rt+jwt and the other of typ at+jwe.
const (
	oldJWS = "eyJhbGciOiJIUzI1NiIsInR5cCI6InJ0K2p3dCIsImtpZCI6IkRsbnFnR1NHeks2SmFpTDJjekJQQXJ6VUZ0b2pCclJPRDVzR1ln" +
		"NFo2S2sifQ.e30.iFy7JDA0CwHkDWlB-BLGPi1X4pFyG-SWEKU_azgcOVk"
	oldJWE = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwidHlwIjoiYXQrandlIiwia2lkIjoiRGxucWdHU0d6SzZKYWlMMmN6QlBBcnpV" +
		"RnRvakJyUk9ENXNHWWc0WjZLayJ9..qgofhyYEogAD8pBd.dZ0.286G_Dpd6rKbKEP1gozyXQ"
)

// TestDerivedKeysStay pins what is derived: a change would make every token of a running installation unreadable.
func TestDerivedKeysStay(t *testing.T) {
	const want = "DlnqgGSGzK6JaiL2czBPArzUFtojBrROD5sGYg4Z6Kk"
	if got := fixed(t, 7).ID; got != want {
		t.Errorf("got the ID %s, want %s", got, want)
	}
	const wantFingerprint = "e9facc47fb36b53cb9cb874da09eeac2614602973c4bd01e44f1e004d80a7a84"
	if got := fmt.Sprintf("%x", fixed(t, 7).Fingerprint([]byte("a"), []byte("b"))); got != wantFingerprint {
		t.Errorf("got the fingerprint %s, want %s", got, wantFingerprint)
	}
	if got, err := NewSet([]*Key{fixed(t, 7)}).VerifyMAC("rt+jwt", oldJWS); err != nil || string(got) != "{}" {
		t.Errorf("got %q (%v), want the claims of an older token", got, err)
	}
	if got, err := NewSet([]*Key{fixed(t, 7)}).Decrypt("at+jwe", oldJWE); err != nil || string(got) != "{}" {
		t.Errorf("got %q (%v), want the plaintext of an older token", got, err)
	}
}

func TestParseKeyRefuses(t *testing.T) {
	tests := []struct {
		name, want string
		pem        []byte
	}{
		{"nothing", "no PEM block", nil},
		{"what is not PEM", "no PEM block", []byte("secret stuff")},
		{"a key of another type", "PEM type", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: make([]byte, 32)})},
		{"a short key", "31 bytes", pem.EncodeToMemory(&pem.Block{Type: v1alpha1.PEMTypeSymmetricKey, Bytes: make([]byte, 31)})},
		{"a long key", "33 bytes", pem.EncodeToMemory(&pem.Block{Type: v1alpha1.PEMTypeSymmetricKey, Bytes: make([]byte, 33)})},
		{"an empty key", "0 bytes", pem.EncodeToMemory(&pem.Block{Type: v1alpha1.PEMTypeSymmetricKey})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseKey(tt.pem)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret stuff") {
				t.Errorf("got %v, want %q and nothing of the input", err, tt.want)
			}
		})
	}
}

func TestKeysPrintAsTheirIDs(t *testing.T) {
	key := fixed(t, 7)
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(format, key); got != key.ID {
			t.Errorf("%s prints %q, want the ID alone", format, got)
		}
	}
}

func TestFingerprint(t *testing.T) {
	key, other := fixed(t, 1), fixed(t, 2)
	a, b, ab := []byte("a"), []byte("b"), []byte("ab")
	if again := fixed(t, 1).Fingerprint(a, b); again != key.Fingerprint(a, b) {
		t.Error("one input has two fingerprints")
	}
	seen := map[[32]byte]string{}
	for name, sum := range map[string][32]byte{
		"a, b": key.Fingerprint(a, b), "ab": key.Fingerprint(ab), "b, a": key.Fingerprint(b, a), "ab, nothing": key.Fingerprint(ab, nil),
		"nothing, ab": key.Fingerprint(nil, ab), "none": key.Fingerprint(), "nothing": key.Fingerprint(nil), "another key": other.Fingerprint(a, b),
	} {
		if first, ok := seen[sum]; ok {
			t.Errorf("%q and %q have one fingerprint", first, name)
		}
		seen[sum] = name
	}
}

func TestSet(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	older, younger, next := fixed(t, 1), fixed(t, 2), fixed(t, 3)
	older.Active, older.ActivatedAt = true, now
	younger.Active, younger.ActivatedAt = true, now.Add(time.Second)
	next.ActivatedAt = now.Add(time.Hour)
	for _, keys := range [][]*Key{{older, younger, next}, {next, younger, older}} {
		set := NewSet(keys)
		if got, ok := set.Active(); !ok || got != younger {
			t.Errorf("got %v to seal, want the younger active key", got)
		}
		for _, key := range keys {
			if got, ok := set.ByID(key.ID); !ok || got != key {
				t.Errorf("got %v for the ID %s", got, key.ID)
			}
		}
	}
	older.ActivatedAt = younger.ActivatedAt
	first, _ := NewSet([]*Key{older, younger}).Active()
	if second, _ := NewSet([]*Key{younger, older}).Active(); first != second {
		t.Error("of two keys of one age the first one listed seals: replicas may differ")
	}
}

func TestSetWithoutKeys(t *testing.T) {
	for name, set := range map[string]*Set{"empty": NewSet(nil), "nil": nil, "inactive": NewSet([]*Key{fixed(t, 1)})} {
		if key, ok := set.Active(); ok || key != nil {
			t.Errorf("%s: got %v to seal, want none", name, key)
		}
		if _, ok := set.ByID(""); ok {
			t.Errorf("%s: there is a key without ID", name)
		}
	}
}
