// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/rotation"
)

const (
	eventRotated = "Normal ClientSecretRotated"
	eventRetired = "Normal PreviousSecretRetired"
	eventCutOff  = "Warning PreviousSecretRetired"
	eventInUse   = "Warning PreviousSecretInUse"
)

func duration(d time.Duration) *metav1.Duration { return &metav1.Duration{Duration: d} }

// rotating has an Integration's client secret rotated.
func rotating(spec v1alpha1.RotationSpec) func(*v1alpha1.Integration) {
	return func(i *v1alpha1.Integration) { i.Spec.Credentials.Rotation = &spec }
}

func clientSecretIn(secret *corev1.Secret) string {
	return string(secret.Data[secret.Annotations[v1alpha1.AnnotationClientSecretKey]])
}

// eventually runs passes until a condition holds of the Integration and its Secret, which it returns as they are then.
func (w *world) eventually(t *testing.T, intg *v1alpha1.Integration, holds func(*corev1.Secret, rotation.Input) error) *corev1.Secret {
	t.Helper()
	secret := &corev1.Secret{}
	NewWithT(t).Eventually(func() error {
		// What is stuck is looked at all the same.
		if _, err := w.integrations.Reconcile(bounded(t), requestFor(intg)); err != nil && !errors.Is(err, reconcile.TerminalError(nil)) {
			return err
		}
		secret = &corev1.Secret{}
		if err := errors.Join(
			k8sClient.Get(t.Context(), client.ObjectKeyFromObject(intg), intg),
			k8sClient.Get(t.Context(), client.ObjectKey{Namespace: intg.Namespace, Name: intg.SecretName()}, secret),
		); err != nil {
			return err
		}
		return holds(secret, rotation.Input{Record: rotation.RecordOf(secret)})
	}, deadline, poll).Should(Succeed())
	return secret
}

// rotates moves the clock past the time of settling and waits until another client secret than before is published.
func (w *world) rotates(t *testing.T, intg *v1alpha1.Integration, before *corev1.Secret) *corev1.Secret {
	t.Helper()
	w.eventually(t, intg, func(now *corev1.Secret, in rotation.Input) error {
		if in.Record.Next == nil && clientSecretIn(now) == clientSecretIn(before) {
			return errors.New("nothing is announced")
		}
		return nil
	})
	w.clock.move(rotation.Settle)
	return w.eventually(t, intg, func(after *corev1.Secret, in rotation.Input) error {
		status := intg.Status.Credentials
		switch {
		case clientSecretIn(after) == clientSecretIn(before):
			return errors.New("the client secret is the same")
		case status.LastRotationTime == nil || !status.LastRotationTime.Time.Equal(in.Record.RotatedAt):
			return fmt.Errorf("status.lastRotationTime is %s, and the Secret says %s", status.LastRotationTime, in.Record.RotatedAt)
		}
		return nil
	})
}

// retires waits until no previous client secret is accepted, and the status says so.
func (w *world) retires(t *testing.T, intg *v1alpha1.Integration) {
	t.Helper()
	w.eventually(t, intg, func(_ *corev1.Secret, in rotation.Input) error {
		if in.Record.Previous != nil || intg.Status.Credentials.Previous != nil {
			return fmt.Errorf("a previous client secret is still accepted: %+v", intg.Status.Credentials)
		}
		return nil
	})
}

// use says in the status that the previous client secret is used now, as a replica does that sees it.
func (w *world) use(t *testing.T, intg *v1alpha1.Integration) {
	t.Helper()
	now := w.clock.Now().UTC().Format(time.RFC3339)
	patch := client.RawPatch(types.JSONPatchType, fmt.Appendf(nil,
		`[{"op":"test","path":"/metadata/uid","value":%q},{"op":"add","path":"/status/credentials/previous/lastUsedTime","value":%q}]`, intg.UID, now))
	if err := k8sClient.Status().Patch(t.Context(), intg, patch); err != nil {
		t.Fatal(err)
	}
	w.seen(t, intg)
}

func TestRotationByInterval(t *testing.T) {
	w := newWorld(t)
	intg := w.readyIntegration(t, "hourly", rotating(v1alpha1.RotationSpec{Interval: duration(time.Hour), Overlap: duration(10 * time.Minute)}))
	writes := []string{"create secrets/", "patch integrations/status"}
	wantWrites := func(when string, more ...string) {
		t.Helper()
		writes = append(writes, more...)
		for range 3 {
			w.reconcile(t, intg)
		}
		// Events are sent later.
		got := slices.DeleteFunc(w.writes(t), func(write string) bool { return strings.Contains(write, " events/") })
		if diff := cmp.Diff(writes, got); diff != "" {
			t.Fatalf("writes %s (-want +got):\n%s", when, diff)
		}
	}
	wantWrites("before anything is due")
	first := w.secret(t, intg.Name)
	status := intg.Status.Credentials
	ahead := first.CreationTimestamp.Add(time.Hour).Sub(status.NextRotationTime.Time)
	if ahead < 0 || ahead > 6*time.Minute || status.LastRotationTime != nil || status.Previous != nil {
		t.Fatalf("before the first rotation, which is %s early: got %+v", ahead, status)
	}

	w.clock.move(time.Hour)
	announced := w.eventually(t, intg, func(_ *corev1.Secret, in rotation.Input) error {
		if in.Record.Next == nil {
			return errors.New("nothing is announced")
		}
		return nil
	})
	if clientSecretIn(announced) != clientSecretIn(first) {
		t.Error("the client secret changed before the replicas could know the next one")
	}
	wantWrites("to announce", "update secrets/")

	second := w.rotates(t, intg, first)
	record := rotation.RecordOf(second)
	if rotation.RecordOf(announced).Next.Digest != v1alpha1.DigestOf([]byte(clientSecretIn(second))) {
		t.Error("another client secret was published than was announced")
	}
	if record.Previous == nil || record.Previous.Digest != v1alpha1.DigestOf([]byte(clientSecretIn(first))) || record.Next != nil {
		t.Errorf("after the rotation the record is %+v", record)
	}
	wantWrites("to publish", "update secrets/", "patch integrations/status")
	if got := intg.Status.Credentials.Previous; got == nil || !got.ExpiresAt.Time.Equal(record.Previous.Until) || got.LastUsedTime != nil {
		t.Errorf("status.credentials.previous is %+v, and the record says until %s", got, record.Previous.Until)
	}

	w.clock.move(10 * time.Minute)
	w.retires(t, intg)
	wantWrites("to retire", "update secrets/", "patch integrations/status")
	w.wantEvents(t, intg, eventRotated, eventRetired)

	w.clock.move(time.Hour)
	third := w.rotates(t, intg, second)
	if clientSecretIn(third) == clientSecretIn(first) {
		t.Error("a client secret came back")
	}
}

func TestRotationWaitsForItsWindow(t *testing.T) {
	w := newWorld(t)
	opens := time.Now().UTC().Add(5 * time.Hour).Truncate(time.Hour)
	intg := w.readyIntegration(t, "nightly", rotating(v1alpha1.RotationSpec{
		Interval: duration(time.Hour), Overlap: duration(10 * time.Minute),
		Window: &v1alpha1.RotationWindow{Schedule: fmt.Sprintf("0 %d * * *", opens.Hour()), Duration: *duration(time.Hour)},
	}))
	next := intg.Status.Credentials.NextRotationTime
	if next == nil || next.Time.Before(opens) || next.After(opens.Add(30*time.Minute)) {
		t.Fatalf("want the next rotation in the half hour from %s, got %s", opens, next)
	}
	w.clock.move(3 * time.Hour)
	if w.reconcile(t, intg); rotation.RecordOf(w.secret(t, intg.Name)).Next != nil {
		t.Error("a rotation began outside of its window")
	}
	before := w.secret(t, intg.Name)
	w.clock.move(next.Sub(w.clock.Now()) + time.Second)
	w.rotates(t, intg, before)
}

func TestRotationOnRequest(t *testing.T) {
	w := newWorld(t)
	request := func(i *v1alpha1.Integration, at time.Time) {
		i.Spec.Credentials.Rotation = &v1alpha1.RotationSpec{Overlap: duration(0), RequestedAt: new(metav1.NewTime(at.Truncate(time.Second)))}
	}
	intg := w.readyIntegration(t, "on-demand", func(i *v1alpha1.Integration) { request(i, w.clock.Now().Add(-time.Hour)) })
	first := w.secret(t, intg.Name)
	w.reconcile(t, intg)
	if got := w.secret(t, intg.Name); got.ResourceVersion != first.ResourceVersion || intg.Status.Credentials.NextRotationTime != nil {
		t.Error("a request from before the client secret rotates it")
	}

	future := w.clock.Now().Add(time.Hour).Truncate(time.Second)
	edit(t, intg, func(i *v1alpha1.Integration) { request(i, future) })
	w.eventually(t, intg, func(*corev1.Secret, rotation.Input) error {
		if next := intg.Status.Credentials.NextRotationTime; next == nil || !next.Time.Equal(future) {
			return fmt.Errorf("the next rotation is at %s, want %s", next, future)
		}
		return nil
	})
	if got := w.reconcile(t, intg).RequeueAfter; got <= 50*time.Minute || got > time.Hour {
		t.Errorf("the next look is in %s, want one when the request is for", got)
	}
	w.clock.move(time.Hour + time.Second)
	second := w.rotates(t, intg, first)
	if record := rotation.RecordOf(second); record.Previous != nil {
		t.Errorf("without an overlap the client secret before is still accepted: %+v", record)
	}

	w.clock.move(time.Hour)
	w.reconcile(t, intg)
	if clientSecretIn(w.secret(t, intg.Name)) != clientSecretIn(second) {
		t.Error("one request rotates twice")
	}
	edit(t, intg, func(i *v1alpha1.Integration) { request(i, w.clock.Now()) })
	w.rotates(t, intg, second)
	w.wantEvents(t, intg, eventRotated, eventRotated)
}

// rotated returns an Integration whose client secret has just been rotated.
func (w *world) rotated(t *testing.T, name string, spec v1alpha1.RotationSpec) *v1alpha1.Integration {
	t.Helper()
	intg := w.readyIntegration(t, name)
	before := w.secret(t, intg.Name)
	w.clock.move(time.Minute)
	spec.RequestedAt = new(metav1.NewTime(w.clock.Now().Truncate(time.Second)))
	edit(t, intg, rotating(spec))
	w.seen(t, intg)
	w.rotates(t, intg, before)
	return intg
}

func TestAPreviousClientSecretIsKeptWhileItIsUsed(t *testing.T) {
	w := newWorld(t)
	spec := v1alpha1.RotationSpec{Overlap: duration(time.Hour), MaxOverlap: duration(4 * time.Hour)}
	inUse := func() func(*corev1.Secret, rotation.Input) error {
		return func(_ *corev1.Secret, in rotation.Input) error {
			if in.Record.Previous == nil {
				t.Fatal("the previous client secret was retired while it was used")
			}
			return nil
		}
	}
	t.Run("Until nobody uses it for the overlap.", func(t *testing.T) {
		intg := w.rotated(t, "slow", spec)
		w.clock.move(50 * time.Minute)
		w.use(t, intg)
		w.clock.move(20 * time.Minute)
		w.eventually(t, intg, inUse())
		if intg.Status.Credentials.Previous.LastUsedTime == nil {
			t.Error("a pass lost when the previous client secret was used")
		}
		w.wantEvents(t, intg, eventRotated, eventInUse)
		w.clock.move(time.Hour)
		w.retires(t, intg)
		w.wantEvents(t, intg, eventRotated, eventInUse, eventRetired)
	})
	t.Run("Until the limit at most.", func(t *testing.T) {
		intg := w.rotated(t, "never-restarted", spec)
		for range 5 {
			w.clock.move(45 * time.Minute)
			w.use(t, intg)
			w.eventually(t, intg, inUse())
		}
		w.clock.move(20 * time.Minute)
		w.retires(t, intg)
		w.wantEvents(t, intg, eventRotated, eventInUse, eventCutOff)
	})
	t.Run("For the overlap and no longer, if that is asked for.", func(t *testing.T) {
		intg := w.rotated(t, "by-the-clock", v1alpha1.RotationSpec{Overlap: duration(4 * time.Hour), Retirement: v1alpha1.RetirementAfterOverlap})
		w.use(t, intg)
		w.clock.move(3*time.Hour + 50*time.Minute)
		w.eventually(t, intg, inUse())
		w.clock.move(10 * time.Minute)
		w.retires(t, intg)
		w.wantEvents(t, intg, eventRotated, eventRetired)
	})
	t.Run("For another overlap, if spec changes meanwhile.", func(t *testing.T) {
		intg := w.rotated(t, "edited", v1alpha1.RotationSpec{Overlap: duration(time.Hour), MaxOverlap: duration(time.Hour)})
		rotatedAt := intg.Status.Credentials.LastRotationTime.Time
		edit(t, intg, func(i *v1alpha1.Integration) {
			i.Spec.Credentials.Rotation.Overlap, i.Spec.Credentials.Rotation.MaxOverlap = duration(3*time.Hour), duration(3*time.Hour)
		})
		w.eventually(t, intg, func(_ *corev1.Secret, in rotation.Input) error {
			want := rotatedAt.Add(3 * time.Hour)
			if p := intg.Status.Credentials.Previous; p == nil || !p.ExpiresAt.Time.Equal(want) || !in.Record.Previous.Until.Equal(want) {
				return fmt.Errorf("want the previous client secret accepted until %s, got %+v", want, p)
			}
			return nil
		})
		w.clock.move(2 * time.Hour)
		w.eventually(t, intg, inUse())
		edit(t, intg, func(i *v1alpha1.Integration) { i.Spec.Credentials.Rotation.Overlap = duration(0) })
		w.retires(t, intg)
	})
}

func TestTheNextRotationWaitsForTheEndOfThePreviousClientSecret(t *testing.T) {
	w := newWorld(t)
	intg := w.rotated(t, "twice", v1alpha1.RotationSpec{Overlap: duration(time.Hour)})
	second := w.secret(t, intg.Name)
	w.clock.move(time.Minute)
	edit(t, intg, func(i *v1alpha1.Integration) {
		i.Spec.Credentials.Rotation.RequestedAt = new(metav1.NewTime(w.clock.Now().Truncate(time.Second)))
	})
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.wantEvents(t, intg, eventRotated, "Normal "+v1alpha1.ReasonRotationWaits)
	until := rotation.RecordOf(second).Previous.Until.Format(time.RFC3339)
	message := meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionCredentialsReady).Message
	if !strings.Contains(message, rotationWaits+", "+until) || !strings.Contains(message, "overlap: 0s") {
		t.Errorf("want CredentialsReady to say what the rotation waits for, until when and what to do, got %s", message)
	}
	w.clock.move(rotation.Settle)
	w.reconcile(t, intg)
	if got := w.secret(t, intg.Name); clientSecretIn(got) != clientSecretIn(second) || rotation.RecordOf(got).Next != nil {
		t.Error("a third client secret came while two are accepted")
	}
	w.clock.move(time.Hour)
	w.rotates(t, intg, second)
	w.wantEvents(t, intg, eventRotated, "Normal "+v1alpha1.ReasonRotationWaits, eventRetired, eventRotated)
	message = meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionCredentialsReady).Message
	if strings.Contains(message, rotationWaits) {
		t.Errorf("CredentialsReady speaks of a rotation that waited before: %s", message)
	}
}

func TestARotationThatCannotBeFollowed(t *testing.T) {
	w := newWorld(t)
	for name, tt := range map[string]struct{ schedule, zone, wantField string }{
		"never": {"0 0 30 2 *", "UTC", "window.schedule"},
		"words": {"at two every night please", "UTC", "window.schedule"},
		"zone":  {"0 2 * * *", "Europe/Bielefeld", "window.timeZone"},
	} {
		t.Run(name, func(t *testing.T) {
			intg := w.integration(t, name, rotating(v1alpha1.RotationSpec{
				Interval: duration(time.Hour),
				Window:   &v1alpha1.RotationWindow{Schedule: tt.schedule, TimeZone: tt.zone, Duration: *duration(time.Hour)},
			}))
			w.waitFor(t, intg, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonRotationInvalid)
			if message := meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionReady).Message; !strings.Contains(message, tt.wantField) {
				t.Errorf("the message names no field: %s", message)
			}
			if !meta.IsStatusConditionTrue(intg.Status.Conditions, v1alpha1.ConditionCredentialsReady) || intg.Status.Granted == nil {
				t.Errorf("the client cannot get tokens: %+v", intg.Status)
			}
			edit(t, intg, func(i *v1alpha1.Integration) { i.Spec.Credentials.Rotation.Window = nil })
			w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
		})
	}
}

func TestTheRecordOfARotationIsCarriedAlong(t *testing.T) {
	w := newWorld(t)
	spec := v1alpha1.RotationSpec{Overlap: duration(time.Hour)}
	t.Run("to a Secret of another name", func(t *testing.T) {
		intg := w.rotated(t, "renamed", spec)
		before := w.secret(t, "renamed")
		edit(t, intg, func(i *v1alpha1.Integration) { i.Spec.Secret.Name = "renamed-again" })
		w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
		after := w.secret(t, "renamed-again")
		if clientSecretIn(after) != clientSecretIn(before) {
			t.Error("the client secret changed")
		}
		if diff := cmp.Diff(rotation.RecordOf(before), rotation.RecordOf(after)); diff != "" || rotation.RecordOf(after).Previous == nil {
			t.Errorf("record (-before +after):\n%s", diff)
		}
		if got := intg.Status.Binding; got == nil || got.Name != "renamed-again" {
			t.Errorf("status.binding is %+v", got)
		}
	})
	t.Run("and not beyond the use of client secrets", func(t *testing.T) {
		intg := w.rotated(t, "secretless", spec)
		edit(t, intg, func(i *v1alpha1.Integration) {
			i.Spec.Credentials = v1alpha1.CredentialsSpec{
				Methods: []v1alpha1.CredentialMethod{v1alpha1.CredentialMethodPrivateKeyJWT}, JWKSURI: "https://client.example/jwks.json",
			}
		})
		w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
		secret := w.secret(t, "secretless")
		if _, found := secret.Annotations[v1alpha1.AnnotationRotation]; found || intg.Status.Credentials.Previous != nil {
			t.Errorf("annotations %v, status %+v", secret.Annotations, intg.Status.Credentials)
		}
	})
}

func TestTheRecordOfARotationIsEditedByHand(t *testing.T) {
	w := newWorld(t)
	const restored = "Normal SecretRestored"
	for name, tt := range map[string]struct {
		annotation string
		wantEvents []string
	}{
		"removed":     {"", []string{eventRotated}},
		"damaged":     {"{", []string{eventRotated, restored}},
		"too-long":    {strings.Repeat("{", 5000), []string{eventRotated, restored}},
		"far-away":    {`{"rotatedAt":"9999-12-31T23:59:59-23:00"}`, []string{eventRotated}},
		"nobodys":     {v1alpha1.RotationRecord{Next: &v1alpha1.AnnouncedSecret{Since: time.Unix(1, 0)}}.Annotation(), []string{eventRotated}},
		"without-end": {`{"previous":{"sha256":"` + strings.Repeat("ab", 32) + `","until":"9999-12-31T23:59:59Z"}}`, []string{eventRotated, eventRetired}},
	} {
		t.Run(name, func(t *testing.T) {
			intg := w.rotated(t, "by-hand-"+name, v1alpha1.RotationSpec{Overlap: duration(time.Hour)})
			secret := w.secret(t, intg.Name)
			clientSecret := clientSecretIn(secret)
			// Nothing is due any more, so that the record stays what it becomes.
			edit(t, intg, func(i *v1alpha1.Integration) { i.Spec.Credentials.Rotation.RequestedAt = nil })
			w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
			edit(t, secret, func(s *corev1.Secret) { s.Annotations[v1alpha1.AnnotationRotation] = tt.annotation })
			w.seen(t, secret)
			w.eventually(t, intg, func(secret *corev1.Secret, in rotation.Input) error {
				if in.Record != (v1alpha1.RotationRecord{}) || intg.Status.Credentials.LastRotationTime != nil ||
					secret.Annotations[v1alpha1.AnnotationRotation] != "" {
					return fmt.Errorf("record %+v, status %+v", in.Record, intg.Status.Credentials)
				}
				return nil
			})
			if got := clientSecretIn(w.secret(t, intg.Name)); got != clientSecret {
				t.Error("the client secret changed")
			}
			w.wantEvents(t, intg, tt.wantEvents...)
		})
	}
}

func TestAStatusWriteLosesNoUse(t *testing.T) {
	w := newWorld(t)
	intg := w.rotated(t, "raced", v1alpha1.RotationSpec{Overlap: duration(time.Hour), MaxOverlap: duration(2 * time.Hour)})
	stale := intg.DeepCopy()
	w.use(t, intg)
	used := intg.Status.Credentials.Previous.LastUsedTime
	// The leader looks at the Integration as it was before the use, and has something to write: the overlap is another.
	stale.Spec.Credentials.Rotation.MaxOverlap = duration(3 * time.Hour)
	late := w.with(staleReader{Client: w.integrations.Client, stale: stale})
	if result, err := late.Reconcile(bounded(t), requestFor(intg)); err != nil || result.RequeueAfter != raceRetry {
		t.Errorf("want a lost race, got %+v and %v", result, err)
	}
	w.eventually(t, intg, func(*corev1.Secret, rotation.Input) error { return nil })
	if got := intg.Status.Credentials.Previous; got == nil || !got.LastUsedTime.Equal(used) {
		t.Errorf("want the use at %s, got %+v", used, got)
	}
}

func TestAnAnnouncedClientSecretIsNotPrinted(t *testing.T) {
	secret := conceal([]byte("hunter2-hunter2-hunter2"))
	held := announcement{secret: secret}
	text, err := json.Marshal(map[string]any{"secret": secret})
	if err == nil {
		t.Errorf("encoded as %s", text)
	}
	for _, got := range []string{
		fmt.Sprintf("%v %+v %#v", []any{secret}, []any{secret}, []any{secret}),
		fmt.Sprintf("%v %+v %#v", held, held, held), fmt.Sprintf("%+v", &held), fmt.Sprint(map[string]announcement{"a": held}),
	} {
		if strings.Contains(got, "hunter2") || strings.Contains(got, "104 117") || strings.Contains(got, "68756e") || strings.Contains(got, "0x68, 0x75") {
			t.Errorf("printed: %s", got)
		}
	}
}

func TestAnnouncementsAreDropped(t *testing.T) {
	var a announcements
	key, now := types.NamespacedName{Namespace: "ns", Name: "name"}, time.Unix(1, 0)
	digest := v1alpha1.DigestOf([]byte("secret"))
	a.remember(key, "uid", conceal([]byte("secret")), now)
	a.remember(key, "uid", conceal([]byte("secret")), now.Add(time.Hour))
	if got, since := a.find(key, "uid", digest); got == nil || string(got()) != "secret" || !since.Equal(now) {
		t.Errorf("want the secret since %s, got one since %s", now, since)
	}
	if got, _ := a.find(key, "another", digest); got != nil {
		t.Error("an Integration of the same name got the secret")
	}
	if got, _ := a.find(key, "uid", v1alpha1.DigestOf(nil)); got != nil {
		t.Error("a secret was found by another's digest")
	}
	if !a.firstTold(key, "uid", now) || a.firstTold(key, "uid", now) || !a.firstTold(key, "uid", now.Add(1)) {
		t.Error("want each rotation told of once")
	}
	a.forgetSecret(key)
	if got, _ := a.find(key, "uid", digest); got != nil {
		t.Error("a forgotten secret was found")
	}
	a.forget(key)
	a.forgetSecret(key)
	if len(a.held) != 0 {
		t.Errorf("%d Integrations are remembered, want none", len(a.held))
	}
}
