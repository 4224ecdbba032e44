// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package passwords_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/integration-operator/integration-operator/internal/passwords"
)

const plain = "correct horse"

// Hashes of "correct horse", made by htpasswd (2y), crypt(3) (2a, 2b), and the reference implementation's argon2.
const (
	bcrypt2y    = "$2y$05$m1IyUsA2uaBBn7ykMWYS/e/JEVSdFlTF2WlrECgd56ktKQso52G4O"
	bcrypt2a    = "$2a$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"
	bcrypt2b    = "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2"
	argon2Two   = "$argon2id$v=19$m=1024,t=2,p=2$c29tZXNhbHRzYWx0$hChb8RqXLeaXwSx7ZP8Rw2TlPz11p6caQ/8L6KLXyI4"
	argon2Small = "$argon2id$v=19$m=64,t=1,p=1$b3RoZXJzYWx0MTIzNDU2Nw$M3471YrJwEVSSTmfR4awnw"
	argon2i     = "$argon2i$v=19$m=1024,t=2,p=2$c29tZXNhbHRzYWx0$+dORuAOFSNhDiwLDlf+SqNl9vI+oUF9rsBK7EWxGKF4"
)

func TestVerify(t *testing.T) {
	tests := []struct {
		name     string
		password *passwords.Password
		wantSlow bool
	}{
		{name: "a plain password", password: newPassword(t, plain)},
		{name: "a bcrypt hash of PHP and Apache", password: parse(t, bcrypt2y), wantSlow: true},
		{name: "a bcrypt hash of the first version", password: parse(t, bcrypt2a), wantSlow: true},
		{name: "a bcrypt hash of the current version", password: parse(t, bcrypt2b), wantSlow: true},
		{name: "an argon2id hash of several threads", password: parse(t, argon2Two), wantSlow: true},
		{name: "an argon2id hash with a short key", password: parse(t, argon2Small), wantSlow: true},
		{name: "a hash with a line break behind it", password: parse(t, bcrypt2b+"\n"), wantSlow: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !tt.password.Verify(plain) {
				t.Error("the right password is refused")
			}
			for _, wrong := range []string{"", "correct horsf", "correct hors", plain + " ", strings.Repeat("x", passwords.MaxLength+1)} {
				if tt.password.Verify(wrong) {
					t.Errorf("the wrong password %.20q is accepted", wrong)
				}
			}
			if got := tt.password.Slow(); got != tt.wantSlow {
				t.Errorf("got Slow %t, want %t", got, tt.wantSlow)
			}
		})
	}
}

func TestVerifyIsBounded(t *testing.T) {
	longest := strings.Repeat("x", passwords.MaxLength)
	if !newPassword(t, longest).Verify(longest) {
		t.Error("the longest password is refused")
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(longest[:72]), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	password := parse(t, string(hash))
	if !password.Verify(longest[:72]) {
		t.Error("a password as long as bcrypt reads is refused")
	}
	if password.Verify(longest[:73]) {
		t.Error("bcrypt compares no more than 72 bytes, and a longer password is accepted")
	}
	empty, err := bcrypt.GenerateFromPassword(nil, bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	if parse(t, string(empty)).Verify("") {
		t.Error("an empty password is accepted")
	}
}

func TestZeroValueAcceptsNothing(t *testing.T) {
	var zero passwords.Password
	if zero.Verify(plain) || zero.Verify("") {
		t.Error("the zero value accepts a password")
	}
}

func TestNewAndParseRefuse(t *testing.T) {
	tests := []struct {
		name  string
		make  func([]byte) (*passwords.Password, error)
		value string
		want  string
	}{
		{name: "an empty password", make: passwords.New, want: "empty"},
		{name: "a password that is too long", make: passwords.New, value: strings.Repeat("x", 1025), want: "1024 bytes"},
		{name: "an empty hash", make: passwords.Parse, want: "empty"},
		{name: "a hash that is only a line break", make: passwords.Parse, value: "\n", want: "neither"},
		{name: "a hash that is too long", make: passwords.Parse, value: "$2b$" + strings.Repeat("x", 1025), want: "1024 bytes"},
		{name: "a plain password where a hash belongs", make: passwords.Parse, value: "s3cr3t-value", want: "neither"},
		{name: "a line of htpasswd", make: passwords.Parse, value: "user:" + bcrypt2y, want: "neither"},
		{name: "another function of argon2", make: passwords.Parse, value: argon2i, want: "neither"},
		{name: "the flawed version of bcrypt", make: passwords.Parse, value: "$2x$" + bcrypt2b[4:], want: "60 characters"},
		{name: "a bcrypt hash that is cut off", make: passwords.Parse, value: bcrypt2b[:59], want: "60 characters"},
		{name: "a bcrypt hash with a space", make: passwords.Parse, value: bcrypt2b[:59] + " ", want: "60 characters"},
		{name: "a cost of bcrypt that is too low", make: passwords.Parse, value: "$2b$03$" + bcrypt2b[7:], want: "cost"},
		{name: "a cost of bcrypt that is too high", make: passwords.Parse, value: "$2b$14$" + bcrypt2b[7:], want: "from 4 to 13"},
		{name: "an argon2id hash without version", make: passwords.Parse, value: strings.Replace(argon2Two, "v=19$", "", 1), want: "looks like"},
		{name: "an older version of argon2id", make: passwords.Parse, value: strings.Replace(argon2Two, "v=19", "v=16", 1), want: "must be 19"},
		{name: "too much memory", make: passwords.Parse, value: strings.Replace(argon2Two, "m=1024", "m=65537", 1), want: "memory m"},
		{name: "too little memory", make: passwords.Parse, value: strings.Replace(argon2Two, "m=1024", "m=15", 1), want: "from 16 to 65536"},
		{name: "no memory", make: passwords.Parse, value: strings.Replace(argon2Two, "m=1024", "m=0", 1), want: "memory m"},
		{name: "too many passes", make: passwords.Parse, value: strings.Replace(argon2Two, "t=2", "t=11", 1), want: "passes t"},
		{name: "no pass", make: passwords.Parse, value: strings.Replace(argon2Two, "t=2", "t=0", 1), want: "passes t"},
		{name: "too many threads", make: passwords.Parse, value: strings.Replace(argon2Two, "p=2", "p=5", 1), want: "p of an argon2id hash must be from 1 to 4"},
		{name: "full memory with a pass too many", make: passwords.Parse, value: argon2With(65536, 5, 1), want: "m=65536 with t=4"},
		{name: "a KiB too much for ten passes", make: passwords.Parse, value: argon2With(26215, 10, 1), want: "must be at most 262144"},
		{name: "no thread", make: passwords.Parse, value: strings.Replace(argon2Two, "p=2", "p=0", 1), want: "threads p"},
		{name: "a number that overflows", make: passwords.Parse, value: strings.Replace(argon2Two, "t=2", "t=99999999999999999999", 1), want: "looks like"},
		{name: "a salt that is too short", make: passwords.Parse, value: strings.Replace(argon2Two, "c29tZXNhbHRzYWx0", "c29tZXNh", 1), want: "salt"},
		{name: "a salt that is no base64", make: passwords.Parse, value: strings.Replace(argon2Two, "c29tZXNhbHRzYWx0", "c", 1), want: "looks like"},
		{name: "a key that is too short", make: passwords.Parse, value: argon2Two[:len(argon2Two)-23], want: "key"},
		{name: "a key that is too long", make: passwords.Parse, value: argon2Two[:len(argon2Two)-43] + strings.Repeat("A", 88), want: "key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.make([]byte(tt.value))
			if err == nil || got != nil {
				t.Fatalf("got %v and no error", got)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got the error %q, want one that says %q", err, tt.want)
			}
			for _, part := range strings.FieldsFunc(tt.value, func(r rune) bool { return strings.ContainsRune("$:, \n", r) }) {
				if len(part) > 8 && part != "argon2id" && strings.Contains(err.Error(), part) {
					t.Errorf("the error %q quotes %q", err, part)
				}
			}
		})
	}
}

func TestParseTakesTheMostThatAHashMayCost(t *testing.T) {
	for _, hash := range []string{
		"$2b$13$" + bcrypt2b[7:], argon2With(65536, 4, 4), argon2With(26214, 10, 4), argon2With(32768, 8, 1), argon2With(65536, 1, 1),
	} {
		if _, err := passwords.Parse([]byte(hash)); err != nil {
			t.Errorf("%s: %v", hash, err)
		}
	}
}

func TestDigestChangesWithWhatIsStored(t *testing.T) {
	digests := map[[32]byte]string{}
	for name, password := range map[string]*passwords.Password{
		"a password": newPassword(t, plain), "another password": newPassword(t, "correct horsf"),
		"a hash": parse(t, bcrypt2a), "another hash of the same password": parse(t, bcrypt2b), "an argon2id hash": parse(t, argon2Two),
		"a password that reads like a hash": newPassword(t, bcrypt2a),
	} {
		if other, found := digests[password.Digest()]; found {
			t.Errorf("%s and %s have the same digest", name, other)
		}
		digests[password.Digest()] = name
	}
	if one, same := newPassword(t, plain), newPassword(t, plain); one.Digest() != same.Digest() {
		t.Error("the same password has two digests")
	}
	if parse(t, bcrypt2b).Digest() != parse(t, bcrypt2b+"\r\n").Digest() {
		t.Error("a line break changes the digest of a hash")
	}
}

func TestPasswordsAreRedacted(t *testing.T) {
	for _, password := range []*passwords.Password{newPassword(t, plain), parse(t, bcrypt2a), parse(t, argon2Small)} {
		inStruct := struct{ Password *passwords.Password }{password}
		asJSON, err := json.Marshal(inStruct)
		if err != nil {
			t.Fatal(err)
		}
		var logged bytes.Buffer
		slog.New(slog.NewJSONHandler(&logged, nil)).Info("login", "password", password, "user", inStruct)
		slog.New(slog.NewTextHandler(&logged, nil)).Info("login", "password", password)
		digest := password.Digest()
		printed := []string{string(asJSON), logged.String(), password.String(), password.GoString()}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t", "%o"} {
			printed = append(printed, fmt.Sprintf(verb, password), fmt.Sprintf(verb, inStruct))
		}
		for _, s := range printed {
			if !strings.Contains(s, "[redacted]") {
				t.Errorf("got %q, want it redacted", s)
			}
			for _, leak := range []string{
				plain, bcrypt2a[7:], argon2Small[30:], fmt.Sprintf("%x", digest[:4]), fmt.Sprintf("%d %d %d", digest[0], digest[1], digest[2]),
			} {
				if strings.Contains(s, leak) {
					t.Errorf("%q shows %q", s, leak)
				}
			}
		}
	}
}

// FuzzParse checks that whatever parses is within the bounds, so that checking a password against it comes to an end soon.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		bcrypt2y, bcrypt2a, bcrypt2b, argon2Two, argon2Small, argon2i, "", "$", "$2b$", "$2b$99$", "$argon2id$", "$argon2id$v=19$m=8,t=1,p=1$$",
		"$argon2id$v=19$m=4294967295,t=4294967295,p=255$c29tZXNhbHRzYWx0$c29tZXNhbHRzYWx0c29tZXNhbHRzYWx0",
		"$2b$13$" + bcrypt2b[7:], "$2b$14$" + bcrypt2b[7:], argon2With(65536, 4, 4), argon2With(65536, 4, 5), argon2With(65536, 5, 1),
		argon2With(26214, 10, 1), argon2With(26215, 10, 1), argon2With(999999999, 999999999, 1), argon2With(32, 1, 4), argon2With(31, 1, 4),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, stored []byte) {
		before := bytes.Clone(stored)
		password, err := passwords.Parse(stored)
		if (err == nil) != (password != nil) {
			t.Fatalf("got %v with the error %v", password, err)
		}
		if !bytes.Equal(before, stored) {
			t.Fatal("Parse changed its input")
		}
		if err != nil {
			return
		}
		if len(stored) > passwords.MaxLength || !password.Slow() {
			t.Errorf("a hash of %d bytes was parsed", len(stored))
		}
		if !affordable(string(stored)) {
			t.Errorf("%q costs too much and was parsed", stored)
		}
		// The dear ones would keep the fuzzer from trying many.
		if bytes.HasPrefix(stored, []byte("$2b$04")) || bytes.Contains(stored, []byte("$m=64,t=1,")) {
			password.Verify("x")
		}
	})
}

// affordable reports whether a hash is within the bounds of what it may cost, read in another way than Parse does.
func affordable(hash string) bool {
	var memory, passes, lanes, cost int
	if _, err := fmt.Sscanf(hash, "$argon2id$v=19$m=%d,t=%d,p=%d$", &memory, &passes, &lanes); err == nil {
		return memory <= 64<<10 && passes <= 10 && lanes <= 4 && memory*passes <= 256<<10
	}
	if len(hash) < 6 {
		return false
	}
	_, err := fmt.Sscanf(hash[4:6], "%d", &cost)
	return err == nil && cost >= 4 && cost <= 13
}

// argon2With returns an argon2id hash of no known password that costs what is said.
func argon2With(memory, passes, lanes int) string {
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$c29tZXNhbHRzYWx0$c29tZXNhbHRzYWx0c29tZXNhbHRzYWx0", memory, passes, lanes)
}

func newPassword(t *testing.T, plain string) *passwords.Password {
	t.Helper()
	password, err := passwords.New([]byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	return password
}

func parse(t *testing.T, hash string) *passwords.Password {
	t.Helper()
	password, err := passwords.Parse([]byte(hash))
	if err != nil {
		t.Fatal(err)
	}
	return password
}
