// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

const (
	// minBits is how hard to guess a client secret must be that a user brings: the token server keeps no slow hash of it.
	minBits = 128
	// minDistinct is how many different characters it has at least; a random one of 128 bits has more.
	minDistinct = 8
)

// Weak returns why a client secret that a user brings for a client ID is not one to use, or nil. It is estimated from the length and the kind
// of the characters, as if they were random. The error says what is needed, reads on from "a client secret that", and quotes nothing.
func Weak(secret []byte, clientID string) error {
	switch {
	case len(secret) > v1alpha1.MaxClientSecretLength:
		return fmt.Errorf("has more than %d characters: make a shorter one", v1alpha1.MaxClientSecretLength)
	case !printable(secret):
		return errors.New("has other characters than printable ASCII, such as a line break at its end (RFC 6749 appendix A.2): take them out")
	case string(secret) == clientID:
		return errors.New("is the client ID, which everybody knows: make a random one")
	}
	bits := float64(len(secret)) * math.Log2(float64(alphabet(secret)))
	if bits < minBits || len(secret) < v1alpha1.MinClientSecretLength || distinct(secret) < minDistinct {
		return fmt.Errorf("is too easy to guess: make a random one of at least %d bits, such as 22 characters of base64 or 32 of hexadecimal",
			minBits)
	}
	return nil
}

// alphabet returns how many characters the smallest of the usual classes has that holds all of the secret.
func alphabet(secret []byte) int {
	const digits = "0123456789"
	for _, class := range []string{
		digits, digits + "abcdef", digits + "ABCDEF", digits + "abcdefghijklmnopqrstuvwxyz", digits + "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
	} {
		if len(bytes.Trim(secret, class)) == 0 {
			return len(class)
		}
	}
	return 64
}

func distinct(secret []byte) int {
	seen := map[byte]bool{}
	for _, c := range secret {
		seen[c] = true
	}
	return len(seen)
}

func printable(secret []byte) bool {
	return !slices.ContainsFunc(secret, func(c byte) bool { return c < 0x20 || c > 0x7e })
}
