// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"bytes"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/internal/logins"
	"github.com/integration-operator/integration-operator/internal/passwords"
)

// maxCachedData is the most data, in bytes, that is kept of one Secret outside the operator's namespace. What the operator generates
// is smaller; CA certificates are the largest part of it.
const maxCachedData = 128 << 10

// maxLoginData is the most, in bytes, that is kept of each key of a user's Secret. What logins.Read looks at no further is cut off one
// byte beyond what it accepts, so that it says too long rather than missing.
var maxLoginData = map[string]int{
	v1alpha1.KeyUsername:     logins.MaxUsernameLength + 1,
	v1alpha1.KeyPassword:     passwords.MaxLength + 1,
	v1alpha1.KeyPasswordHash: passwords.MaxLength + 1,
	v1alpha1.KeyTOTP:         logins.MaxTOTPLength + 1,
	v1alpha1.KeySecurityKeys: logins.MaxSecurityKeysLength + 1,
}

// CacheByObject returns what the manager's cache must hold for a Store and for Sessions: the Integrations, TokenSessions and
// TokenRevocations of the given namespaces, their Secrets that carry the integration label, and every Secret of the operator's own
// namespace. No namespaces means all of them. The label bounds the informer, so that memory does not grow with other people's Secrets; as
// anybody may write the label, what nobody reads is dropped too: managed fields, annotations of all but Secrets, and of Secrets that no
// Integration controls, or that are too large, all content but a user's login and a client secret.
func CacheByObject(operatorNamespace string, namespaces ...string) (map[client.Object]cache.ByObject, error) {
	labelled, err := labels.NewRequirement(v1alpha1.LabelIntegration, selection.Exists, nil)
	if err != nil {
		return nil, fmt.Errorf("select Secrets by label %s: %w", v1alpha1.LabelIntegration, err)
	}
	if len(namespaces) == 0 {
		namespaces = []string{cache.AllNamespaces}
	}
	served, secrets := map[string]cache.Config{}, map[string]cache.Config{}
	for _, namespace := range namespaces {
		served[namespace] = cache.Config{}
		secrets[namespace] = cache.Config{LabelSelector: labels.NewSelector().Add(*labelled)}
	}
	secrets[operatorNamespace] = cache.Config{LabelSelector: labels.Everything()}
	alike := newShared()
	return map[client.Object]cache.ByObject{
		&v1alpha1.Integration{}:     {Namespaces: maps.Clone(served), Transform: trimIntegration(alike)},
		&v1alpha1.TokenSession{}:    {Namespaces: maps.Clone(served), Transform: trimMetadata},
		&v1alpha1.TokenRevocation{}: {Namespaces: maps.Clone(served), Transform: trimMetadata},
		&corev1.Secret{}:            {Namespaces: secrets, Transform: trimSecret(operatorNamespace, alike)},
	}, nil
}

// trimIntegration drops what nobody reads of an Integration, and lets it share what others have as well.
func trimIntegration(alike *shared) toolscache.TransformFunc {
	return func(object any) (any, error) {
		if integration, ok := object.(*v1alpha1.Integration); ok {
			alike.integration(integration)
		}
		return trimMetadata(object)
	}
}

// trimMetadata drops what nobody reads of an Integration, a TokenSession or a TokenRevocation. These are never written whole from the
// cache, so nothing is lost.
func trimMetadata(object any) (any, error) {
	if o, ok := object.(client.Object); ok {
		o.SetManagedFields(nil)
		o.SetAnnotations(nil)
		delete(o.GetLabels(), labelUser)
	}
	return object, nil
}

// trimSecret drops what nobody reads of a Secret, as its informer takes it in. Data is always written whole, so dropping it loses
// nothing; annotations stay wherever the controllers may write the Secret, as they keep other people's. An Integration's Secret that is
// too large says so by v1alpha1.AnnotationTrimmed, for the controllers not to take what is left for all there is.
func trimSecret(operatorNamespace string, alike *shared) toolscache.TransformFunc {
	return func(object any) (any, error) {
		secret, ok := object.(*corev1.Secret)
		if !ok {
			return object, nil
		}
		secret.ManagedFields = nil
		if secret.Namespace == operatorNamespace {
			return secret, nil
		}
		if owner := metav1.GetControllerOf(secret); owner == nil || owner.Kind != integrationKind {
			secret.Data, secret.Annotations = broughtData(secret), nil
			return secret, nil
		}
		size := 0
		for key, value := range secret.Data {
			size += len(key) + len(value)
		}
		if size > maxCachedData {
			// The client secret is kept, so that putting the Secret right does not replace it.
			key := secret.Annotations[v1alpha1.AnnotationClientSecretKey]
			kept := secret.Data[key]
			secret.Data = nil
			if len(kept) > 0 && len(kept) <= v1alpha1.MaxClientSecretLength {
				secret.Data = map[string][]byte{key: kept}
			}
			metav1.SetMetaDataAnnotation(&secret.ObjectMeta, v1alpha1.AnnotationTrimmed, "true")
		}
		alike.secret(secret)
		return secret, nil
	}
}

// broughtData returns what is kept of a Secret that no Integration controls: what may be the client secret that its owner brings along, of
// which a longer one is cut off one byte beyond what is accepted, and if it may be a user's, what a login is read from.
func broughtData(secret *corev1.Secret) map[string][]byte {
	var kept map[string][]byte
	keep := func(key string, most int) {
		value, ok := secret.Data[key]
		if !ok {
			return
		}
		if len(value) > most {
			value = bytes.Clone(value[:most]) // So that the rest is not held in memory.
		}
		if kept == nil {
			kept = make(map[string][]byte, 1+len(maxLoginData))
		}
		kept[key] = value
	}
	keep(v1alpha1.KeyClientSecret, v1alpha1.MaxClientSecretLength+1)
	if secret.Type == corev1.SecretTypeBasicAuth {
		for key, most := range maxLoginData {
			keep(key, most)
		}
	}
	return kept
}
