// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package valkey

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

// Prefix begins every key.
const Prefix = "integration-operator:"

// The prefixes of keys, by what they hold.
const (
	sessionPrefix  = Prefix + "session:"
	sessionsPrefix = Prefix + "sessions:"
	visitorsPrefix = Prefix + "visitors:"
	spentPrefix    = Prefix + "spent:"
	spentsPrefix   = Prefix + "spents:"
)

// versionBytes is the length of a version, which stands before the document.
const versionBytes = 26

// newVersion returns a version that is like no other.
func newVersion() string { return rand.Text()[:versionBytes] }

// nameOf returns a name for parts, each of which is told from the next by its length.
func nameOf(parts ...string) string {
	hash := sha256.New()
	var length [8]byte
	for _, part := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		hash.Write(length[:])
		hash.Write([]byte(part))
	}
	return base64.RawURLEncoding.EncodeToString(hash.Sum(nil))
}

func nameOfOwner(o sessions.Owner) string { return nameOf(o.Namespace, o.Name, o.UID) }

// nameOfOwnersSpent names an owner's spent token IDs of one kind.
func nameOfOwnersSpent(o sessions.Owner, kind string) string {
	return nameOf(o.Namespace, o.Name, o.UID, kind)
}

func nameOfSession(o sessions.Owner, id string) string { return nameOf(o.Namespace, o.Name, o.UID, id) }

func nameOfSpent(o sessions.Owner, kind, tokenID string) string {
	return nameOf(o.Namespace, o.Name, o.UID, kind, tokenID)
}

// A document is a session as the server has it.
type document struct {
	Namespace   string   `json:"namespace"`
	Name        string   `json:"name"`
	UID         string   `json:"uid"`
	ID          string   `json:"id"`
	ClientID    string   `json:"clientID"`
	Username    string   `json:"username"`
	UserKind    string   `json:"userKind"`
	Audiences   []string `json:"audiences,omitempty"`
	Scopes      []string `json:"scopes,omitempty"`
	IssuedAt    int64    `json:"issuedAt"`
	ExpiresAt   int64    `json:"expiresAt"`
	Rotations   int64    `json:"rotations,omitempty"`
	RotatedAt   int64    `json:"rotatedAt,omitempty"`
	Current     []byte   `json:"current"`
	Previous    []byte   `json:"previous,omitempty"`
	KeyID       string   `json:"keyID"`
	Fingerprint []byte   `json:"fingerprint"`
}

// encode returns a session as the server is to have it at a version.
func encode(s *sessions.Session, version string) (string, error) {
	d := document{
		Namespace: s.Owner.Namespace, Name: s.Owner.Name, UID: s.Owner.UID, ID: s.ID, ClientID: s.ClientID, Username: s.Username,
		UserKind: s.UserKind, Audiences: s.Audiences, Scopes: s.Scopes, IssuedAt: s.IssuedAt.Unix(), ExpiresAt: s.ExpiresAt.Unix(),
		Rotations: s.Rotations, Current: s.Current[:], KeyID: s.KeyID, Fingerprint: s.Fingerprint[:],
	}
	if !s.RotatedAt.IsZero() {
		d.RotatedAt, d.Previous = s.RotatedAt.UnixMicro(), s.Previous[:]
	}
	content, err := json.Marshal(d)
	if err != nil {
		return "", fmt.Errorf("encode the session: %w", err)
	}
	return version + string(content), nil
}

// decode returns the session that the server has. Its error tells nothing of the content.
func decode(value string) (*sessions.Session, error) {
	if len(value) < versionBytes {
		return nil, errors.New("decode a session: it has no version")
	}
	var d document
	if json.Unmarshal([]byte(value[versionBytes:]), &d) != nil {
		return nil, errors.New("decode a session: it is malformed")
	}
	s := &sessions.Session{
		Owner: sessions.Owner{Namespace: d.Namespace, Name: d.Name, UID: d.UID}, ID: d.ID, ClientID: d.ClientID, Username: d.Username,
		UserKind: d.UserKind, Audiences: d.Audiences, Scopes: d.Scopes, IssuedAt: time.Unix(d.IssuedAt, 0).UTC(),
		ExpiresAt: time.Unix(d.ExpiresAt, 0).UTC(), Rotations: d.Rotations, KeyID: d.KeyID, Version: value[:versionBytes],
	}
	if d.RotatedAt != 0 {
		s.RotatedAt = time.UnixMicro(d.RotatedAt).UTC()
	}
	for _, field := range []struct {
		from []byte
		to   *[sha256.Size]byte
		zero bool
	}{{d.Current, &s.Current, false}, {d.Fingerprint, &s.Fingerprint, false}, {d.Previous, &s.Previous, d.RotatedAt == 0}} {
		if len(field.from) != sha256.Size && (!field.zero || len(field.from) != 0) {
			return nil, errors.New("decode a session: a digest has the wrong length")
		}
		copy(field.to[:], field.from)
	}
	return s, nil
}
