// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// An Action is what has to be done about a credentials Secret.
type Action string

// The actions.
const (
	// None: the Secret is as it should be.
	None Action = "None"
	// Create: there is no Secret.
	Create Action = "Create"
	// Update: the Secret is there and differs.
	Update Action = "Update"
	// Replace: the Secret differs in what the API server never changes, so it is deleted and created.
	Replace Action = "Replace"
	// Refuse: the Secret is somebody else's.
	Refuse Action = "Refuse"
	// Wait: the Secret is that of a former Integration of the same name, and the garbage collector is about to take it.
	Wait Action = "Wait"
)

// Input is everything that Decide looks at.
type Input struct {
	Integration *v1alpha1.Integration
	// Existing is the Secret of the wanted name, or nil.
	Existing *corev1.Secret
	// Former is an owned Secret of another name, which spec.secret.name named before, or nil.
	Former *corev1.Secret
	// Established says that the Integration's status already reports complete credentials with a client secret, under whichever
	// name: one that is missing now was there.
	Established bool
	// SpecChanged says that status speaks of an older generation, so that a difference is no drift.
	SpecChanged bool
	// Replacement, where it is set, is the client secret to put in the place of the one that is there.
	Replacement []byte
	// Values are what the Secret should hold; Decide fills in the client secret.
	Values Values
}

// A Decision says what to do. Reason and Message are set where somebody should hear of it: they name keys and never values.
type Decision struct {
	Action          Action
	Secret          *corev1.Secret
	Reason, Message string
	// Problem is why a part of what spec.secret asks for cannot be had; nil if all can. The rest is done all the same. It is that of
	// TemplateProblem, and what a Secret that was taken over has no room for.
	Problem error
	// Warn says that running clients are affected.
	Warn bool
}

// Decide is the chain of checks that answers "must I act?": not owned, missing, fixed for ever, different. A client secret that is
// there is never replaced, as long as the client may use one.
func Decide(in Input) Decision {
	if in.Existing != nil && orphaned(in.Existing, in.Integration) {
		return Decision{Action: Wait, Reason: v1alpha1.ReasonSecretPending, Message: fmt.Sprintf(
			"Secret %s belongs to a former Integration of this name: it is made anew, or taken over if that one retained it, once the "+
				"garbage collector has seen to it; if that lasts, choose another spec.secret.name", in.key())}
	}
	adopt := in.Existing != nil && !Owned(in.Existing, in.Integration)
	if adopt {
		if why := refusal(in.Existing, in.Integration, in.Values); why != "" {
			return Decision{Action: Refuse, Reason: v1alpha1.ReasonSecretConflict, Message: fmt.Sprintf(
				"Secret %s exists and is not this Integration's: %s", in.key(), why)}
		}
		in.Existing = unclaimed(in.Existing)
	}
	lost := false
	if UsesClientSecret(in.Integration) {
		in.Values.ClientSecret = in.Replacement
		if in.Values.ClientSecret == nil {
			in.Values.ClientSecret, _ = in.Current()
		}
		if lost = in.Values.ClientSecret == nil; lost {
			in.Values.ClientSecret = GenerateClientSecret(in.Integration.Spec.Profile)
		}
	}
	in.Values.Before = in.before()
	wanted, problem := Build(in.Integration, in.Existing, in.Values)
	d := in.decision(wanted, lost, adopt)
	d.Problem = problem
	return d
}

// decision returns what to do to have the wanted Secret in place.
func (in Input) decision(wanted *corev1.Secret, lost, adopt bool) Decision {
	switch {
	case adopt:
		return Decision{Action: Update, Secret: wanted, Reason: v1alpha1.ReasonSecretAdopted, Message: fmt.Sprintf(
			"took Secret %s over: its client ID, its client secret and the keys of others in it stay as they are", in.key())}
	case in.Existing == nil:
		return in.notice(Decision{Action: Create, Secret: wanted}, lost)
	case fixed(in.Existing, wanted):
		return in.notice(Decision{Action: Replace, Secret: replacement(wanted)}, lost)
	case !same(in.Existing, wanted):
		return in.notice(Decision{Action: Update, Secret: wanted}, lost)
	default:
		return Decision{Action: None, Secret: wanted}
	}
}

// before returns the data that the Secret has, or under its former name had.
func (in Input) before() map[string][]byte {
	for _, secret := range []*corev1.Secret{in.Existing, in.Former} {
		if secret != nil {
			return secret.Data
		}
	}
	return nil
}

func (in Input) key() string {
	return in.Integration.Namespace + "/" + in.Integration.SecretName()
}

// Current returns the client secret that is there, in the Secret or in its predecessor, and which of the two holds it; nil when it is lost.
func (in Input) Current() ([]byte, *corev1.Secret) {
	candidates := []*corev1.Secret{in.Existing, in.Former}
	if in.Existing != nil && !Owned(in.Existing, in.Integration) {
		// One that is to be taken over, though the Integration has another: what is in it may have been rotated away long ago.
		candidates = []*corev1.Secret{in.Former, in.Existing}
	}
	for _, candidate := range candidates {
		if candidate == nil {
			continue
		}
		if value := ClientSecretOf(candidate, in.Integration, in.Values, in.Established); value != nil {
			return value, candidate
		}
	}
	return nil, nil
}

// WasThere reports whether there was a client secret before: the Secret says where it keeps one, or the status speaks of one. A
// client that proves who it is by other means has none, and gets its first one when it may use one too.
func (in Input) WasThere() bool {
	return in.Established || in.Existing != nil && in.Existing.Annotations[v1alpha1.AnnotationClientSecretKey] != ""
}

// replaces reports whether another client secret takes the place of one that is there, which is no drift.
func (in Input) replaces() bool {
	current, _ := in.Current()
	return in.Replacement != nil && current != nil
}

// notice adds to a decision what somebody should hear of it.
func (in Input) notice(d Decision, lost bool) Decision {
	switch {
	case lost && !in.WasThere():
	case lost:
		d.Warn, d.Reason = true, v1alpha1.ReasonClientSecretRegenerated
		d.Message = fmt.Sprintf(
			"the client secret in Secret %s was lost or damaged: made a new one; whoever holds the old one must read it again", in.key())
	case in.Existing != nil && !in.SpecChanged && !in.replaces() && drifted(in.Existing, d.Secret, in.Integration):
		d.Reason = v1alpha1.ReasonSecretRestored
		d.Message = fmt.Sprintf("Secret %s was changed by hand: put it back", in.key())
		if in.Values.ClientSecret != nil {
			d.Message += "; the client secret is the same"
		}
	}
	return d
}

// fixed reports whether the Secret differs from the wanted one in what the API server never changes.
func fixed(existing, wanted *corev1.Secret) bool {
	immutable := existing.Immutable != nil && *existing.Immutable
	return existing.Type != wanted.Type || immutable && !equality.Semantic.DeepEqual(existing.Data, wanted.Data)
}

// replacement returns the wanted Secret as one to be created in place of the existing one.
func replacement(wanted *corev1.Secret) *corev1.Secret {
	wanted.UID, wanted.ResourceVersion, wanted.CreationTimestamp, wanted.Immutable = "", "", metav1.Time{}, nil
	return wanted
}

// orphaned reports whether the Secret is that of an Integration of the same name that was deleted. The garbage collector takes the Secret,
// or where somebody else keeps it the owner reference.
func orphaned(secret *corev1.Secret, intg *v1alpha1.Integration) bool {
	owner := metav1.GetControllerOf(secret)
	return owner != nil && owner.Kind == "Integration" && owner.APIVersion == v1alpha1.GroupVersion.String() &&
		owner.Name == intg.Name && owner.UID != intg.UID
}

// drifted reports whether somebody changed the Secret, rather than the operator's own certificate or issuer having changed. The CA
// certificates also come and go with the operator's options, and access tokens, what templates make of all these, and the record of a
// rotation with time, so they are never drift; the others can only be missing by hand, and the record be damaged. Scopes that are just those
// which the status grants were there until a policy changed.
func drifted(existing, wanted *corev1.Secret, intg *v1alpha1.Integration) bool {
	keys := intg.Spec.Secret.Keys
	aligned, expected := existing.DeepCopy(), wanted.DeepCopy()
	for _, key := range []string{string(keys.TokenURL), string(keys.Issuer), string(keys.Audience), keyBaseURL} {
		if _, found := aligned.Data[key]; found {
			aligned.Data[key] = expected.Data[key]
		}
	}
	if granted := intg.Status.Granted; granted != nil {
		if _, scopes := accessOf(granted); string(aligned.Data[string(keys.Scope)]) == strings.Join(scopes, " ") {
			aligned.Data[string(keys.Scope)] = expected.Data[string(keys.Scope)]
		}
	}
	for _, key := range append(volatileKeys(&intg.Spec.Secret), string(keys.CACertificate)) {
		delete(aligned.Data, key)
		delete(expected.Data, key)
	}
	if _, err := v1alpha1.ParseRotationRecord(aligned.Annotations[v1alpha1.AnnotationRotation]); err == nil {
		delete(aligned.Annotations, v1alpha1.AnnotationRotation)
		delete(expected.Annotations, v1alpha1.AnnotationRotation)
	}
	return !same(aligned, expected)
}

// same compares what the operator decides: everything but what others may add.
func same(a, b *corev1.Secret) bool {
	return equality.Semantic.DeepEqual(a.Data, b.Data) &&
		equality.Semantic.DeepEqual(a.Labels, b.Labels) &&
		equality.Semantic.DeepEqual(a.Annotations, b.Annotations) &&
		equality.Semantic.DeepEqual(a.OwnerReferences, b.OwnerReferences)
}
