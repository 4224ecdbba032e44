// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/rotation"
)

func TestNoRotationByIntervalWhileATemplateIsInvalid(t *testing.T) {
	w := newWorld(t)
	const good, bad = "S={{ .ClientSecret }}", "S={{ .ClientSecrt }}"
	template := func(text v1alpha1.TemplateText) func(*v1alpha1.Integration) {
		return templateOf(map[string]v1alpha1.TemplateText{"app.env": text})
	}
	intg := w.readyIntegration(t, "stale-file", template(good),
		rotating(v1alpha1.RotationSpec{Interval: duration(time.Hour), Overlap: duration(0)}))
	first := w.secret(t, intg.Name)
	edit(t, intg, template(bad))
	w.waitFor(t, intg, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonTemplateInvalid)
	message := meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionStalled).Message
	if !strings.Contains(message, "rotation by spec.credentials.rotation.interval waits") {
		t.Errorf("the message does not say that no rotation comes: %s", message)
	}
	w.clock.move(2 * time.Hour)
	w.eventually(t, intg, func(secret *corev1.Secret, in rotation.Input) error {
		if in.Record.Next != nil || clientSecretIn(secret) != clientSecretIn(first) {
			t.Fatal("a rotation by interval takes app.env its client secret")
		}
		if next := intg.Status.Credentials.NextRotationTime; next != nil {
			return fmt.Errorf("the next rotation is said to be at %s", next)
		}
		return nil
	})

	edit(t, intg, func(i *v1alpha1.Integration) {
		i.Spec.Credentials.Rotation.RequestedAt = new(metav1.NewTime(w.clock.Now().Truncate(time.Second)))
	})
	second := w.rotates(t, intg, first)
	w.clock.move(2 * time.Hour)
	edit(t, intg, template(good))
	w.rotates(t, intg, second)
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	if secret := w.secret(t, intg.Name); string(secret.Data["app.env"]) != "S="+clientSecretIn(secret) {
		t.Error("app.env does not hold the client secret")
	}
}

func TestARotationByAClockThatWasWrong(t *testing.T) {
	w := newWorld(t)
	const years = 2 * 365 * 24 * time.Hour
	intg := w.readyIntegration(t, "future", rotating(v1alpha1.RotationSpec{Interval: duration(24 * time.Hour), Overlap: duration(10 * time.Minute)}))
	w.clock.move(years)
	second := w.rotates(t, intg, w.secret(t, intg.Name))
	w.clock.move(-years)
	now := w.clock.Now()
	w.eventually(t, intg, func(_ *corev1.Secret, in rotation.Input) error {
		status := intg.Status.Credentials
		if in.Record.Previous == nil || in.Record.RotatedAt.After(now.Add(deadline)) || in.Record.Previous.Until.After(now.Add(25*time.Hour)) ||
			status.NextRotationTime.After(now.Add(25*time.Hour)) {
			return fmt.Errorf("record %+v, status %+v", in.Record, status)
		}
		return nil
	})
	w.clock.move(10 * time.Minute)
	w.retires(t, intg)
	edit(t, intg, func(i *v1alpha1.Integration) {
		i.Spec.Credentials.Rotation.RequestedAt = new(metav1.NewTime(w.clock.Now().Truncate(time.Second)))
	})
	w.rotates(t, intg, second)
}

func TestAClockThatStepsBackALittleCausesNoWrites(t *testing.T) {
	w := newWorld(t)
	intg := w.rotated(t, "stepping", v1alpha1.RotationSpec{Overlap: duration(time.Hour)})
	w.eventually(t, intg, func(_ *corev1.Secret, in rotation.Input) error {
		if in.Record.Previous == nil || intg.Status.Credentials.Previous == nil {
			return errors.New("not rotated")
		}
		return nil
	})
	before := w.writesOfState(t)
	w.clock.move(-4 * time.Minute)
	for range 3 {
		w.reconcile(t, intg)
	}
	if after := w.writesOfState(t); len(after) != len(before) {
		t.Errorf("writes: %q", after[len(before):])
	}
}
