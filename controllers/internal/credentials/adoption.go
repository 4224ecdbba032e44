// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"bytes"
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

// Adopted reports whether a generated Secret was there before the Integration. The operator does not delete it of its own accord: where the
// Integration gives it up, it is Released.
func Adopted(secret *corev1.Secret, intg *v1alpha1.Integration) bool {
	_, adopted := secret.Annotations[v1alpha1.AnnotationAdoptedKeys]
	return Owned(secret, intg) && (adopted || secret.Type != v1alpha1.SecretTypeCredentials)
}

// Released returns the Secret as the Integration leaves it behind: with all its data, and without what makes it the Integration's own and the
// token server believe it. The Secret passed in must be as the API server has it, and not from a cache that trims; it stays as it is.
func Released(secret *corev1.Secret, intg *v1alpha1.Integration) *corev1.Secret {
	released := unclaimed(secret)
	released.OwnerReferences = WithoutOwner(secret.OwnerReferences, intg)
	return released
}

// Partial reports whether a cached Secret may lack data that it has at the API server: the cache keeps nearly nothing of a Secret that nobody
// controls, and marks those of which it holds a part only. Whoever decides on it reads it live first.
func Partial(cached *corev1.Secret) bool {
	_, trimmed := cached.Annotations[v1alpha1.AnnotationTrimmed]
	return trimmed || metav1.GetControllerOfNoCopy(cached) == nil
}

// refusal decides whether a Secret of the wanted name that is not the Integration's may be taken over: nobody controls it, its labels hand it
// over to just this Integration, it is of a type without a meaning of its own, and it holds the client's ID and a sound client secret where
// spec.secret.keys says. If so, it returns nothing; otherwise what the Secret would need. That tells nothing of what the Secret holds, neither
// by itself nor to somebody who tries one client ID after another: what it lacks of the credentials is not told apart.
func refusal(existing *corev1.Secret, intg *v1alpha1.Integration, v Values) string {
	const instead = "; or choose another spec.secret.name, or delete that Secret if nobody needs it"
	if owner := metav1.GetControllerOfNoCopy(existing); owner != nil {
		return fmt.Sprintf("it belongs to another object, of kind %s: choose another spec.secret.name", clip(owner.Kind))
	}
	for _, label := range []string{v1alpha1.LabelAdopt, v1alpha1.LabelIntegration} {
		if existing.Labels[label] != intg.Name {
			return fmt.Sprintf("it lacks the label %s=%s, by which its owner hands it over: put it on%s", label, intg.Name, instead)
		}
	}
	if needs := cmp.Or(unfit(existing), lackedCredentials(existing, intg, v)); needs != "" {
		return "to be taken over, it needs " + needs + instead
	}
	return ""
}

// lackedCredentials returns what credentials the Secret would need; empty if it has them. A client secret is needed whether the client may use
// it or not: by that a Secret is known to hold a client's credentials, and not, say, a login. What an operator made for a client without one is
// known by its type.
func lackedCredentials(existing *corev1.Secret, intg *v1alpha1.Integration, v Values) string {
	keys := intg.Spec.Secret.Keys
	_, found := existing.Data[string(keys.ClientSecret)]
	keyless := !UsesClientSecret(intg) && !found && existing.Type == v1alpha1.SecretTypeCredentials
	clientID, named := existing.Data[string(keys.ClientID)]
	if !named {
		clientID = existing.Data[profileKeys[intg.Spec.Profile].clientID]
	}
	if string(clientID) == v.ClientID && (keyless || ClientSecretOf(unclaimed(existing), intg, v, false) != nil) {
		return ""
	}
	return fmt.Sprintf("the client ID %s under its key %s, and under its key %s a client secret of %d to %d printable ASCII characters that "+
		"nobody can guess", v.ClientID, keys.ClientID, keys.ClientSecret, v1alpha1.MinClientSecretLength, v1alpha1.MaxClientSecretLength)
}

// unfit returns what else a Secret would need that nobody can take over, whatever it holds; empty if somebody can.
func unfit(existing *corev1.Secret) string {
	switch {
	case !adoptableType(existing.Type):
		return "a type that has no meaning to Kubernetes or the operator, such as Opaque"
	case existing.Immutable != nil && *existing.Immutable:
		return "to be made without immutable: true"
	case len(existing.Data) > maxAdoptedKeys || size(existing.Data) > maxAdoptedData:
		return fmt.Sprintf("to have at most %d keys and %d bytes of data", maxAdoptedKeys, maxAdoptedData)
	default:
		return ""
	}
}

// adoptableType reports whether a Secret of that type may be taken over: not one that somebody logs in by, or that a controller of Kubernetes
// or of the operator fills.
func adoptableType(secretType corev1.SecretType) bool {
	return secretType == v1alpha1.SecretTypeCredentials || !slices.ContainsFunc(
		[]string{"kubernetes.io/", "bootstrap.kubernetes.io/", v1alpha1.MetadataPrefix},
		func(prefix string) bool { return strings.HasPrefix(string(secretType), prefix) })
}

// unclaimed returns the Secret without the annotations of whoever had it before: they say nothing about this Integration's credentials.
func unclaimed(secret *corev1.Secret) *corev1.Secret {
	secret = secret.DeepCopy()
	for _, annotation := range []string{
		v1alpha1.AnnotationClientSecretKey, v1alpha1.AnnotationRotation, v1alpha1.AnnotationAdoptedKeys, v1alpha1.AnnotationTrimmed,
	} {
		delete(secret.Annotations, annotation)
	}
	return secret
}

// AdoptedKeys returns the keys that a Secret had before it was the Integration's, and has still: beside standard keys, nothing takes their
// place. They are those that the annotation lists; all of a Secret that is about to be taken over, but for what templates and access tokens have
// in one that an operator made; and where the annotation is damaged by hand, all that are there, with certain false.
func AdoptedKeys(existing *corev1.Secret, intg *v1alpha1.Integration) (keys []string, certain bool) {
	switch {
	case existing == nil || Owned(existing, intg) && !Adopted(existing, intg):
		return nil, true
	case Owned(existing, intg) && json.Unmarshal([]byte(existing.Annotations[v1alpha1.AnnotationAdoptedKeys]), &keys) == nil:
		certain = true
	default:
		keys, certain = slices.Collect(maps.Keys(existing.Data)), !Owned(existing, intg)
		if existing.Type == v1alpha1.SecretTypeCredentials {
			volatile := volatileKeys(&intg.Spec.Secret)
			keys = slices.DeleteFunc(keys, func(key string) bool { return !certain || slices.Contains(volatile, key) })
		}
	}
	slices.Sort(keys)
	return slices.DeleteFunc(slices.Compact(keys), func(key string) bool { _, found := existing.Data[key]; return !found }), certain
}

// keepAdopted puts the adopted keys into data, which holds what the operator makes: standard keys take their place, and what comes of templates
// and access tokens does not. It returns the keys that stay, and what of spec cannot be had by that. Where it is not certain which are adopted,
// those are not that hold just what the operator makes.
func keepAdopted(intg *v1alpha1.Integration, existing *corev1.Secret, standard, data map[string][]byte) (kept []string, problem error) {
	kept, certain := AdoptedKeys(existing, intg)
	kept = slices.DeleteFunc(append([]string{}, kept...), func(key string) bool {
		_, taken := standard[key]
		made, found := data[key]
		return taken || found && !certain && bytes.Equal(made, existing.Data[key])
	})
	var clashes []string
	for _, token := range intg.Spec.Secret.AccessTokens {
		end := token.Key + v1alpha1.ExpiresAtSuffix
		if slices.Contains(kept, token.Key) || slices.Contains(kept, end) {
			clashes = append(clashes, "spec.secret.accessTokens: "+token.Key)
			delete(data, token.Key)
			delete(data, end)
		}
	}
	for _, key := range kept {
		if template := intg.Spec.Secret.Template; template != nil {
			if _, clash := template.Data[key]; clash {
				clashes = append(clashes, "spec.secret.template.data: "+key)
			}
		}
		data[key] = existing.Data[key]
	}
	if len(clashes) == 0 {
		return kept, nil
	}
	more := ""
	if rest := len(clashes) - maxTemplateErrors; rest > 0 {
		clashes, more = clashes[:maxTemplateErrors], fmt.Sprintf("; and %d more", rest)
	}
	return kept, fmt.Errorf("a key that was in the Secret before it was taken over stays as it is: choose another, or delete it from the Secret: %s%s",
		strings.Join(clashes, "; "), more)
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
