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

// labelManagedBy is the recommended label that names the tool which manages an object.
const labelManagedBy = "app.kubernetes.io/managed-by"

// Values are what goes into a Secret besides what spec says.
type Values struct {
	ClientID string
	// ClientSecret is nil where the client uses none.
	ClientSecret []byte
	Endpoints    *v1alpha1.Endpoints
	Granted      *v1alpha1.Granted
	// Record is how far the rotation of the client secret has come; zero where the client uses none.
	Record v1alpha1.RotationRecord
	// AccessTokens are the data keys of the access tokens that are there, each with its value: the tokens, and the ends of their lives.
	AccessTokens map[string][]byte
	// Before is the data that the Secret has: a key whose template cannot be rendered stays as it is there. Decide fills it in.
	Before map[string][]byte
	// CABundle is PEM, and empty when the token server's certificate is publicly trusted.
	CABundle []byte
	// KeepUntil, where it is set, owns the Secret beside the Integration: a Secret lives as long as one of its owners, so this
	// is how it outlasts the Integration without a finalizer.
	KeepUntil *metav1.OwnerReference
}

// UsesClientSecret reports whether the Integration's client may prove who it is by a client secret, so that its Secret holds one.
func UsesClientSecret(intg *v1alpha1.Integration) bool {
	return slices.Contains(intg.CredentialMethods(), v1alpha1.CredentialMethodClientSecret)
}

// OwnerReference returns the reference that makes a Secret the Integration's own.
func OwnerReference(intg *v1alpha1.Integration) metav1.OwnerReference {
	return *metav1.NewControllerRef(intg, v1alpha1.GroupVersion.WithKind("Integration"))
}

// Owned reports whether the Secret is the Integration's own: its controller owner reference carries the Integration's UID. A label
// proves nothing.
func Owned(secret *corev1.Secret, intg *v1alpha1.Integration) bool {
	return secret.Namespace == intg.Namespace && metav1.IsControlledBy(secret, intg)
}

// ClientSecretOf returns the client secret in an owned Secret, or in one that may be taken over; nil when it is lost or damaged. In an owned one,
// the annotation says where it is, so that renaming keys carries the value along, even when two keys swap their names. Where hands took the
// annotation off, or had it name the key of a public value, the key of spec is asked, if there was a client secret before as established says:
// otherwise what an editor had a template write there would become one. A value that belongs under another key is never taken for it: the token
// URL is long enough to pass for a secret, and so is what a profile derives from the client secret. A copy under a further key is nothing bad: a
// template may have made it, or the profile. One that may be taken over may have it under the profile's key alone.
func ClientSecretOf(secret *corev1.Secret, intg *v1alpha1.Integration, v Values, established bool) []byte {
	v.ClientSecret = nil // So that what is known holds no copy of it.
	known, owned, profile := standardData(intg, v), Owned(secret, intg), intg.Spec.Profile
	addDerivedData(known, profile, secret.Data[profileKeys[profile].clientSecret])
	name, annotated := secret.Annotations[v1alpha1.AnnotationClientSecretKey]
	named, found := secret.Data[name]
	public := found && held(known, named)
	if owned && annotated && wellFormed(named) && !public {
		return named
	}
	value, found := secret.Data[string(intg.Spec.Secret.Keys.ClientSecret)]
	if !found && !owned {
		value = secret.Data[profileKeys[profile].clientSecret]
	}
	asked := !owned || established && (!annotated || public)
	if asked && Weak(value, v.ClientID) == nil && !held(known, value) {
		return value
	}
	return nil
}

// wellFormed reports whether value can be a client secret: neither too short nor too long, and of the characters that RFC 6749 appendix A.2 allows.
func wellFormed(value []byte) bool {
	return len(value) >= v1alpha1.MinClientSecretLength && len(value) <= v1alpha1.MaxClientSecretLength &&
		!slices.ContainsFunc(value, func(b byte) bool { return b < 0x20 || b > 0x7e })
}

// held reports whether a key holds the value: then it is no secret, but for instance the client ID.
func held(data map[string][]byte, value []byte) bool {
	for _, other := range data {
		if bytes.Equal(other, value) {
			return true
		}
	}
	return false
}

// Build returns the Secret as it should be. An existing one lends its metadata, so that labels and annotations that others put on
// it stay; existing may be nil. One that was there before the Integration also keeps its type and its other keys. The error says what of
// spec.secret cannot be had, and never a value, nor anything that depends on the client secret or an access token; the Secret is complete but
// for that.
func Build(intg *v1alpha1.Integration, existing *corev1.Secret, v Values) (*corev1.Secret, error) {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: intg.SecretName(), Namespace: intg.Namespace}, Type: v1alpha1.SecretTypeCredentials}
	if existing != nil {
		secret = existing.DeepCopy()
	}
	standard := standardData(intg, v)
	data := make(map[string][]byte, len(standard)+len(v.AccessTokens))
	maps.Copy(data, v.AccessTokens)
	rendered, failed, templates := render(intg, v)
	maps.Copy(data, rendered)
	maps.Copy(data, standard) // No access token takes the place of a standard value.
	kept, clashes := keepAdopted(intg, existing, standard, data)
	for _, key := range failed {
		if before, found := v.Before[key]; found {
			data[key] = before // Or what an adopted key holds, which is the same.
		}
	}
	secret.Data = data
	secret.OwnerReferences = owners(secret.OwnerReferences, intg, v.KeepUntil)
	adopted := existing != nil && (!Owned(existing, intg) || Adopted(existing, intg))
	annotate(secret, intg, v, adopted)
	delete(secret.Annotations, v1alpha1.AnnotationAdoptedKeys)
	if adopted {
		secret.Annotations[v1alpha1.AnnotationAdoptedKeys] = encode(kept)
	}
	if templates != nil && clashes != nil {
		return secret, fmt.Errorf("%w; %w", templates, clashes)
	}
	return secret, cmp.Or(templates, clashes)
}

// annotate puts labels and annotations on the Secret: those of spec, and the operator's own. The label that hands a Secret over is the operator's
// on one that outlasts its Integration, so that another may take it over; on an adopted one it is that of the Secret's owner, and stays.
func annotate(secret *corev1.Secret, intg *v1alpha1.Integration, v Values, adopted bool) {
	applied := appliedMetadata{}
	_ = json.Unmarshal([]byte(secret.Annotations[v1alpha1.AnnotationAppliedMetadata]), &applied) // Damaged: nothing is taken off.
	secret.Labels = merge(secret.Labels, applied.Labels, intg.Spec.Secret.Labels)
	secret.Annotations = merge(secret.Annotations, applied.Annotations, intg.Spec.Secret.Annotations)
	secret.Labels[v1alpha1.LabelIntegration] = intg.Name
	switch {
	case v.KeepUntil != nil:
		secret.Labels[v1alpha1.LabelAdopt] = intg.Name
	case !adopted:
		delete(secret.Labels, v1alpha1.LabelAdopt)
	}
	delete(secret.Annotations, v1alpha1.AnnotationTrimmed)
	if _, chosen := intg.Spec.Secret.Labels[labelManagedBy]; !chosen {
		secret.Labels[labelManagedBy] = v1alpha1.SecretEntryProvider
	}
	delete(secret.Annotations, v1alpha1.AnnotationClientSecretKey)
	if v.ClientSecret != nil {
		secret.Annotations[v1alpha1.AnnotationClientSecretKey] = string(intg.Spec.Secret.Keys.ClientSecret)
	}
	delete(secret.Annotations, v1alpha1.AnnotationAppliedMetadata)
	if record := appliedMetadataOf(intg); record != "" {
		secret.Annotations[v1alpha1.AnnotationAppliedMetadata] = record
	}
	delete(secret.Annotations, v1alpha1.AnnotationRotation)
	if record := v.Record.Annotation(); record != "" {
		secret.Annotations[v1alpha1.AnnotationRotation] = record
	}
}

// standardData returns what the Secret holds beside access tokens, templates and adopted keys.
func standardData(intg *v1alpha1.Integration, v Values) map[string][]byte {
	keys := intg.Spec.Secret.Keys
	audiences, scopes := accessOf(v.Granted)
	data := map[string][]byte{
		string(keys.ClientID): []byte(v.ClientID),
		string(keys.TokenURL): []byte(v.Endpoints.Token),
		string(keys.Issuer):   []byte(v.Endpoints.Issuer),
		string(keys.Scope):    []byte(strings.Join(scopes, " ")),
		string(keys.Audience): []byte(strings.Join(audiences, " ")),
		string(keys.Type):     []byte(v1alpha1.SecretEntryType),
		string(keys.Provider): []byte(v1alpha1.SecretEntryProvider),
	}
	if v.ClientSecret != nil {
		data[string(keys.ClientSecret)] = v.ClientSecret
	}
	if len(v.CABundle) > 0 {
		data[string(keys.CACertificate)] = v.CABundle
	}
	addProfileData(data, intg.Spec.Profile, v)
	return data
}

// accessOf returns the audiences and all the scopes of what is granted, each once.
func accessOf(granted *v1alpha1.Granted) (audiences, scopes []string) {
	for _, access := range granted.Access {
		audiences = append(audiences, access.Audience)
		for _, scope := range access.Scopes {
			if !slices.Contains(scopes, scope) {
				scopes = append(scopes, scope)
			}
		}
	}
	return audiences, scopes
}

// owners puts the Integration first, and adds or removes keepUntil; owners that others added stay.
func owners(existing []metav1.OwnerReference, intg *v1alpha1.Integration, keepUntil *metav1.OwnerReference) []metav1.OwnerReference {
	refs := []metav1.OwnerReference{OwnerReference(intg)}
	if keepUntil != nil {
		refs = append(refs, *keepUntil)
	}
	for _, ref := range existing {
		ours := ref.UID == intg.UID || ref.Kind == "Namespace" && ref.APIVersion == "v1"
		if !ours {
			refs = append(refs, ref)
		}
	}
	return refs
}

// WithoutOwner returns the owner references without the Integration's: what is left keeps a released Secret.
func WithoutOwner(existing []metav1.OwnerReference, intg *v1alpha1.Integration) []metav1.OwnerReference {
	return slices.DeleteFunc(slices.Clone(existing), func(ref metav1.OwnerReference) bool { return ref.UID == intg.UID })
}

// appliedMetadata is the value of v1alpha1.AnnotationAppliedMetadata.
type appliedMetadata struct {
	Labels      []string `json:"labels,omitempty"`
	Annotations []string `json:"annotations,omitempty"`
}

// appliedMetadataOf returns the record for the Integration's spec; empty when spec asks for nothing.
func appliedMetadataOf(intg *v1alpha1.Integration) string {
	labels, annotations := intg.Spec.Secret.Labels, intg.Spec.Secret.Annotations
	if len(labels) == 0 && len(annotations) == 0 {
		return ""
	}
	return encode(appliedMetadata{Labels: slices.Sorted(maps.Keys(labels)), Annotations: slices.Sorted(maps.Keys(annotations))})
}

// encode returns lists of strings as JSON.
func encode[T appliedMetadata | []string](lists T) string {
	record, err := json.Marshal(lists)
	if err != nil {
		panic(fmt.Sprintf("encode lists of strings: %v", err)) // Cannot happen: strings always encode.
	}
	return string(record)
}

// merge returns existing without the keys that were applied before, and with wanted.
func merge[V ~string](existing map[string]string, applied []string, wanted map[string]V) map[string]string {
	merged := maps.Clone(existing)
	if merged == nil {
		merged = map[string]string{}
	}
	for _, key := range applied {
		delete(merged, key)
	}
	for key, value := range wanted {
		merged[key] = string(value)
	}
	return merged
}
