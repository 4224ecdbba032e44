// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

const (
	// maxAdoptedData is the most data, in bytes, of a Secret that is taken over. With what the operator adds it stays below what the
	// manager's cache keeps of a Secret, so that no pass has to ask the API server for it.
	maxAdoptedData = 64 << 10
	// maxAdoptedKeys bounds the annotation that lists the keys.
	maxAdoptedKeys = 128
)

// Generated reports whether the Secret is the Integration's own and holds its credentials, made by the operator or taken over. Other
// Secrets may be owned by the Integration too, so that they go with it.
func Generated(secret *corev1.Secret, intg *v1alpha1.Integration) bool {
	_, adopted := secret.Annotations[v1alpha1.AnnotationAdoptedKeys]
	return Owned(secret, intg) && (adopted || secret.Type == v1alpha1.SecretTypeCredentials)
}

// Partial reports whether a cached Secret may lack data that it has at the API server: the cache keeps nearly nothing of a Secret that no
// Integration controls, or that has become too large, and adopted keys must not be lost by that. Whoever decides on it reads it live first.
func Partial(cached *corev1.Secret) bool {
	if metav1.GetControllerOfNoCopy(cached) == nil {
		return true
	}
	var listed []string
	_ = json.Unmarshal([]byte(cached.Annotations[v1alpha1.AnnotationAdoptedKeys]), &listed) // Damaged: the live one tells no more.
	return slices.ContainsFunc(listed, func(key string) bool {
		_, found := cached.Data[key]
		return !found
	})
}

// Adoptable decides whether a Secret of the wanted name that is not the Integration's may be taken over: nobody else controls it, its label
// is made out to just this Integration, and it holds the client's ID and a sound client secret where spec.secret.keys says. If so, reason
// is empty; otherwise it is that of a condition, and why says what is missing and what to do, and never a value.
func Adoptable(existing *corev1.Secret, intg *v1alpha1.Integration, v Values) (reason, why string) {
	const conflict = v1alpha1.ReasonSecretConflict
	if owner := metav1.GetControllerOf(existing); owner != nil {
		return conflict, fmt.Sprintf("it belongs to %s %s: choose another spec.secret.name", owner.Kind, owner.Name)
	}
	secret := ClientSecretOf(unclaimed(existing), intg, v)
	if lacks := cmp.Or(lackedConsent(existing, intg), lackedCredentials(existing, intg, v.ClientID, secret), unfit(existing)); lacks != "" {
		return conflict, lacks + "; once that is put right it is taken over: do so, choose another spec.secret.name, or delete that Secret " +
			"if nobody needs it"
	}
	if UsesClientSecret(intg) {
		if err := Weak(secret); err != nil {
			return v1alpha1.ReasonClientSecretTooWeak, fmt.Sprintf("it is not taken over, as its client secret is too weak: %v", err)
		}
	}
	return "", ""
}

// lackedConsent returns how the Secret's label fails to hand it over; empty if it does.
func lackedConsent(existing *corev1.Secret, intg *v1alpha1.Integration) string {
	switch label, labelled := existing.Labels[v1alpha1.LabelIntegration]; {
	case !labelled:
		return fmt.Sprintf("it lacks the label %s=%s", v1alpha1.LabelIntegration, intg.Name)
	case label != intg.Name:
		return fmt.Sprintf("its label %s does not say %s", v1alpha1.LabelIntegration, intg.Name)
	default:
		return ""
	}
}

// lackedCredentials returns what the Secret lacks of the client's credentials, where secret is the sound client secret in it; empty if nothing.
func lackedCredentials(existing *corev1.Secret, intg *v1alpha1.Integration, clientID string, secret []byte) string {
	keys := intg.Spec.Secret.Keys
	_, found := existing.Data[string(keys.ClientSecret)]
	switch uses := UsesClientSecret(intg); {
	case string(existing.Data[string(keys.ClientID)]) != clientID:
		return fmt.Sprintf("its key %s does not hold the client ID %s", keys.ClientID, clientID)
	case uses && secret == nil:
		return fmt.Sprintf("its key %s does not hold a client secret of %d to %d printable ASCII characters", keys.ClientSecret,
			v1alpha1.MinClientSecretLength, v1alpha1.MaxClientSecretLength)
	case found && !uses:
		return fmt.Sprintf("its key %s holds a client secret, and spec.credentials.methods lacks ClientSecret", keys.ClientSecret)
	default:
		return ""
	}
}

// unfit returns why nobody can take the Secret over, whatever it holds; empty if somebody can.
func unfit(existing *corev1.Secret) string {
	switch {
	case !adoptableType(existing.Type):
		return fmt.Sprintf("its type is %s", existing.Type)
	case existing.Immutable != nil && *existing.Immutable:
		return "it is immutable"
	case len(existing.Data) > maxAdoptedKeys || size(existing.Data) > maxAdoptedData:
		return fmt.Sprintf("it has more than %d keys or %d bytes", maxAdoptedKeys, maxAdoptedData)
	default:
		return ""
	}
}

// adoptableType reports whether a Secret of that type may be taken over: not one that a controller of Kubernetes or of the operator fills.
func adoptableType(secretType corev1.SecretType) bool {
	return secretType == v1alpha1.SecretTypeCredentials || secretType != corev1.SecretTypeServiceAccountToken &&
		secretType != corev1.SecretTypeBootstrapToken && !strings.HasPrefix(string(secretType), v1alpha1.MetadataPrefix)
}

// unclaimed returns the Secret without the annotations of whoever had it before: they say nothing about this Integration's credentials.
func unclaimed(secret *corev1.Secret) *corev1.Secret {
	secret = secret.DeepCopy()
	for _, annotation := range []string{v1alpha1.AnnotationClientSecretKey, v1alpha1.AnnotationRotation, v1alpha1.AnnotationAdoptedKeys} {
		delete(secret.Annotations, annotation)
	}
	return secret
}

// adoptedKeys reports whether a Secret was there before the Integration, and which of its keys stay as they are beside what the
// operator puts there. The annotation says so; where it was taken off by hand, a type that the operator does not make tells it too.
func adoptedKeys(intg *v1alpha1.Integration, existing *corev1.Secret, made map[string][]byte) (adopted bool, kept []string) {
	kept = []string{}
	if existing == nil {
		return false, kept
	}
	record, recorded := existing.Annotations[v1alpha1.AnnotationAdoptedKeys]
	var listed []string
	if damaged := json.Unmarshal([]byte(record), &listed) != nil; !Owned(existing, intg) ||
		damaged && existing.Type != v1alpha1.SecretTypeCredentials {
		recorded, listed = true, slices.Collect(maps.Keys(existing.Data))
	}
	if !recorded {
		return false, kept
	}
	tokens := accessTokenKeys(&intg.Spec.Secret)
	slices.Sort(listed)
	for _, key := range slices.Compact(listed) {
		_, found := existing.Data[key]
		_, taken := made[key]
		if found && !taken && !slices.Contains(tokens, key) {
			kept = append(kept, key)
		}
	}
	return true, kept
}

// volatileKeys returns the keys whose values change without anybody touching spec or the Secret: those of access tokens and templates.
func volatileKeys(spec *v1alpha1.SecretSpec) []string {
	keys := accessTokenKeys(spec)
	if spec.Template != nil {
		keys = slices.AppendSeq(keys, maps.Keys(spec.Template.Data))
	}
	return keys
}

// accessTokenKeys returns the keys that access tokens have, and those of their ends.
func accessTokenKeys(spec *v1alpha1.SecretSpec) []string {
	var keys []string
	for _, token := range spec.AccessTokens {
		keys = append(keys, token.Key, token.Key+v1alpha1.ExpiresAtSuffix)
	}
	return keys
}

func size(data map[string][]byte) int {
	sum := 0
	for key, value := range data {
		sum += len(key) + len(value)
	}
	return sum
}
