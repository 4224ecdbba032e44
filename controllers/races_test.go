// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/credentials"
)

// restartWith runs the manager again with something between its Integration controller and the API server.
func (w *world) restartWith(t *testing.T, wrap func(client.Client) client.Client) {
	t.Helper()
	w.stop()
	w.wrap = wrap
	w.start(t, w.namespace+"-wrapped", true)
}

// A losingClient loses the race for every write of a Secret, while it is on.
type losingClient struct {
	client.Client
	on *atomic.Bool
}

// Update says that somebody wrote first.
func (c losingClient) Update(ctx context.Context, obj client.Object, opts ...client.UpdateOption) error {
	if _, ok := obj.(*corev1.Secret); ok && c.on.Load() {
		return apierrors.NewConflict(corev1.Resource("secrets"), obj.GetName(), errors.New("somebody wrote first"))
	}
	return c.Client.Update(ctx, obj, opts...)
}

func TestWhatIsTakenAwayDoesNotWaitForARace(t *testing.T) {
	w := newPolicyWorld(t)
	policy := w.policy(t, "wide", w.namespace)
	intg := w.readyIntegration(t, "raced", shopScopes)
	ready := meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionReady)
	on := &atomic.Bool{}
	on.Store(true)
	w.restartWith(t, func(c client.Client) client.Client { return losingClient{c, on} })

	revoked := metav1.NewTime(w.clock.Now().Truncate(time.Second))
	edit(t, intg, func(i *v1alpha1.Integration) { i.Spec.RevokeTokensIssuedBefore = &revoked })
	editPolicy(t, policy, allow(func(a *v1alpha1.Allowance) { a.Scopes = []v1alpha1.Pattern{"orders.read"} }))
	NewWithT(t).Eventually(func() error {
		if err := k8sClient.Get(t.Context(), client.ObjectKeyFromObject(intg), intg); err != nil {
			return err
		}
		if got := scopesGranted(intg); !slices.Equal(got, []string{"orders.read"}) || !intg.Status.TokensRevokedBefore.Equal(&revoked) {
			return fmt.Errorf("granted %q, tokens from before %s are revoked", got, intg.Status.TokensRevokedBefore)
		}
		return nil
	}, deadline, poll).Should(Succeed())
	permitted := meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionPermitted)
	if permitted.Status != metav1.ConditionFalse || permitted.Reason != v1alpha1.ReasonNotPermitted || permitted.ObservedGeneration != intg.Generation {
		t.Errorf("Permitted: got %+v", permitted)
	}
	if got := meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionReady); *got != *ready {
		t.Errorf("Ready says more than a pass knows that lost a race: %+v", got)
	}

	on.Store(false)
	w.waitFor(t, intg, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonNotPermitted)
	w.wantDenied(t, intg, v1alpha1.ReasonNotPermitted, "orders.write")
}

// An editingClient edits an Integration right before the first writes of its status in each pass: with a patch that is to be formatted with a
// number, another one each time.
type editingClient struct {
	client.Client
	t      *testing.T
	patch  string
	mu     sync.Mutex
	writes map[types.UID]int
	edits  int
}

// Status returns a writer that comes late.
func (c *editingClient) Status() client.SubResourceWriter { return lateStatus{c.Client.Status(), c} }

type lateStatus struct {
	client.SubResourceWriter
	client *editingClient
}

// Patch patches after an edit.
func (s lateStatus) Patch(ctx context.Context, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
	c := s.client
	c.mu.Lock()
	c.writes[controller.ReconcileIDFromContext(ctx)]++
	c.edits++
	n, raw := c.writes[controller.ReconcileIDFromContext(ctx)], fmt.Appendf(nil, c.patch, c.edits)
	c.mu.Unlock()
	if n < statusTries {
		edited := &v1alpha1.Integration{ObjectMeta: metav1.ObjectMeta{Namespace: obj.GetNamespace(), Name: obj.GetName()}}
		if err := k8sClient.Patch(ctx, edited, client.RawPatch(types.MergePatchType, raw)); err != nil && ctx.Err() == nil {
			c.t.Error(err)
		}
	}
	return s.SubResourceWriter.Patch(ctx, obj, patch, opts...)
}

func TestAGrantIsWrittenWhateverIsEdited(t *testing.T) {
	for _, tt := range []struct {
		name, patch string
	}{
		{"annotations", `{"metadata":{"annotations":{"edit":"%d"}}}`},
		// No pass ever has the spec of which its status would speak.
		{"spec", `{"spec":{"secret":{"annotations":{"example.com/edit":"%d"}}}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newPolicyWorld(t)
			policy := w.policy(t, "wide", w.namespace)
			intg := w.readyIntegration(t, "hammered", shopScopes)
			w.restartWith(t, func(c client.Client) client.Client {
				return &editingClient{Client: c, t: t, patch: tt.patch, writes: map[types.UID]int{}}
			})
			editPolicy(t, policy, allow(func(a *v1alpha1.Allowance) { a.Scopes = []v1alpha1.Pattern{"orders.read"} }))
			NewWithT(t).Eventually(func() ([]string, error) {
				err := k8sClient.Get(t.Context(), client.ObjectKeyFromObject(intg), intg)
				return scopesGranted(intg), err
			}, deadline, poll).Should(Equal([]string{"orders.read"}))
			// The editor rests, or the pass that follows from each edit would be edited again.
			w.restartWith(t, nil)
			w.waitFor(t, intg, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonNotPermitted)
		})
	}
}

// hold has something hold a Secret.
func hold(s *corev1.Secret) { s.Finalizers = []string{"backup.example/wait"} }

// letGo takes what holds a Secret off when the test ends, at the latest.
func (w *world) letGo(t *testing.T, name string) func() {
	t.Helper()
	release := sync.OnceFunc(func() {
		patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}}
		if err := k8sClient.Patch(context.WithoutCancel(t.Context()), secret, patch); client.IgnoreNotFound(err) != nil {
			t.Error(err)
		}
	})
	t.Cleanup(release)
	return release
}

// narrowed waits until an Integration may have no more than to read, and a Secret is waited for because of what holds it.
func (w *world) narrowed(t *testing.T, intg *v1alpha1.Integration, wantMessage string) {
	t.Helper()
	w.waitFor(t, intg, v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonSecretPending)
	message := meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionReady).Message
	if !strings.Contains(message, wantMessage) || !strings.Contains(message, "metadata.finalizers") {
		t.Errorf("the message does not say what holds the Secret: %s", message)
	}
	if got := scopesGranted(intg); !slices.Equal(got, []string{"orders.read"}) {
		t.Errorf("granted: %q", got)
	}
	if result := w.reconcile(t, intg); result.RequeueAfter != pendingRetry {
		t.Errorf("the next look is in %s, want one in %s", result.RequeueAfter, pendingRetry)
	}
}

func TestASecretThatCannotBeReplacedKeepsItsClientSecret(t *testing.T) {
	w := newWorld(t)
	intg := w.readyIntegration(t, "held", shopScopes)
	before := w.secret(t, "held")
	edit(t, before, func(s *corev1.Secret) {
		hold(s)
		s.Immutable = new(true)
	})
	letGo := w.letGo(t, "held")
	w.seen(t, before)
	edit(t, intg, func(i *v1alpha1.Integration) { i.Spec.Scopes = []string{"orders.read"} })
	w.narrowed(t, intg, "has to be replaced")
	if !w.secret(t, "held").DeletionTimestamp.IsZero() {
		t.Error("the Secret was deleted, and the client secret with it")
	}

	letGo()
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	if after := w.secret(t, "held"); after.UID == before.UID || clientSecretIn(after) != clientSecretIn(before) {
		t.Error("want another Secret with the same client secret")
	}
}

func TestASecretInDeletionIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	intg := w.readyIntegration(t, "going", shopScopes)
	former := &corev1.Secret{Type: v1alpha1.SecretTypeCredentials, ObjectMeta: metav1.ObjectMeta{
		Namespace: w.namespace, Name: "former", Labels: map[string]string{v1alpha1.LabelIntegration: intg.Name},
		OwnerReferences: []metav1.OwnerReference{credentials.OwnerReference(intg)},
	}}
	hold(former)
	if err := k8sClient.Create(t.Context(), former); err != nil {
		t.Fatal(err)
	}
	w.letGo(t, "former")
	current := w.secret(t, "going")
	edit(t, current, hold)
	letGo := w.letGo(t, "going")
	if err := k8sClient.Delete(t.Context(), current); err != nil {
		t.Fatal(err)
	}
	w.seen(t, former)
	w.seen(t, current)
	edit(t, intg, func(i *v1alpha1.Integration) { i.Spec.Scopes = []string{"orders.read"} })
	w.narrowed(t, intg, "is being deleted")
	letGo()
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
}
