// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/internal/testplane"
)

// maxConflicts is how many writes of a manager may be refused as conflicts in a test: more are a loop of them.
const maxConflicts = 10

// writes returns what the manager wrote to the world's namespace, as the API server counted it. What was refused as a conflict is counted
// apart, and must be little: tests run passes beside the manager's own, and one that comes second writes nothing.
func (w *world) writes(t *testing.T) []string {
	t.Helper()
	entries, err := auditLog.Entries(func(e testplane.AuditEntry) bool {
		return e.IsWrite() && e.UserAgent == w.agent && e.Object.Namespace == w.namespace
	})
	if err != nil {
		t.Fatal(err)
	}
	found, conflicts := []string{}, []string{}
	for _, e := range entries {
		if write := e.Verb + " " + e.Object.Resource + "/" + e.Object.Subresource; e.Response.Code == http.StatusConflict {
			conflicts = append(conflicts, write)
		} else {
			found = append(found, write)
		}
	}
	if len(conflicts) > maxConflicts {
		t.Errorf("%d writes were refused as conflicts, want %d at most: %q", len(conflicts), maxConflicts, conflicts)
	}
	return found
}

// passes returns how many passes over Integrations have ended in this process.
func passes(t *testing.T) float64 {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, family := range families {
		if family.GetName() != "controller_runtime_reconcile_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() == "controller" && label.GetValue() == "integration" {
					sum += metric.GetCounter().GetValue()
				}
			}
		}
	}
	return sum
}

func TestWritesAreCounted(t *testing.T) {
	w := newWorld(t)
	intg := w.readyIntegration(t, "counted", shopScopes)
	want := []string{"create secrets/", "patch integrations/status"}
	if diff := cmp.Diff(want, w.writes(t)); diff != "" {
		t.Errorf("writes for a new Integration (-want +got):\n%s", diff)
	}
	// Events are sent later, so it is what was told that counts.
	w.wantEvents(t, intg)

	for range 5 {
		w.reconcile(t, intg)
	}
	if diff := cmp.Diff(want, w.writes(t)); diff != "" {
		t.Errorf("writes after passes with nothing to do (-want +got):\n%s", diff)
	}

	edit(t, intg, func(i *v1alpha1.Integration) { i.Labels = map[string]string{"team": "shop"} })
	w.seen(t, intg)
	w.reconcile(t, intg)
	if diff := cmp.Diff(want, w.writes(t)); diff != "" {
		t.Errorf("writes after a change of metadata (-want +got):\n%s", diff)
	}

	// A Secret that somebody labels is looked at.
	theirs := w.bring(t, "theirs", intg.Name, broughtFirst)
	w.seen(t, theirs)
	w.reconcile(t, intg)
	if diff := cmp.Diff(want, w.writes(t)); diff != "" {
		t.Errorf("writes after a Secret appeared that is none of the operator's (-want +got):\n%s", diff)
	}

	// A new manager lists everything again.
	before := w.recorder.of(intg)
	w.stop()
	ended := passes(t)
	w.start(t, w.namespace+"-successor", true)
	NewWithT(t).Eventually(func() float64 { return passes(t) }, deadline, poll).Should(BeNumerically(">", ended))
	w.reconcile(t, intg)
	if got := w.writes(t); len(got) > 0 {
		t.Errorf("writes of a manager that starts again: want none, got %q", got)
	}
	if got := w.recorder.of(intg); len(got)+len(before) > 0 {
		t.Errorf("events: want none, got %q", got)
	}
}

func TestWritesOfAChange(t *testing.T) {
	w := newWorld(t)
	intg := w.readyIntegration(t, "changed", shopScopes)
	edit(t, intg, func(i *v1alpha1.Integration) { i.Spec.Token.SigningAlgorithm = v1alpha1.SigningAlgorithmES256 })
	w.waitFor(t, intg, v1alpha1.ConditionReady, "True", v1alpha1.ReasonReady)
	edit(t, intg, func(i *v1alpha1.Integration) { i.Spec.Scopes = []string{"orders.read"} })
	w.waitFor(t, intg, v1alpha1.ConditionReady, "True", v1alpha1.ReasonReady)
	want := []string{
		"create secrets/", "patch integrations/status",
		// Nothing but observedGeneration.
		"patch integrations/status",
		"update secrets/", "patch integrations/status",
	}
	if diff := cmp.Diff(want, w.writes(t)); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
	w.wantEvents(t, intg)
}
