// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

// sessionID is the form of a session's ID. It has no dash, so that an object's name tells where the Integration's name ends.
var sessionID = regexp.MustCompile(`^[a-z0-9]{1,64}$`)

// labelUser is on every TokenSession and tells one user's from all others, so that they are found without reading those. No one else goes by it.
const labelUser = v1alpha1.MetadataPrefix + "user"

// userLabel returns the value of labelUser for the sessions of an owner's user. A label is short, so it is part of a hash; the name itself
// is in the object's spec.
func userLabel(owner sessions.Owner, username, kind string) string {
	return hashOf(owner.UID, kind, username)[:32]
}

// sessionName returns the name of the TokenSession for a session; false if the ID is none, as an ID comes from outside.
func sessionName(owner sessions.Owner, id string) (types.NamespacedName, bool) {
	return types.NamespacedName{Namespace: owner.Namespace, Name: owner.Name + "-" + id}, sessionID.MatchString(id)
}

// metadataOf returns the metadata of an object that belongs to an Integration. The garbage collector removes it with the Integration,
// and deleting that does not wait for it.
func metadataOf(owner sessions.Owner, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: owner.Namespace, Name: name,
		Labels: map[string]string{v1alpha1.LabelIntegration: owner.Name},
		OwnerReferences: []metav1.OwnerReference{{
			APIVersion: v1alpha1.GroupVersion.String(), Kind: integrationKind,
			Name: owner.Name, UID: types.UID(owner.UID), Controller: new(true),
		}},
	}
}

// objectOf returns the TokenSession that holds a session, which sessionName has named.
func objectOf(s *sessions.Session, name string) *v1alpha1.TokenSession {
	metadata := metadataOf(s.Owner, name)
	metadata.Labels[labelUser] = userLabel(s.Owner, s.Username, s.UserKind)
	object := &v1alpha1.TokenSession{
		ObjectMeta: metadata,
		Spec: v1alpha1.TokenSessionSpec{
			Integration: s.Owner.Name, ClientID: s.ClientID,
			Username: s.Username, UserKind: v1alpha1.SessionUserKind(s.UserKind),
			Audiences: s.Audiences, Scopes: s.Scopes, IssuedAt: metav1.NewTime(s.IssuedAt),
		},
		Status: v1alpha1.TokenSessionStatus{
			ExpiresAt: metav1.NewTime(s.ExpiresAt), Rotations: s.Rotations,
			TokenHash: hex.EncodeToString(s.Current[:]), KeyID: s.KeyID,
			UserFingerprint: hex.EncodeToString(s.Fingerprint[:]),
		},
	}
	if s.Previous != [sha256.Size]byte{} {
		object.Status.PreviousTokenHash = hex.EncodeToString(s.Previous[:])
	}
	if !s.RotatedAt.IsZero() {
		object.Status.LastRotationTime = &metav1.MicroTime{Time: s.RotatedAt}
	}
	return object
}

// patchOf returns the JSON merge patch (RFC 7396) that replaces where a session stands, and only if it is still at the given version.
// It leaves alone what others may have put on the object, such as labels.
func patchOf(s *sessions.Session, resourceVersion string) ([]byte, error) {
	status := objectOf(s, "").Status
	// What is empty is said aloud, as a merge patch leaves alone what it does not mention.
	fields := map[string]any{
		"expiresAt": status.ExpiresAt, "rotations": status.Rotations, "lastRotationTime": status.LastRotationTime,
		"tokenHash": status.TokenHash, "previousTokenHash": nil,
		"keyID": status.KeyID, "userFingerprint": status.UserFingerprint,
	}
	if status.PreviousTokenHash != "" {
		fields["previousTokenHash"] = status.PreviousTokenHash
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": resourceVersion}, "status": fields,
	})
	if err != nil {
		return nil, fmt.Errorf("render the patch: %w", err)
	}
	return patch, nil
}

// sessionOf returns the session in a TokenSession; false for one that counts for nothing: it is being deleted, no Integration controls
// it, or it is damaged. Lists are shared with the object.
func sessionOf(object *v1alpha1.TokenSession) (*sessions.Session, bool) {
	owner, controlled := ownerOf(object)
	id, named := strings.CutPrefix(object.Name, owner.Name+"-")
	spec, status := &object.Spec, &object.Status
	if !controlled || !named || !sessionID.MatchString(id) || spec.Integration != owner.Name || object.DeletionTimestamp != nil ||
		spec.IssuedAt.IsZero() || status.ExpiresAt.IsZero() || status.Rotations < 0 {
		return nil, false
	}
	s := &sessions.Session{
		Owner: owner, ID: id, ClientID: spec.ClientID, Username: spec.Username, UserKind: string(spec.UserKind),
		Audiences: spec.Audiences, Scopes: spec.Scopes, IssuedAt: spec.IssuedAt.UTC(),
		ExpiresAt: status.ExpiresAt.UTC(), Rotations: status.Rotations, KeyID: status.KeyID,
		Version: versionOf(object),
	}
	if status.LastRotationTime != nil {
		s.RotatedAt = status.LastRotationTime.UTC()
	}
	ok := decodeHash(&s.Current, status.TokenHash) && decodeHash(&s.Fingerprint, status.UserFingerprint) &&
		(status.PreviousTokenHash == "" || decodeHash(&s.Previous, status.PreviousTokenHash))
	return s, ok
}

func decodeHash(hash *[sha256.Size]byte, text string) bool {
	if len(text) != hex.EncodedLen(sha256.Size) {
		return false
	}
	_, err := hex.Decode(hash[:], []byte(text))
	return err == nil
}

// versionOf returns the Version of the session in a TokenSession: the resource version, and the UID of the Integration that was found
// to control it, so that a Replace for another one is refused without a read.
func versionOf(object *v1alpha1.TokenSession) string {
	owner, _ := ownerOf(object)
	return owner.UID + "/" + object.ResourceVersion
}

// resourceVersionOf returns the resource version in a Version; false if it was made for another Integration.
func resourceVersionOf(s *sessions.Session) (string, bool) {
	uid, version, ok := strings.Cut(s.Version, "/")
	return version, ok && version != "" && uid == s.Owner.UID
}

// revocationName returns the name of the TokenRevocation for a token ID. It is a hash, as the ID may be anything.
func revocationName(owner sessions.Owner, kind, tokenID string) types.NamespacedName {
	return types.NamespacedName{Namespace: owner.Namespace, Name: hashOf(owner.Namespace, owner.Name, owner.UID, kind, tokenID)}
}

// hashOf returns the SHA-256 of some parts, each told from the next by its length, in hex.
func hashOf(parts ...string) string {
	hash := sha256.New()
	for _, part := range parts {
		hash.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		hash.Write([]byte(part))
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// revocationOf returns the TokenRevocation for a spent token ID. It lasts for whole seconds, and no shorter than the token.
func revocationOf(spent sessions.Spent, name string) *v1alpha1.TokenRevocation {
	return &v1alpha1.TokenRevocation{
		ObjectMeta: metadataOf(spent.Owner, name),
		Spec: v1alpha1.TokenRevocationSpec{
			Integration: spent.Owner.Name, TokenType: v1alpha1.RevokedTokenType(spent.Kind),
			ExpiresAt: metav1.NewTime(spent.ExpiresAt.Add(time.Second - 1).Truncate(time.Second)),
		},
	}
}
