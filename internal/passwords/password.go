// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package passwords

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// MaxLength is how many bytes a password may have at most, and a hash too.
const MaxLength = 1024

const redacted = "[redacted]"

// The domains keep the digest of a password from being that of a hash which reads the same.
const (
	domainPlain = "plain:"
	domainHash  = "hash:"
)

var (
	errEmpty   = errors.New("it is empty")
	errTooLong = fmt.Errorf("it has more than %d bytes", MaxLength)
)

// A Password checks whether somebody knows a user's password. It is immutable, its methods may be called concurrently, and it prints
// as [redacted]. New and Parse make Passwords; the zero value accepts nothing.
type Password struct {
	digest [sha256.Size]byte
	hash   hash
}

// A hash is a slow hash of a password, with its parameters.
type hash interface {
	verify(candidate []byte) bool
}

// New returns a Password for one that is known as it is. It returns an error if that is empty or has more than MaxLength bytes.
func New(plain []byte) (*Password, error) {
	if err := checkLength(plain); err != nil {
		return nil, err
	}
	return &Password{digest: digestOf(domainPlain, plain)}, nil
}

// Verify reports whether candidate is the password, in a time that tells nothing of how alike they are. A candidate that is empty or
// has more than MaxLength bytes is not, and against a bcrypt hash none with more than 72 bytes is, as bcrypt reads no further.
func (p *Password) Verify(candidate string) bool {
	if len(candidate) == 0 || len(candidate) > MaxLength {
		return false
	}
	if p.hash != nil {
		return p.hash.verify([]byte(candidate))
	}
	digest := digestOf(domainPlain, []byte(candidate))
	return subtle.ConstantTimeCompare(p.digest[:], digest[:]) == 1
}

// Slow reports whether Verify computes a slow hash. Callers should bound how many they start at once.
func (p *Password) Slow() bool { return p.hash != nil }

// Digest returns a digest of what is stored, the password or its hash. It changes with it, and is as secret as the password: it is
// for fingerprints that are made with a key.
func (p *Password) Digest() [sha256.Size]byte { return p.digest }

// String returns a placeholder, so that no log shows a password.
func (*Password) String() string { return redacted }

// GoString returns the placeholder.
func (*Password) GoString() string { return redacted }

// Format writes the placeholder whatever the verb, also for those that would print the fields.
func (*Password) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue returns the placeholder.
func (*Password) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns the placeholder. It never returns an error.
func (*Password) MarshalText() ([]byte, error) { return []byte(redacted), nil }

func checkLength(secret []byte) error {
	switch {
	case len(secret) == 0:
		return errEmpty
	case len(secret) > MaxLength:
		return errTooLong
	default:
		return nil
	}
}

func digestOf(domain string, stored []byte) [sha256.Size]byte {
	return sha256.Sum256(append([]byte(domain), stored...))
}
