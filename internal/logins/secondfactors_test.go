// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package logins_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/integration-operator/integration-operator/internal/logins"
)

// seed has 80 bits.
const seed = "JBSWY3DPEHPK3PXP"

func TestReadTOTP(t *testing.T) {
	tests := []struct {
		name, value, want, wantErr string
	}{
		{name: "a seed", value: seed, want: seed},
		{name: "lower case, spaces, padding and a line break", value: " jbsw y3dp ehpk 3pxp== \n", want: seed},
		{name: "a longer seed", value: seed + seed, want: seed + seed},
		{name: "a URL", value: "otpauth://totp/Shop:anna?secret=" + seed + "&issuer=Shop", want: seed},
		{name: "a URL that says what is the default", value: "otpauth://TOTP/anna?algorithm=sha1&digits=6&period=30&secret=jbswy3dpehpk3pxp", want: seed},
		{name: "nothing", wantErr: "is empty"},
		{name: "spaces only", value: "  ", wantErr: "is empty"},
		{name: "other digits", value: "JBSWY3DPEHPK3PX1", wantErr: "base32"},
		{name: "a line break within", value: "JBSWY3DP\nEHPK3PXP", wantErr: "base32"},
		{name: "letters beyond ASCII", value: "JBSWY3DPEHPK3PXÄ", wantErr: "base32"},
		{name: "a seed that is too short", value: "JBSWY3DPEHPK3", wantErr: "10 to 128 bytes"},
		{name: "a seed that is too long", value: strings.Repeat("A", 256), wantErr: "10 to 128 bytes"},
		{name: "a value that is too long", value: strings.Repeat(" ", 1025), wantErr: "1024 bytes"},
		{name: "a URL for counted codes", value: "otpauth://hotp/anna?secret=" + seed, wantErr: "otpauth://totp"},
		{name: "another URL", value: "https://shop.example/?secret=" + seed, wantErr: "otpauth://totp"},
		{name: "a URL without seed", value: "otpauth://totp/anna", wantErr: "otpauth://totp"},
		{name: "a URL with an empty seed", value: "otpauth://totp/anna?secret=", wantErr: "is empty"},
		{name: "a URL with two seeds", value: "otpauth://totp/anna?secret=" + seed + "&secret=" + seed, wantErr: "otpauth://totp"},
		{name: "a URL that cannot be read", value: "otpauth://totp/%zz?secret=" + seed, wantErr: "otpauth://totp"},
		{name: "another algorithm", value: "otpauth://totp/anna?algorithm=SHA256&secret=" + seed, wantErr: "only codes by SHA1"},
		{name: "other digits than six", value: "otpauth://totp/anna?digits=8&secret=" + seed, wantErr: "only codes by SHA1"},
		{name: "another period", value: "otpauth://totp/anna?period=60&secret=" + seed, wantErr: "only codes by SHA1"},
		{name: "two periods", value: "otpauth://totp/anna?period=30&period=60&secret=" + seed, wantErr: "only codes by SHA1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readWith(t, "totp", tt.value, tt.wantErr)
			if err == nil && got.TOTP() != tt.want {
				t.Errorf("got %s, want %s", got.TOTP(), tt.want)
			}
		})
	}
}

func TestReadSecurityKeys(t *testing.T) {
	encode := func(b string) string { return base64.RawURLEncoding.EncodeToString([]byte(b)) }
	entry := func(id, key string) string { return fmt.Sprintf(`{"id":%q,"publicKey":%q}`, id, key) }
	cose := "\xa5\x01\x02"
	good := entry(encode("key one"), encode(cose))
	many := func(n int) string {
		entries := make([]string, n)
		for i := range entries {
			entries[i] = entry(encode(fmt.Sprint("key ", i)), encode(cose))
		}
		return "[" + strings.Join(entries, ",") + "]"
	}
	tests := []struct {
		name, value, wantErr string
		want                 []logins.SecurityKey
	}{
		{name: "a key", value: "[" + good + "]\n", want: []logins.SecurityKey{{ID: []byte("key one"), PublicKey: []byte(cose)}}},
		{name: "a key with padding", value: "[" + entry("a2V5IG9uZQ==", encode(cose)) + "]", want: []logins.SecurityKey{{ID: []byte("key one"), PublicKey: []byte(cose)}}},
		{name: "no keys", value: "[]"},
		{name: "nothing", wantErr: "write a JSON list"},
		{name: "null", value: "null", wantErr: "write a JSON list"},
		{name: "one key without the list", value: good, wantErr: "write a JSON list"},
		{name: "something after it", value: "[]]", wantErr: "write a JSON list"},
		{name: "another member", value: `[{"id":"a2V5","publicKey":"pQEC","name":"yubi"}]`, wantErr: "write a JSON list"},
		{name: "an id that is a number", value: `[{"id":1,"publicKey":"pQEC"}]`, wantErr: "write a JSON list"},
		{name: "no id", value: `[{"publicKey":"pQEC"}]`, wantErr: "entry 1: the id"},
		{name: "an id that is no base64url", value: "[" + good + "," + entry("+/+/", encode(cose)) + "]", wantErr: "entry 2: the id"},
		{name: "an id that is too long", value: "[" + entry(encode(strings.Repeat("a", 1024)), encode(cose)) + "]", wantErr: "entry 1: the id"},
		{name: "no public key", value: `[{"id":"a2V5"}]`, wantErr: "entry 1: the publicKey"},
		{name: "a public key in PEM", value: "[" + entry("a2V5", encode("-----BEGIN PUBLIC KEY-----")) + "]", wantErr: "entry 1: the publicKey"},
		{name: "a public key that is too long", value: "[" + entry("a2V5", encode("\xa5"+strings.Repeat("a", 2048))) + "]", wantErr: "entry 1: the publicKey"},
		{name: "a key twice", value: "[" + good + "," + good + "]", wantErr: "entry 2: its id is that of another"},
		{name: "too many keys", value: many(9), wantErr: "more than 8 entries"},
		{name: "a list that is too long", value: strings.Repeat(" ", 32<<10) + "[]", wantErr: "32768 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readWith(t, "securityKeys", tt.value, tt.wantErr)
			if err != nil {
				return
			}
			if diff := cmp.Diff(tt.want, got.SecurityKeys); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
		})
	}
	if got, err := readWith(t, "securityKeys", many(8), ""); err != nil || len(got.SecurityKeys) != 8 {
		t.Errorf("as many keys as there may be: %v", err)
	}
}

// readWith reads a login that has a value under one key more, and checks the error: it names the key, and quotes nothing.
func readWith(t *testing.T, key, value, wantErr string) (*logins.Login, error) {
	t.Helper()
	got, err := logins.Read(secretOf(corev1.SecretTypeBasicAuth, map[string]string{"username": "anna", "password": "p", key: value}))
	if wantErr == "" {
		if err != nil {
			t.Fatal(err)
		}
		return got, nil
	}
	if err == nil || !strings.Contains(err.Error(), wantErr) || !strings.HasPrefix(err.Error(), "its "+key+" cannot be used: ") {
		t.Fatalf("got the error %v, want one that names %s and says %q", err, key, wantErr)
	}
	for _, secret := range []string{"JBSW", "jbsw", "a2V5", "yubi", "PUBLIC"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error %q quotes the value", err)
		}
	}
	return nil, err
}

func TestNoSecondFactors(t *testing.T) {
	got, err := logins.Read(secretOf(corev1.SecretTypeBasicAuth, map[string]string{"username": "anna", "password": "p"}))
	if err != nil || got.TOTP != nil || got.SecurityKeys != nil {
		t.Errorf("got %v (%v), want no second factors", got, err)
	}
	got, err = logins.Read(secretOf(corev1.SecretTypeBasicAuth, map[string]string{"username": "anna", "password": "p", "totp": seed}))
	if err != nil {
		t.Fatal(err)
	}
	if printed := fmt.Sprintf("%v %+v %#v", got, got, got); strings.Contains(printed, seed) {
		t.Errorf("the seed shows in %s", printed)
	}
}
