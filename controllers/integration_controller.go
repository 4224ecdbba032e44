// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/permit"
)

// The list of Secrets cannot be narrowed by RBAC to a label, and Secrets live in every namespace that has Integrations. The
// informer sees only those that carry the operator's label.
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create;update;delete
// Integrations are read, and only their status is written: spec belongs to its users.
// +kubebuilder:rbac:groups=integration-operator.io,resources=integrations,verbs=get;list;watch
// +kubebuilder:rbac:groups=integration-operator.io,resources=integrations/status,verbs=patch
// A Secret with a blocking owner reference needs this where OwnerReferencesPermissionEnforcement is on.
// +kubebuilder:rbac:groups=integration-operator.io,resources=integrations/finalizers,verbs=update
// Transitions are told as events; series of the same event are patched.
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// A CABundle returns the PEM certificates that clients need to trust for the token server: none when its certificate is publicly
// trusted. ErrCABundlePending says that they are still being made.
type CABundle func(ctx context.Context) ([]byte, error)

// ErrCABundlePending is returned by a CABundle that will have something to return later.
var ErrCABundlePending = errors.New("the operator's certificate authority is being made")

// statusTries is how often a status is written that loses to edits which have nothing to do with it.
const statusTries = 5

// An IntegrationReconciler gives every Integration its credentials Secret and writes its status.
type IntegrationReconciler struct {
	// Client reads from the cache, and sees its own writes.
	Client client.Client
	// Live reads from the API server what the cache leaves out: Secrets without the operator's label, what those hold that nobody
	// controls, and workloads.
	Live client.Reader
	// Recorder tells of transitions.
	Recorder events.EventRecorder
	// Issuer is the issuer URL without a trailing slash.
	Issuer string
	// OperatorNamespace holds the signing keys.
	OperatorNamespace string
	// CABundle is what clients need to trust.
	CABundle CABundle
	// CABundleChanged, where it is set, is told when CABundle would return something else than before.
	CABundleChanged <-chan event.GenericEvent
	// MaxConcurrent is how many Integrations are worked on at once.
	MaxConcurrent int
	// Minter makes the access tokens of spec.secret.accessTokens.
	Minter TokenMinter
	Now    func() time.Time

	// announced holds the client secrets that are about to be put in place.
	announced announcements
}

// SetupWithManager adds the controller to a manager whose cache has the indexes of IndexFields.
func (r *IntegrationReconciler) SetupWithManager(mgr ctrl.Manager) error {
	b := ctrl.NewControllerManagedBy(mgr).
		Named("integration").
		For(&v1alpha1.Integration{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.Integration{}, handler.EnqueueRequestsFromMapFunc(r.rivals),
			builder.WithPredicates(predicate.Funcs{UpdateFunc: func(event.UpdateEvent) bool { return false }})).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.owner),
			// A generated Secret that appears is news to nobody: its Integration is reconciled when that appears, and made it. One that
			// nobody controls may be one to take over, from the moment on that it has the label.
			builder.WithPredicates(predicate.Funcs{CreateFunc: func(e event.CreateEvent) bool { return metav1.GetControllerOfNoCopy(e.Object) == nil }})).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.bringers)).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.dependants)).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: r.MaxConcurrent, ReconciliationTimeout: reconcileTimeout,
			// After an outage everything is looked at again soon: access tokens in Secrets would run out otherwise.
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[ctrl.Request](firstBackOff, mostBackOff),
		})
	b = r.watchPolicies(b)
	if r.CABundleChanged != nil {
		b = b.WatchesRawSource(source.Channel(r.CABundleChanged, handler.EnqueueRequestsFromMapFunc(r.all)))
	}
	if err := b.Complete(r); err != nil {
		return fmt.Errorf("set up the Integration controller: %w", err)
	}
	return nil
}

// Reconcile brings one Integration's Secret and status in line with its spec. A deleted Integration needs nothing: the garbage
// collector takes the Secret, and the token server forgets the client by itself.
func (r *IntegrationReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	intg := &v1alpha1.Integration{}
	err := r.Client.Get(ctx, req.NamespacedName, intg)
	if apierrors.IsNotFound(err) || err == nil && !intg.DeletionTimestamp.IsZero() {
		r.announced.forget(req.NamespacedName)
		return ctrl.Result{}, nil
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctrl.Result{}, nil // No leader any more.
	}
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("get Integration %s: %w", req, err)
	}

	s := &scope{intg: intg, now: r.Now(), restart: intg.Status.Restart.DeepCopy()}
	s.lookAgain(s.suspendedUntil())
	for _, phase := range []phase{
		r.gatherPolicies, r.claimClientID, r.evaluateGrant, r.gatherTrust, r.gatherSecrets, r.gatherClientSecret, r.mintAccessTokens,
		r.reconcileSecret, r.removeFormerSecrets, r.restartWorkloads, r.awaitKeys, r.checkUsers, r.tellProblems, r.checkPermitted,
	} {
		if s.err = phase(ctx, s); s.err != nil {
			break
		}
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctrl.Result{}, nil // No leader any more: the next one goes over everything, and there is nothing to report.
	}
	if ctx.Err() != nil {
		return outcomeOfPass(ctx, errors.Join(s.err, ctx.Err()), s.untilAgain()) // Out of time: says nothing about the Integration.
	}
	if apierrors.HasStatusCause(s.err, corev1.NamespaceTerminatingCause) {
		return ctrl.Result{}, nil // The Integration goes with its namespace.
	}
	status := statusOf(s)
	if lostRace(s.err) {
		status = grantOf(s)
	}
	if err := r.patchStatus(ctx, s, status); err != nil {
		s.err = err
	}
	return outcomeOfPass(ctx, s.err, s.untilAgain())
}

// patchStatus writes the status that follows from the facts, unless it is already there, and tells of transitions. The write carries
// the resource version that the facts are about: a late one, of a leader that was replaced or about an Integration that was made
// anew, must not grant what has been taken away. Labels and annotations are no such facts: who edits those all the time must not keep a
// status from being written, so a write that lost to one of them is made again. After a change of spec, what it grants is.
func (r *IntegrationReconciler) patchStatus(ctx context.Context, s *scope, status v1alpha1.IntegrationStatus) error {
	before := s.intg.DeepCopy()
	if s.intg.Status = status; equality.Semantic.DeepEqual(before.Status, status) {
		return nil
	}
	key := client.ObjectKeyFromObject(s.intg)
	write := func(before *v1alpha1.Integration) error {
		return r.Client.Status().Patch(ctx, s.intg, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	}
	err := write(before)
	for tries := 1; apierrors.IsConflict(err) && tries < statusTries; tries++ {
		live := &v1alpha1.Integration{}
		if err := r.Live.Get(ctx, key, live); err != nil {
			return client.IgnoreNotFound(wrap(err, "get Integration %s", key))
		}
		if live.UID != before.UID || !equality.Semantic.DeepEqual(live.Status, before.Status) {
			break
		}
		s.intg = live.DeepCopy()
		if live.Generation != before.Generation {
			// Nor must who edits spec all the time: what the policies make of the present one is written, and the next pass does the rest.
			s.permit = permit.Grant(live, s.policies, r.Issuer)
			s.granted = s.permit.Granted
			status = grantOf(s)
		}
		s.intg.Status = status
		err = write(live)
	}
	if err != nil {
		return client.IgnoreNotFound(wrap(err, "patch the status of Integration %s", key))
	}
	for _, e := range transitions(before.Status.Conditions, s.intg.Status.Conditions) {
		r.Recorder.Eventf(s.intg, nil, e.kind, e.reason, "Reconcile", "%s", note(e.message))
	}
	return nil
}

// rivals maps an Integration that appeared or went to the one of the others that comes first for its client ID, of those whose claim
// counts: the one that loses it or gets it. All others have lost before and after.
func (r *IntegrationReconciler) rivals(ctx context.Context, obj client.Object) []ctrl.Request {
	intg, ok := obj.(*v1alpha1.Integration)
	if !ok {
		return nil
	}
	others, err := r.list(ctx, client.MatchingFields{indexClientID: intg.WantedClientID()})
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "cannot tell the rivals for a client ID")
		return nil
	}
	var first *v1alpha1.Integration
	for i := range others {
		other := &others[i]
		if other.UID == intg.UID || first != nil && !other.PrecedesForClientID(first) {
			continue
		}
		counts, err := r.mayOwnClientID(ctx, other)
		if err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "cannot tell whether a claim to a client ID counts")
		}
		if counts || err != nil {
			first = other
		}
	}
	if first == nil {
		return nil
	}
	return []ctrl.Request{{NamespacedName: client.ObjectKeyFromObject(first)}}
}

// owner maps a credentials Secret to the Integration that its label or its owner reference names, whichever is left.
func (r *IntegrationReconciler) owner(_ context.Context, obj client.Object) []ctrl.Request {
	names := map[string]bool{}
	if name := obj.GetLabels()[v1alpha1.LabelIntegration]; name != "" {
		names[name] = true
	}
	if ref := metav1.GetControllerOf(obj); ref != nil && ref.Kind == "Integration" {
		names[ref.Name] = true
	}
	requests := make([]ctrl.Request, 0, len(names))
	for name := range names {
		requests = append(requests, ctrl.Request{NamespacedName: types.NamespacedName{Namespace: obj.GetNamespace(), Name: name}})
	}
	return requests
}

// bringers maps a Secret to the Integrations that name it in spec.users or as clientSecretRef, also when it appears, and whatever its label says.
func (r *IntegrationReconciler) bringers(ctx context.Context, obj client.Object) []ctrl.Request {
	return r.requests(ctx, client.MatchingFields{indexUserSecret: userSecretKey(obj.GetNamespace(), obj.GetName())})
}

// dependants maps the operator's own Secrets to the Integrations that depend on them: a signing key to those whose tokens
// need its algorithm, the certificate authority to all.
func (r *IntegrationReconciler) dependants(ctx context.Context, obj client.Object) []ctrl.Request {
	if obj.GetNamespace() != r.OperatorNamespace {
		return nil
	}
	if algorithm := obj.GetLabels()[v1alpha1.LabelSigningKey]; algorithm != "" {
		return r.requests(ctx, client.MatchingFields{indexAlgorithm: algorithm})
	}
	if obj.GetName() == v1alpha1.CertificateAuthoritySecretName {
		return r.all(ctx, obj)
	}
	return nil
}

func (r *IntegrationReconciler) all(ctx context.Context, _ client.Object) []ctrl.Request {
	return r.requests(ctx)
}

// requests returns a request for each Integration in the cache that the options select.
func (r *IntegrationReconciler) requests(ctx context.Context, opts ...client.ListOption) []ctrl.Request {
	found, err := r.list(ctx, opts...)
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "cannot tell which Integrations are concerned")
		return nil
	}
	requests := make([]ctrl.Request, 0, len(found))
	for i := range found {
		requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&found[i])})
	}
	return requests
}

// list returns Integrations from the cache, which are shared with it and must not be changed.
func (r *IntegrationReconciler) list(ctx context.Context, opts ...client.ListOption) ([]v1alpha1.Integration, error) {
	found := &v1alpha1.IntegrationList{}
	err := r.Client.List(ctx, found, append(opts, client.DisableReadYourWritesConsistency, client.UnsafeDisableDeepCopy)...)
	return found.Items, wrap(err, "list Integrations")
}

// wrap adds to an error what was being done; it keeps nil nil.
func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
