// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"fmt"

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
	// Values are what the Secret should hold; Decide fills in the client secret.
	Values Values
}

// A Decision says what to do. Reason and Message are set where somebody should hear of it: they name keys and never values.
type Decision struct {
	Action          Action
	Secret          *corev1.Secret
	Reason, Message string
	// Warn says that running clients are affected.
	Warn bool
}

// Decide is the chain of checks that answers "must I act?": not owned, missing, fixed for ever, different. A client secret that is
// there is never replaced, as long as the client may use one.
func Decide(in Input) Decision {
	if in.Existing != nil && orphaned(in.Existing, in.Integration) {
		return Decision{Action: Wait, Reason: v1alpha1.ReasonSecretPending, Message: fmt.Sprintf(
			"Secret %s belongs to a former Integration of this name: it is made anew once the garbage collector has taken it; "+
				"if that lasts, delete it", in.key())}
	}
	if in.Existing != nil && !Owned(in.Existing, in.Integration) {
		return Decision{Action: Refuse, Reason: v1alpha1.ReasonSecretConflict, Message: fmt.Sprintf(
			"Secret %s exists and is not this Integration's: %s", in.key(), in.mend())}
	}
	lost := false
	if UsesClientSecret(in.Integration) {
		in.Values.ClientSecret = in.clientSecret()
		if lost = in.Values.ClientSecret == nil; lost {
			in.Values.ClientSecret = GenerateClientSecret()
		}
	}
	wanted := Build(in.Integration, in.Existing, in.Values)
	switch {
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

// mend says what to do about a Secret that is somebody else's. Nobody is sent to delete one that is in use.
func (in Input) mend() string {
	owner := metav1.GetControllerOf(in.Existing)
	switch {
	case owner == nil:
		return "choose another spec.secret.name, or delete that Secret if nobody needs it"
	case owner.Kind == "Integration" && owner.Name == in.Integration.Name:
		return "a former Integration of this name retained it: choose another spec.secret.name, or delete that Secret"
	default:
		return fmt.Sprintf("it belongs to %s %s: choose another spec.secret.name", owner.Kind, owner.Name)
	}
}

func (in Input) key() string {
	return in.Integration.Namespace + "/" + in.Integration.SecretName()
}

// clientSecret returns the client secret that is there, in the Secret or in its predecessor; nil when it is lost.
func (in Input) clientSecret() []byte {
	for _, candidate := range []*corev1.Secret{in.Existing, in.Former} {
		if candidate == nil {
			continue
		}
		if value := ClientSecretOf(candidate, in.Integration, in.Values); value != nil {
			return value
		}
	}
	return nil
}

// wasThere reports whether there was a client secret before: the Secret says where it keeps one, or the status speaks of one. A
// client that proves who it is by other means has none, and gets its first one when it may use one too.
func (in Input) wasThere() bool {
	return in.Established || in.Existing != nil && in.Existing.Annotations[v1alpha1.AnnotationClientSecretKey] != ""
}

// notice adds to a decision what somebody should hear of it.
func (in Input) notice(d Decision, lost bool) Decision {
	switch {
	case lost && !in.wasThere():
	case lost:
		d.Warn, d.Reason = true, v1alpha1.ReasonClientSecretRegenerated
		d.Message = fmt.Sprintf(
			"the client secret in Secret %s was lost or damaged: made a new one; whoever holds the old one must read it again", in.key())
	case in.Existing != nil && !in.SpecChanged && drifted(in.Existing, d.Secret, in.Integration.Spec.Secret.Keys):
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

// orphaned reports whether the Secret is that of an Integration of the same name that was deleted, and nobody else keeps it.
func orphaned(secret *corev1.Secret, intg *v1alpha1.Integration) bool {
	owner := metav1.GetControllerOf(secret)
	return owner != nil && len(secret.OwnerReferences) == 1 && owner.Kind == "Integration" && owner.APIVersion == v1alpha1.GroupVersion.String() &&
		owner.Name == intg.Name && owner.UID != intg.UID
}

// drifted reports whether somebody changed the Secret, rather than the operator's own certificate or issuer having changed. The CA
// certificates also come and go with the operator's options, so they are never drift; the others can only be missing by hand.
func drifted(existing, wanted *corev1.Secret, keys v1alpha1.SecretKeys) bool {
	aligned, expected := existing.DeepCopy(), wanted.DeepCopy()
	for _, key := range []string{string(keys.TokenURL), string(keys.Issuer), string(keys.Audience)} {
		if _, found := aligned.Data[key]; found {
			aligned.Data[key] = expected.Data[key]
		}
	}
	delete(aligned.Data, string(keys.CACertificate))
	delete(expected.Data, string(keys.CACertificate))
	return !same(aligned, expected)
}

// same compares what the operator decides: everything but what others may add.
func same(a, b *corev1.Secret) bool {
	return equality.Semantic.DeepEqual(a.Data, b.Data) &&
		equality.Semantic.DeepEqual(a.Labels, b.Labels) &&
		equality.Semantic.DeepEqual(a.Annotations, b.Annotations) &&
		equality.Semantic.DeepEqual(a.OwnerReferences, b.OwnerReferences)
}
