// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

const (
	// deadline bounds every wait; a test that passes never needs it.
	deadline = time.Minute
	poll     = 20 * time.Millisecond
	issuer   = "https://tokens.example.com"
)

// A world is a manager that serves namespaces of its own, so that no test sees another's Integrations, keys or CA.
type world struct {
	// namespace and elsewhere hold Integrations; operatorNamespace holds keys and certificates.
	namespace, elsewhere, operatorNamespace string
	// clock is the time of the Integration controller; it goes on from one term to the next.
	clock *movableClock
	// minter makes access tokens by the same clock.
	minter *testMinter
	// wrap, where it is set, comes between the next term's Integration controller and the API server.
	wrap func(client.Client) client.Client
	*term
}

// A movableClock goes like the real one, as far before it as it was moved.
type movableClock struct{ ahead atomic.Int64 }

// Now returns the time by this clock.
func (c *movableClock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// move puts the clock forward, or back.
func (c *movableClock) move(by time.Duration) { c.ahead.Add(int64(by)) }

// A term is one run of a world's manager, from start to stop.
type term struct {
	// agent is the name under which the API server knows the manager.
	agent        string
	integrations *IntegrationReconciler
	keys         *SigningKeyReconciler
	certificates *CertificateReconciler
	recorder     *recorder
	logs         *syncBuffer
	stop         func()
}

// newWorld starts a manager with all controllers and waits until it has what every Integration needs: a key and a CA.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := newBareWorld(t, true)
	NewWithT(t).Eventually(func() error {
		_, errCA := SecretCABundle(w.integrations.Client, w.operatorNamespace)(t.Context())
		keys := &corev1.SecretList{}
		err := w.integrations.Client.List(t.Context(), keys, client.InNamespace(w.operatorNamespace),
			client.MatchingLabels{v1alpha1.LabelKeyState: v1alpha1.KeyStateActive})
		if err == nil && len(keys.Items) == 0 {
			err = errors.New("no active signing key")
		}
		return errors.Join(err, errCA)
	}, deadline, poll).Should(Succeed())
	return w
}

// newBareWorld starts a manager. Without keepers only the Integration controller runs by itself: the test makes keys and certificates by
// calling Reconcile when it wants them.
func newBareWorld(t *testing.T, keepers bool) *world {
	t.Helper()
	w := &world{namespace: newNamespace(t), elsewhere: newNamespace(t), operatorNamespace: newNamespace(t), clock: &movableClock{}}
	w.minter = newTestMinter(t, w.clock.Now)
	w.start(t, w.namespace+"-manager", keepers)
	t.Cleanup(func() {
		w.checkEverything(t)
		w.stop()
	})
	return w
}

// start runs a manager as cmd/manager wires it.
func (w *world) start(t *testing.T, agent string, keepers bool) {
	t.Helper()
	// Until the clean-up, which still needs it.
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	userConfig := rest.CopyConfig(restConfig)
	userConfig.UserAgent = agent
	w.term = &term{agent: agent, logs: &syncBuffer{}}
	logger := logr.FromSlogHandler(slog.NewTextHandler(w.logs, nil))
	readYourWrites := true
	mgr, err := ctrl.NewManager(userConfig, ctrl.Options{
		Scheme:                 scheme,
		Cache:                  cache.Options{ByObject: w.cacheByObject(t)},
		Client:                 client.Options{Cache: &client.CacheOptions{EnableReadYourWritesConsistency: &readYourWrites}},
		Metrics:                metricsserver.Options{BindAddress: "0"},
		HealthProbeBindAddress: "0",
		Controller:             config.Controller{SkipNameValidation: new(true)},
		Logger:                 logger,
		BaseContext:            func() context.Context { return ctx },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := IndexFields(ctx, mgr.GetFieldIndexer()); err != nil {
		t.Fatal(err)
	}
	apiClient := mgr.GetClient()
	if w.wrap != nil {
		apiClient = w.wrap(apiClient)
	}
	w.recorder = &recorder{real: mgr.GetEventRecorder("integration-operator")}
	w.integrations = &IntegrationReconciler{
		Client: apiClient, Live: mgr.GetAPIReader(), Recorder: w.recorder, Issuer: issuer, OperatorNamespace: w.operatorNamespace,
		MaxConcurrent: 16, Now: w.clock.Now, Minter: w.minter, CABundle: SecretCABundle(mgr.GetClient(), w.operatorNamespace),
	}
	w.keys = &SigningKeyReconciler{
		Client: mgr.GetClient(), Recorder: w.recorder, OperatorNamespace: w.operatorNamespace, RotateEvery: 720 * time.Hour, Now: time.Now,
	}
	w.certificates = &CertificateReconciler{
		Client: mgr.GetClient(), Recorder: w.recorder, OperatorNamespace: w.operatorNamespace, Hosts: []string{"tokens.example.com"}, Now: time.Now,
	}
	setups := []func(ctrl.Manager) error{w.integrations.SetupWithManager}
	if keepers {
		setups = append(setups, w.keys.SetupWithManager, w.certificates.SetupWithManager)
	}
	for _, setup := range setups {
		if err := setup(mgr); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the manager stopped: %v", err)
		}
	})
	if !mgr.GetCache().WaitForCacheSync(ctx) {
		t.Fatal("the cache does not sync")
	}
}

// cacheByObject bounds the cache as the manager's is: the labelled Secrets of the served namespaces, and the operator's own.
func (w *world) cacheByObject(t *testing.T) map[client.Object]cache.ByObject {
	t.Helper()
	labelled, err := labels.NewRequirement(v1alpha1.LabelIntegration, selection.Exists, nil)
	if err != nil {
		t.Fatal(err)
	}
	integrations, secrets := map[string]cache.Config{}, map[string]cache.Config{}
	for _, namespace := range []string{w.namespace, w.elsewhere} {
		integrations[namespace] = cache.Config{}
		secrets[namespace] = cache.Config{LabelSelector: labels.NewSelector().Add(*labelled)}
	}
	secrets[w.operatorNamespace] = cache.Config{LabelSelector: labels.Everything()}
	strip := cache.TransformStripManagedFields()
	byObject := CacheByObject()
	byObject[&v1alpha1.Integration{}] = cache.ByObject{Namespaces: integrations, Transform: strip}
	byObject[&corev1.Secret{}] = cache.ByObject{Namespaces: secrets, Transform: strip}
	return byObject
}

// checkEverything asserts what holds of every Integration at the end of every test, and that no client secret was told to anybody.
func (w *world) checkEverything(t *testing.T) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	for _, namespace := range []string{w.namespace, w.elsewhere} {
		NewWithT(t).Eventually(func() error {
			found := &v1alpha1.IntegrationList{}
			if err := k8sClient.List(ctx, found, client.InNamespace(namespace)); err != nil {
				return err
			}
			var errs []error
			for i := range found.Items {
				errs = append(errs, brokenInvariants(&found.Items[i]))
			}
			return errors.Join(errs...)
		}, deadline, poll).Should(Succeed())

		secrets := &corev1.SecretList{}
		integrations := &v1alpha1.IntegrationList{}
		if err := errors.Join(
			k8sClient.List(ctx, secrets, client.InNamespace(namespace)), k8sClient.List(ctx, integrations, client.InNamespace(namespace)),
		); err != nil {
			t.Error(err)
		}
		told := w.logs.String() + fmt.Sprint(w.recorder.all())
		for i := range integrations.Items {
			told += fmt.Sprint(integrations.Items[i].Status)
		}
		for i := range secrets.Items {
			secret := &secrets.Items[i]
			for _, key := range []string{secret.Annotations[v1alpha1.AnnotationClientSecretKey], "access_token", "access_token_secret"} {
				if value := string(secret.Data[key]); value != "" && strings.Contains(told, value) {
					t.Errorf("what Secret %s holds under %s was written to a log, an event or a status", client.ObjectKeyFromObject(secret), key)
				}
			}
		}
	}
}

// integration creates an Integration after edits.
func (w *world) integration(t *testing.T, name string, edits ...func(*v1alpha1.Integration)) *v1alpha1.Integration {
	t.Helper()
	return createIntegration(t, w.namespace, name, edits...)
}

func createIntegration(t *testing.T, namespace, name string, edits ...func(*v1alpha1.Integration)) *v1alpha1.Integration {
	t.Helper()
	intg := newIntegration(namespace, name, edits...)
	if err := k8sClient.Create(t.Context(), intg); err != nil {
		t.Fatalf("create Integration %s/%s: %v", namespace, name, err)
	}
	return intg
}

func newIntegration(namespace, name string, edits ...func(*v1alpha1.Integration)) *v1alpha1.Integration {
	intg := &v1alpha1.Integration{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	for _, edit := range edits {
		edit(intg)
	}
	return intg
}

// readyIntegration creates an Integration and waits until it is ready.
func (w *world) readyIntegration(t *testing.T, name string, edits ...func(*v1alpha1.Integration)) *v1alpha1.Integration {
	t.Helper()
	intg := w.integration(t, name, edits...)
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	return intg
}

// waitFor waits until an Integration's condition, for its current generation, is what it should be; and reads it back into intg. Whoever
// asks the cache, as Reconcile does, finds the same from then on.
func (w *world) waitFor(t *testing.T, intg *v1alpha1.Integration, conditionType string, status metav1.ConditionStatus, reason string) {
	t.Helper()
	ctx := bounded(t)
	NewWithT(t).Eventually(func() error {
		if err := w.integrations.Client.Get(ctx, client.ObjectKeyFromObject(intg), intg); err != nil {
			return err
		}
		live := &v1alpha1.Integration{}
		if err := k8sClient.Get(t.Context(), client.ObjectKeyFromObject(intg), live); err != nil {
			return err
		}
		got := meta.FindStatusCondition(intg.Status.Conditions, conditionType)
		if got == nil || got.Status != status || got.Reason != reason || got.ObservedGeneration != live.Generation {
			return fmt.Errorf("%s of generation %d: want %s %s, got %+v", conditionType, live.Generation, status, reason, got)
		}
		return nil
	}, deadline, poll).Should(Succeed())
}

// secret reads a Secret of the world's namespace as its users do.
func (w *world) secret(t *testing.T, name string) *corev1.Secret {
	t.Helper()
	secret := &corev1.Secret{}
	if err := k8sClient.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, secret); err != nil {
		t.Fatalf("get Secret %s/%s: %v", w.namespace, name, err)
	}
	return secret
}

// edit changes an object at the API server as a user does, whatever the operator does to it at the same time.
func edit[T client.Object](t *testing.T, object T, change func(T)) {
	t.Helper()
	NewWithT(t).Eventually(func() error {
		if err := k8sClient.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
			return err
		}
		change(object)
		return k8sClient.Update(t.Context(), object)
	}, deadline, poll).Should(Succeed())
}

// seen waits until the manager's cache holds an object as it is at the API server, or knows that it is gone.
func (w *world) seen(t *testing.T, object client.Object) {
	t.Helper()
	key := client.ObjectKeyFromObject(object)
	ctx := bounded(t)
	NewWithT(t).Eventually(func() error {
		cached, ok := object.DeepCopyObject().(client.Object)
		if !ok {
			return errors.New("no object")
		}
		err := k8sClient.Get(ctx, key, object)
		cachedErr := w.integrations.Client.Get(ctx, key, cached)
		if apierrors.IsNotFound(err) && apierrors.IsNotFound(cachedErr) {
			return nil
		}
		if err == nil && cachedErr == nil && object.GetResourceVersion() != cached.GetResourceVersion() {
			return fmt.Errorf("the cache holds %s at %s, and the API server at %s", key, cached.GetResourceVersion(), object.GetResourceVersion())
		}
		return errors.Join(err, cachedErr)
	}, deadline, poll).Should(Succeed())
}

// bounded ends with the deadline: a read that waits for the cache to catch up would otherwise wait as long as the cache does not.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	t.Cleanup(cancel)
	return ctx
}

// with returns the world's reconciler with another client, and nothing in its memory.
func (w *world) with(c client.Client) *IntegrationReconciler {
	r := w.integrations
	return &IntegrationReconciler{
		Client: c, Live: r.Live, Recorder: r.Recorder, Issuer: r.Issuer, OperatorNamespace: r.OperatorNamespace, CABundle: r.CABundle,
		MaxConcurrent: r.MaxConcurrent, Minter: r.Minter, Now: r.Now,
	}
}

func requestFor(intg *v1alpha1.Integration) ctrl.Request {
	return ctrl.Request{NamespacedName: client.ObjectKeyFromObject(intg)}
}

// reconcile runs one pass over an Integration.
func (w *world) reconcile(t *testing.T, intg *v1alpha1.Integration) ctrl.Result {
	t.Helper()
	result, err := w.integrations.Reconcile(bounded(t), requestFor(intg))
	if err != nil {
		t.Fatalf("reconcile Integration %s/%s: %v", intg.Namespace, intg.Name, err)
	}
	return result
}

// makeKey runs one pass over an algorithm's keys.
func (w *world) makeKey(t *testing.T, algorithm v1alpha1.SigningAlgorithm) ctrl.Result {
	t.Helper()
	result, err := w.keys.Reconcile(bounded(t), ctrl.Request{NamespacedName: types.NamespacedName{Name: string(algorithm)}})
	if err != nil {
		t.Fatalf("reconcile the keys for %s: %v", algorithm, err)
	}
	return result
}

// makeCertificates runs one pass over the CA and the serving certificate.
func (w *world) makeCertificates(t *testing.T) ctrl.Result {
	t.Helper()
	result, err := w.certificates.Reconcile(bounded(t), ctrl.Request{})
	if err != nil {
		t.Fatalf("reconcile the certificates: %v", err)
	}
	return result
}

// wantEvents waits until just these events, each "<type> <reason>", were told of an object, and runs a pass that must tell nothing.
func (w *world) wantEvents(t *testing.T, intg *v1alpha1.Integration, want ...string) {
	t.Helper()
	if want == nil {
		want = []string{}
	}
	told := func() []string { return w.recorder.of(intg) }
	NewWithT(t).Eventually(told, deadline, poll).Should(Equal(want))
	w.reconcile(t, intg)
	if got := told(); len(got) != len(want) {
		t.Errorf("events of %s after a pass with nothing to do: want %q, got %q", intg.Name, want, got)
	}
}

func newNamespace(t *testing.T) string {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	if err := k8sClient.Create(t.Context(), namespace); err != nil {
		t.Fatalf("create a namespace: %v", err)
	}
	return namespace.Name
}

// A recorder passes events on to the real recorder, which sends them later, and remembers them at once.
type recorder struct {
	real events.EventRecorder
	mu   sync.Mutex
	told []toldEvent
}

// A toldEvent is an event as it was told.
type toldEvent struct {
	namespace, name, kind, reason, note string
}

// Eventf tells an event.
func (r *recorder) Eventf(regarding, related runtime.Object, kind, reason, action, note string, args ...any) {
	object, err := meta.Accessor(regarding)
	if err != nil {
		panic(err)
	}
	r.mu.Lock()
	r.told = append(r.told, toldEvent{object.GetNamespace(), object.GetName(), kind, reason, fmt.Sprintf(note, args...)})
	r.mu.Unlock()
	r.real.Eventf(regarding, related, kind, reason, action, note, args...)
}

func (r *recorder) all() []toldEvent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]toldEvent{}, r.told...)
}

// of returns the events about an object, each as "<type> <reason>".
func (r *recorder) of(object client.Object) []string {
	found := []string{}
	for _, e := range r.all() {
		if e.namespace == object.GetNamespace() && e.name == object.GetName() {
			found = append(found, e.kind+" "+e.reason)
		}
	}
	return found
}

// A syncBuffer is written by many goroutines.
type syncBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

// Write appends.
func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

// String returns all that was written.
func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
