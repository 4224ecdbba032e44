// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/credentials"
	"github.com/integration-operator/integration-operator/controllers/internal/permit"
)

// Policies say what Integrations may have. They belong to the platform team, and are only read.
// +kubebuilder:rbac:groups=integration-operator.io,resources=integrationpolicies,verbs=get;list;watch
// A policy chooses namespaces by their labels. deletionPolicy Retain makes the namespace, by its UID, a second owner of the Secret. Only
// metadata is read.
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch

// gatherPolicies finds the policies for the Integration's namespace, and what they make of spec.
func (r *IntegrationReconciler) gatherPolicies(ctx context.Context, s *scope) error {
	policies, err := r.policiesFor(ctx, s.intg.Namespace)
	if err != nil {
		return err
	}
	s.policies, s.permit = policies, permit.Grant(s.intg, policies, r.Issuer)
	return nil
}

// claimClientID decides whether the Integration owns the client ID that it wants.
func (r *IntegrationReconciler) claimClientID(ctx context.Context, s *scope) error {
	wanted := s.intg.WantedClientID()
	if s.intg.ReservedClientID() {
		return &terminalError{reason: v1alpha1.ReasonClientIDConflict, message: fmt.Sprintf(
			"client ID %s has the form <namespace>.<name>, which is kept for Integrations of the namespace before its first dot: "+
				"make a new Integration without spec.clientID, or with one that has a - in place of that dot", wanted)}
	}
	if s.permit.ClientIDDenied {
		return notPermitted(s.permit)
	}
	rivals, err := r.list(ctx, client.MatchingFields{indexClientID: wanted})
	if err != nil {
		return err
	}
	for i := range rivals {
		rival := &rivals[i]
		if rival.UID == s.intg.UID || !rival.PrecedesForClientID(s.intg) {
			continue
		}
		counts, err := r.mayOwnClientID(ctx, rival)
		if err != nil {
			return err
		}
		if counts {
			// The rival's namespace is not named: who can write here may not be allowed to look there.
			return &terminalError{reason: v1alpha1.ReasonClientIDConflict, message: fmt.Sprintf(
				"client ID %s belongs to another Integration: make a new Integration with another spec.clientID, or without one", wanted)}
		}
	}
	s.clientID = wanted
	return nil
}

// evaluateGrant gives the Integration, which owns its client ID, what the policies allow. Where that is nothing, no Secret is made for it;
// one that is there is kept as it should be, for the day on which a policy allows something again.
func (r *IntegrationReconciler) evaluateGrant(ctx context.Context, s *scope) error {
	s.granted = s.permit.Granted
	if s.permit.Usable() || s.intg.Status.Credentials != nil {
		return nil
	}
	key := client.ObjectKey{Namespace: s.intg.Namespace, Name: s.intg.SecretName()}
	secret := &corev1.Secret{}
	if err := r.Client.Get(ctx, key, secret); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("get Secret %s: %w", key, err)
	}
	if credentials.Owned(secret, s.intg) {
		return nil
	}
	return notPermitted(s.permit)
}

// checkPermitted ends a pass that did all that the policies allow, and not all that spec asks for. It comes last, so that the rest works.
func (r *IntegrationReconciler) checkPermitted(_ context.Context, s *scope) error {
	if s.permit.Reason == v1alpha1.ReasonPermitted {
		return nil
	}
	return notPermitted(s.permit)
}

// notPermitted returns what a pass ends with. Watches tell when the policies, the namespace or spec change.
func notPermitted(result permit.Result) error {
	return &terminalError{reason: result.Reason, message: result.Message}
}

// mayOwnClientID reports whether the Integration's claim to the client ID that it wants counts: one that it may not make stands in nobody's
// way.
func (r *IntegrationReconciler) mayOwnClientID(ctx context.Context, intg *v1alpha1.Integration) (bool, error) {
	if intg.WantedClientID() == intg.DerivedClientID() {
		return true, nil
	}
	if intg.ReservedClientID() {
		return false, nil
	}
	policies, err := r.policiesFor(ctx, intg.Namespace)
	return permit.MayClaim(intg, policies), err
}

// policiesFor returns the policies for a namespace by name, shared with the cache: they must not be changed.
func (r *IntegrationReconciler) policiesFor(ctx context.Context, namespace string) ([]*v1alpha1.IntegrationPolicy, error) {
	key := client.ObjectKey{Name: namespace}
	metadata := namespaceMetadata()
	err := r.Client.Get(ctx, key, metadata)
	if apierrors.IsNotFound(err) {
		// The Integration has come by its watch before its new namespace has.
		err = r.Live.Get(ctx, key, metadata)
	}
	if err != nil {
		return nil, fmt.Errorf("get Namespace %s, of which the labels choose the policies: %w", namespace, err)
	}
	all := &v1alpha1.IntegrationPolicyList{}
	if err := r.Client.List(ctx, all, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list IntegrationPolicies: %w", err)
	}
	var found []*v1alpha1.IntegrationPolicy
	for i := range all.Items {
		if isFor(&all.Items[i], metadata.Labels) {
			found = append(found, &all.Items[i])
		}
	}
	slices.SortFunc(found, func(a, b *v1alpha1.IntegrationPolicy) int { return strings.Compare(a.Name, b.Name) })
	return found, nil
}

// isFor reports whether a policy is for namespaces with the given labels. One whose selector makes no sense is for none.
func isFor(policy *v1alpha1.IntegrationPolicy, namespaceLabels map[string]string) bool {
	selector, err := metav1.LabelSelectorAsSelector(&policy.Spec.NamespaceSelector)
	return err == nil && selector.Matches(labels.Set(namespaceLabels))
}

// namespaceMetadata returns an empty Namespace of which nothing but the metadata is read and cached.
func namespaceMetadata() *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}}
}

// watchPolicies makes a change of a policy, or of a namespace's labels, reach the Integrations that it concerns, and no others. What there
// is from the beginning is no change.
func (r *IntegrationReconciler) watchPolicies(b *builder.Builder) *builder.Builder {
	return b.
		Watches(&v1alpha1.IntegrationPolicy{}, changes(func(ctx context.Context, before, after client.Object) []ctrl.Request {
			was, _ := before.(*v1alpha1.IntegrationPolicy)
			is, _ := after.(*v1alpha1.IntegrationPolicy)
			return r.policyChanged(ctx, was, is)
		})).
		WatchesMetadata(&corev1.Namespace{}, changes(r.namespaceChanged))
}

// changes returns an event handler that asks which Integrations a change concerns. Of an object that appeared, before is nil; of one that
// went, after is.
func changes(concerned func(ctx context.Context, before, after client.Object) []ctrl.Request) handler.EventHandler {
	enqueue := func(ctx context.Context, queue workqueue.TypedRateLimitingInterface[ctrl.Request], before, after client.Object) {
		for _, request := range concerned(ctx, before, after) {
			queue.Add(request)
		}
	}
	type queue = workqueue.TypedRateLimitingInterface[ctrl.Request]
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) {
			if !e.IsInInitialList {
				enqueue(ctx, q, nil, e.Object)
			}
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) { enqueue(ctx, q, e.ObjectOld, e.ObjectNew) },
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { enqueue(ctx, q, e.Object, nil) },
	}
}

// policyChanged returns the Integrations that a change of a policy concerns; before or after is nil where it was or is not there.
func (r *IntegrationReconciler) policyChanged(ctx context.Context, before, after *v1alpha1.IntegrationPolicy) []ctrl.Request {
	namespaces := &metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "NamespaceList"}}
	if err := r.Client.List(ctx, namespaces, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "cannot tell which namespaces a policy is for")
		return nil
	}
	var requests []ctrl.Request
	for i := range namespaces.Items {
		if namespace := &namespaces.Items[i]; changedFor(before, after, namespace.Labels) {
			requests = append(requests, r.concernedIn(ctx, namespace.Name)...)
		}
	}
	return requests
}

// namespaceChanged returns the Integrations that a change of a namespace concerns: those in it, if other policies are for it now.
// Those in a new one may have been looked at with the labels that it had even before.
func (r *IntegrationReconciler) namespaceChanged(ctx context.Context, before, after client.Object) []ctrl.Request {
	if after == nil {
		return nil // Its Integrations go with it.
	}
	if before != nil && maps.Equal(before.GetLabels(), after.GetLabels()) {
		return nil
	}
	all := &v1alpha1.IntegrationPolicyList{}
	if err := r.Client.List(ctx, all, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "cannot tell which policies are for a namespace")
		return nil
	}
	if before != nil && maps.Equal(policyNames(all.Items, before.GetLabels()), policyNames(all.Items, after.GetLabels())) {
		return nil
	}
	return r.concernedIn(ctx, after.GetName())
}

// concernedIn returns the Integrations of a namespace, and of others those that want a client ID which one of them claims: who may claim it
// decides who owns it.
func (r *IntegrationReconciler) concernedIn(ctx context.Context, namespace string) []ctrl.Request {
	found, err := r.list(ctx, client.MatchingFields{indexNamespace: namespace})
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "cannot tell which Integrations are concerned")
		return nil
	}
	requests := make([]ctrl.Request, 0, len(found))
	for i := range found {
		intg := &found[i]
		requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(intg)})
		if intg.WantedClientID() != intg.DerivedClientID() {
			requests = append(requests, r.requests(ctx, client.MatchingFields{indexClientID: intg.WantedClientID()})...)
		}
	}
	return requests
}

// changedFor reports whether a change of a policy concerns namespaces with the given labels.
func changedFor(before, after *v1alpha1.IntegrationPolicy, namespaceLabels map[string]string) bool {
	was, is := before != nil && isFor(before, namespaceLabels), after != nil && isFor(after, namespaceLabels)
	return was != is || was && !equality.Semantic.DeepEqual(before.Spec.Allow, after.Spec.Allow)
}

// policyNames returns which policies are for namespaces with the given labels.
func policyNames(policies []v1alpha1.IntegrationPolicy, namespaceLabels map[string]string) map[string]bool {
	names := map[string]bool{}
	for i := range policies {
		if isFor(&policies[i], namespaceLabels) {
			names[policies[i].Name] = true
		}
	}
	return names
}
