// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package sealingtest makes symmetric keys for tests and benchmarks, in the form in which the controllers store them.
package sealingtest

import (
	"crypto/rand"
	"encoding/pem"
)

// NewKey returns a new key in PEM.
func NewKey() []byte {
	secret := make([]byte, 32)
	// crypto/rand.Read never fails: it ends the process instead.
	_, _ = rand.Read(secret)
	return pem.EncodeToMemory(&pem.Block{Type: "SYMMETRIC KEY", Bytes: secret})
}
