// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/keyring"
)

// DefaultAlgorithm always has a key, so that the token server of an empty cluster becomes ready.
const DefaultAlgorithm = v1alpha1.SigningAlgorithmES256

// errKeyLost marks the log line by which somebody on call finds why tokens no longer verify.
var errKeyLost = errors.New("the active signing key was lost")

// keySlack is how much longer than the longest token a retired key is kept: for replicas that saw late that it retired.
const keySlack = time.Hour

// keepFor returns how long a retired key for an algorithm is kept: until the last token that it signed or sealed has expired.
func keepFor(algorithm v1alpha1.SigningAlgorithm) time.Duration {
	if algorithm == v1alpha1.KeyAlgorithmA256GCM {
		return v1alpha1.MaxRefreshLifetime + keySlack
	}
	return v1alpha1.MaxTokenLifetime + keySlack
}

// A SigningKeyReconciler keeps one signing key active for each algorithm in use, and one for opaque and refresh tokens. Its requests
// are named after the algorithm.
type SigningKeyReconciler struct {
	// Client reads from the cache, and sees its own writes.
	Client client.Client
	// Recorder tells of a key's transitions, on its Secret.
	Recorder events.EventRecorder
	// OperatorNamespace holds the keys.
	OperatorNamespace string
	// RotateEvery is how long a key signs. It is more than twice v1alpha1.JWKSMaxAge.
	RotateEvery time.Duration
	Now         func() time.Time
}

// SetupWithManager adds the controller to a manager whose cache has the indexes of IndexFields.
func (r *SigningKeyReconciler) SetupWithManager(mgr ctrl.Manager) error {
	start := make(chan event.GenericEvent, 1)
	start <- event.GenericEvent{Object: &v1alpha1.Integration{Spec: v1alpha1.IntegrationSpec{
		Token: v1alpha1.TokenSpec{SigningAlgorithm: DefaultAlgorithm},
	}}}
	algorithm := handler.EnqueueRequestsFromMapFunc(r.algorithm)
	err := ctrl.NewControllerManagedBy(mgr).
		Named("signing-key").
		WatchesRawSource(source.Channel(start, algorithm)).
		Watches(&v1alpha1.Integration{}, algorithm, builder.WithPredicates(
			predicate.Or(predicate.GenerationChangedPredicate{}, predicate.Funcs{UpdateFunc: leftAlgorithm}))).
		Watches(&corev1.Secret{}, algorithm).
		WithOptions(controller.Options{ReconciliationTimeout: reconcileTimeout}).
		Complete(r)
	return wrap(err, "set up the signing key controller")
}

// algorithm maps an Integration, and a signing key's Secret, to the algorithms concerned: for an Integration what it asks for, and what
// it was granted before.
func (r *SigningKeyReconciler) algorithm(_ context.Context, obj client.Object) []ctrl.Request {
	var names []string
	switch o := obj.(type) {
	case *v1alpha1.Integration:
		names = grantedAlgorithms(o)
		for _, name := range algorithmNames(o.KeyAlgorithms()) {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	case *corev1.Secret:
		if o.Namespace == r.OperatorNamespace {
			names = []string{o.Labels[v1alpha1.LabelSigningKey]}
		}
	}
	var requests []ctrl.Request
	for _, name := range names {
		if name != "" {
			requests = append(requests, ctrl.Request{NamespacedName: types.NamespacedName{Namespace: r.OperatorNamespace, Name: name}})
		}
	}
	return requests
}

// leftAlgorithm lets through that an Integration's tokens no longer need an algorithm from now on: its key may be needed no more.
func leftAlgorithm(e event.UpdateEvent) bool {
	before, ok := e.ObjectOld.(*v1alpha1.Integration)
	after, also := e.ObjectNew.(*v1alpha1.Integration)
	if !ok || !also {
		return false
	}
	still := grantedAlgorithms(after)
	return slices.ContainsFunc(grantedAlgorithms(before), func(name string) bool { return !slices.Contains(still, name) })
}

// Reconcile moves the keys of one algorithm on.
func (r *SigningKeyReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	algorithm := v1alpha1.SigningAlgorithm(req.Name)
	secrets := &corev1.SecretList{}
	if err := r.Client.List(ctx, secrets, client.InNamespace(r.OperatorNamespace),
		client.MatchingLabels{v1alpha1.LabelSigningKey: req.Name}); err != nil {
		return ctrl.Result{}, fmt.Errorf("list the signing keys for %s: %w", algorithm, err)
	}
	secrets.Items = slices.DeleteFunc(secrets.Items, func(secret corev1.Secret) bool {
		return secret.Type != v1alpha1.SecretTypeSigningKey // Somebody else's, whatever its labels say.
	})
	wanted, err := r.any(ctx, indexAlgorithm, algorithm)
	if err != nil {
		return ctrl.Result{}, err
	}
	hadKey, err := r.any(ctx, indexGrantedAlgorithm, algorithm)
	if err != nil {
		return ctrl.Result{}, err
	}

	now := r.Now()
	keys := make([]keyring.Key, 0, len(secrets.Items))
	byName := make(map[string]*corev1.Secret, len(secrets.Items))
	for i := range secrets.Items {
		secret := &secrets.Items[i]
		if moved, err := r.correctAlgorithm(ctx, algorithm, secret); moved || err != nil {
			return outcomeOf(err) // Its update calls for the next pass.
		}
		byName[secret.Name] = secret
		keys = append(keys, keyOf(secret))
	}
	steps, wake := keyring.Plan(keyring.Input{
		Now: now, Keys: keys, HadKey: hadKey,
		// What was granted is in use until something else is granted, whatever spec asks for by now.
		Needed: wanted || hadKey || algorithm == DefaultAlgorithm,
		Schedule: keyring.Schedule{
			RotateEvery: r.RotateEvery, PublishFor: 2 * v1alpha1.JWKSMaxAge, KeepFor: keepFor(algorithm),
		},
	})
	for _, step := range steps {
		if err := r.take(ctx, algorithm, step, byName, now); err != nil {
			return outcomeOf(err)
		}
	}
	if wake.IsZero() {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{RequeueAfter: max(wake.Sub(now), time.Second)}, nil
}

// correctAlgorithm puts the label right on a sound key of another algorithm, which a hand has mislabelled: the key says what it is for.
func (r *SigningKeyReconciler) correctAlgorithm(
	ctx context.Context, algorithm v1alpha1.SigningAlgorithm, secret *corev1.Secret,
) (moved bool, err error) {
	actual, err := keyring.AlgorithmOf(secret.Data[v1alpha1.KeyPrivateKey])
	if err != nil || actual == algorithm {
		return false, nil //nolint:nilerr // A damaged key has no algorithm; the plan deals with it.
	}
	metav1.SetMetaDataLabel(&secret.ObjectMeta, v1alpha1.LabelSigningKey, string(actual))
	ctrl.LoggerFrom(ctx).Info("correcting the algorithm of a signing key", "secret", secret.Name, "algorithm", actual)
	return true, wrap(r.Client.Update(ctx, secret), "correct the algorithm of signing key %s", secret.Name)
}

// any reports whether an Integration has the algorithm in an index.
func (r *SigningKeyReconciler) any(ctx context.Context, index string, algorithm v1alpha1.SigningAlgorithm) (bool, error) {
	found := &v1alpha1.IntegrationList{}
	err := r.Client.List(ctx, found, client.MatchingFields{index: string(algorithm)}, client.Limit(1),
		client.DisableReadYourWritesConsistency, client.UnsafeDisableDeepCopy)
	return len(found.Items) > 0, wrap(err, "list the Integrations that use %s", algorithm)
}

// take carries out one step and tells of it.
func (r *SigningKeyReconciler) take(
	ctx context.Context, algorithm v1alpha1.SigningAlgorithm, step keyring.Step, secrets map[string]*corev1.Secret, now time.Time,
) error {
	log := ctrl.LoggerFrom(ctx)
	secret := secrets[step.Key]
	words := wordsFor(algorithm)
	reason, note := "", ""
	switch step.Action {
	case keyring.Create:
		pemBytes, err := keyring.Generate(algorithm)
		if err != nil {
			return err
		}
		name, err := r.nextName(ctx, algorithm, secrets)
		if err != nil {
			return err
		}
		secret = newKeySecret(r.OperatorNamespace, name, algorithm, step.State, pemBytes, now)
		if err := r.Client.Create(ctx, secret); err != nil {
			return fmt.Errorf("create signing key %s: %w", secret.Name, err)
		}
		reason, note = v1alpha1.ReasonSigningKeyCreated, fmt.Sprintf("made a key for %s: %s", algorithm, step.State)
	case keyring.Activate:
		mark(secret, v1alpha1.KeyStateActive, v1alpha1.AnnotationKeyActivatedAt, now)
		if err := r.Client.Update(ctx, secret); err != nil {
			return fmt.Errorf("activate signing key %s: %w", secret.Name, err)
		}
		reason, note = v1alpha1.ReasonSigningKeyActivated, words.activated
	case keyring.Retire:
		mark(secret, v1alpha1.KeyStateRetiring, v1alpha1.AnnotationKeyExpiresAt, step.ExpiresAt)
		if err := r.Client.Update(ctx, secret); err != nil {
			return fmt.Errorf("retire signing key %s: %w", secret.Name, err)
		}
		reason = v1alpha1.ReasonSigningKeyRetired
		note = words.retired + step.ExpiresAt.UTC().Format(time.RFC3339)
	case keyring.Delete:
		log.Info("deleting a signing key", "secret", secret.Name, "state", secret.Labels[v1alpha1.LabelKeyState])
		err := r.Client.Delete(ctx, secret, client.Preconditions{UID: &secret.UID, ResourceVersion: &secret.ResourceVersion})
		return wrap(client.IgnoreNotFound(err), "delete signing key %s", secret.Name)
	}
	kind := corev1.EventTypeNormal
	if step.Rebuilt {
		kind, reason = corev1.EventTypeWarning, v1alpha1.ReasonSigningKeyRebuilt
		note = fmt.Sprintf("the active key for %s was lost: this one takes its place at once; %s", algorithm, words.lost)
	}
	if step.Rebuilt {
		log.Error(errKeyLost, note, "secret", secret.Name, "algorithm", algorithm)
	} else {
		log.Info(note, "secret", secret.Name, "algorithm", algorithm)
	}
	r.Recorder.Eventf(secret, nil, kind, reason, "RotateSigningKey", "%s", note)
	return nil
}

// keyWords is how events speak of a key; a time follows retired.
type keyWords struct {
	activated, retired, lost string
}

func wordsFor(algorithm v1alpha1.SigningAlgorithm) keyWords {
	if algorithm == v1alpha1.KeyAlgorithmA256GCM {
		return keyWords{
			activated: "this key protects new opaque tokens and refresh tokens now",
			retired:   "this key protects no new tokens; it is kept until ",
			lost:      "opaque tokens made with the lost one are no longer valid, and users have to log in again",
		}
	}
	return keyWords{
		activated: fmt.Sprintf("this key signs the %s tokens now", algorithm),
		retired:   "this key signs no more; it stays published until ",
		lost:      "tokens signed by the lost one no longer verify",
	}
}

// keyOf reads what the state machine needs from a key's Secret. A time that does not parse counts as long ago.
func keyOf(secret *corev1.Secret) keyring.Key {
	at := func(annotation string) time.Time {
		t, err := time.Parse(time.RFC3339, secret.Annotations[annotation])
		if err != nil {
			return time.Time{}
		}
		return t
	}
	_, damage := keyring.AlgorithmOf(secret.Data[v1alpha1.KeyPrivateKey])
	return keyring.Key{
		Name:        secret.Name,
		State:       secret.Labels[v1alpha1.LabelKeyState],
		PublishedAt: at(v1alpha1.AnnotationKeyPublishedAt),
		ActivatedAt: at(v1alpha1.AnnotationKeyActivatedAt),
		ExpiresAt:   at(v1alpha1.AnnotationKeyExpiresAt),
		Damaged:     damage != nil,
	}
}

func newKeySecret(
	namespace, name string, algorithm v1alpha1.SigningAlgorithm, state string, pemBytes []byte, now time.Time,
) *corev1.Secret {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:   namespace,
			Name:        name,
			Labels:      map[string]string{v1alpha1.LabelSigningKey: string(algorithm)},
			Annotations: map[string]string{},
		},
		Type: v1alpha1.SecretTypeSigningKey,
		Data: map[string][]byte{v1alpha1.KeyPrivateKey: pemBytes},
	}
	mark(secret, state, v1alpha1.AnnotationKeyPublishedAt, now)
	if state == v1alpha1.KeyStateActive {
		mark(secret, state, v1alpha1.AnnotationKeyActivatedAt, now)
	}
	return secret
}

// mark records a key's state, and the time that belongs to it.
func mark(secret *corev1.Secret, state, annotation string, at time.Time) {
	metav1.SetMetaDataLabel(&secret.ObjectMeta, v1alpha1.LabelKeyState, state)
	metav1.SetMetaDataAnnotation(&secret.ObjectMeta, annotation, at.UTC().Format(time.RFC3339))
}

// nextName numbers keys upwards, so that two passes that make the same key at once collide instead of making two. It passes over
// Secrets that are no keys, such as a key that has lost its label.
func (r *SigningKeyReconciler) nextName(
	ctx context.Context, algorithm v1alpha1.SigningAlgorithm, secrets map[string]*corev1.Secret,
) (string, error) {
	prefix := v1alpha1.SigningKeySecretPrefix(algorithm)
	highest := 0
	for name := range secrets {
		if n, err := strconv.Atoi(strings.TrimPrefix(name, prefix)); err == nil {
			highest = max(highest, n)
		}
	}
	for {
		highest++
		key := client.ObjectKey{Namespace: r.OperatorNamespace, Name: prefix + strconv.Itoa(highest)}
		err := r.Client.Get(ctx, key, &corev1.Secret{}, client.UnsafeDisableDeepCopy)
		switch {
		case apierrors.IsNotFound(err):
			return key.Name, nil
		case err != nil:
			return "", fmt.Errorf("look whether Secret %s is free: %w", key, err)
		}
	}
}
