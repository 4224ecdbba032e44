// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

const (
	// defaultOverlap and defaultMaxOverlap are how long a previous client secret is accepted where spec is silent.
	defaultOverlap    = 24 * time.Hour
	defaultMaxOverlap = 720 * time.Hour
	// maxRotationRecord is the most bytes of AnnotationRotation that are read.
	maxRotationRecord = 1024
)

// A RotationRecord is how far the rotation of a client secret has come: the value of AnnotationRotation, as JSON. The client secret in the
// Secret is always accepted; what the record names is accepted beside it.
//
// A rotation takes two writes, so that no replica is asked about a secret that it does not know yet: the first one announces the digest of
// the next secret, which nobody has, and the second one puts that secret in place and keeps the digest of the one before it.
//
// +kubebuilder:object:generate=false
type RotationRecord struct {
	// RotatedAt is when the client secret took the place of another; zero if it is the first one.
	RotatedAt time.Time `json:"rotatedAt,omitzero"`
	// Next is the announced secret; nil if there is none.
	Next *AnnouncedSecret `json:"next,omitempty"`
	// Previous is the secret before the last rotation while it is accepted; nil if there is none.
	Previous *SupersededSecret `json:"previous,omitempty"`
}

// An AnnouncedSecret is a client secret that is about to be put in place.
//
// +kubebuilder:object:generate=false
type AnnouncedSecret struct {
	// Digest is its SHA-256.
	Digest SecretDigest `json:"sha256"`
	// Since is when it was announced.
	Since time.Time `json:"since"`
}

// A SupersededSecret is a client secret that another has taken the place of.
//
// +kubebuilder:object:generate=false
type SupersededSecret struct {
	// Digest is its SHA-256.
	Digest SecretDigest `json:"sha256"`
	// Until is when it is accepted no longer.
	Until time.Time `json:"until"`
}

// A SecretDigest is the SHA-256 of a client secret. It is written in hexadecimal.
//
// +kubebuilder:object:generate=false
type SecretDigest [sha256.Size]byte

// DigestOf returns the digest of a client secret.
func DigestOf(clientSecret []byte) SecretDigest { return sha256.Sum256(clientSecret) }

// MarshalText returns the digest in hexadecimal.
func (d SecretDigest) MarshalText() ([]byte, error) {
	return []byte(hex.EncodeToString(d[:])), nil
}

// UnmarshalText reads what MarshalText wrote. It returns an error for anything else.
func (d *SecretDigest) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(d)) {
		return errors.New("a digest has 64 hexadecimal digits")
	}
	_, err := hex.Decode(d[:], text)
	return err
}

// ParseRotationRecord reads the value of AnnotationRotation; an empty one is a zero record. It returns an error, and a zero record, when it
// is damaged.
func ParseRotationRecord(annotation string) (RotationRecord, error) {
	if annotation == "" {
		return RotationRecord{}, nil
	}
	if len(annotation) > maxRotationRecord {
		return RotationRecord{}, fmt.Errorf("annotation %s has more than %d bytes", AnnotationRotation, maxRotationRecord)
	}
	var r RotationRecord
	if err := json.Unmarshal([]byte(annotation), &r); err != nil {
		return RotationRecord{}, fmt.Errorf("annotation %s is damaged", AnnotationRotation) // The cause may quote it.
	}
	return r, nil
}

// Annotation returns the value of AnnotationRotation; empty for a zero record.
func (r RotationRecord) Annotation() string {
	if r.RotatedAt.IsZero() && r.Next == nil && r.Previous == nil {
		return ""
	}
	text, err := json.Marshal(r)
	if err != nil {
		panic(fmt.Sprintf("encode times and digests: %v", err)) // Cannot happen: the times are between the years 0 and 9999.
	}
	return string(text)
}

// RotationOverlap returns how long a previous client secret is accepted, and how long at most while it is used: spec's values, or what
// stands in for them. most is no less than overlap.
func (i *Integration) RotationOverlap() (overlap, most time.Duration) {
	spec := i.Spec.Credentials.Rotation
	if spec == nil {
		spec = &RotationSpec{}
	}
	overlap, most = defaultOverlap, defaultMaxOverlap
	if spec.Interval != nil {
		overlap, most = min(overlap, spec.Interval.Duration/2), min(most, spec.Interval.Duration)
	}
	if spec.Overlap != nil {
		overlap = spec.Overlap.Duration
	}
	if spec.MaxOverlap != nil {
		most = spec.MaxOverlap.Duration
	}
	if spec.Retirement == RetirementAfterOverlap {
		most = overlap
	}
	if spec.Overlap == nil {
		overlap = min(overlap, most)
	}
	return overlap, max(overlap, most)
}
