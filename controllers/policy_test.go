// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/internal/testplane"
)

// labelTenant tells the namespaces of a test from those of all others.
const labelTenant = "policy-test/tenant"

// newPolicyWorld starts a manager whose namespaces no policy is for: each has a label of its own, by which the test's policies choose it.
func newPolicyWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	for _, namespace := range []string{w.namespace, w.elsewhere} {
		w.relabel(t, namespace, map[string]string{testplane.LabelOwnPolicies: "", labelTenant: namespace})
	}
	return w
}

// relabel puts labels on a namespace, and takes off those with an empty key, and waits until the manager knows.
func (w *world) relabel(t *testing.T, name string, labels map[string]string, off ...string) {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	edit(t, namespace, func(n *corev1.Namespace) {
		maps.Copy(n.Labels, labels)
		for _, label := range off {
			delete(n.Labels, label)
		}
	})
	metadata := namespaceMetadata()
	metadata.Name = name
	w.seen(t, metadata)
}

// policy creates a policy that allows the namespace everything but claims, after edits, and removes it when the test ends.
func (w *world) policy(t *testing.T, name, namespace string, edits ...func(*v1alpha1.IntegrationPolicySpec)) *v1alpha1.IntegrationPolicy {
	t.Helper()
	p := &v1alpha1.IntegrationPolicy{ObjectMeta: metav1.ObjectMeta{Name: w.namespace + "-" + name}}
	p.Spec.NamespaceSelector.MatchLabels = map[string]string{labelTenant: namespace}
	p.Spec.Allow = v1alpha1.Allowance{
		Profiles:   []v1alpha1.Profile{v1alpha1.ProfileOAuth2},
		GrantTypes: []v1alpha1.GrantType{v1alpha1.GrantTypeClientCredentials},
		Scopes:     []v1alpha1.Pattern{"orders.*"}, Audiences: []v1alpha1.Pattern{"https://*.shop.example"},
		CredentialMethods: []v1alpha1.CredentialMethod{v1alpha1.CredentialMethodClientSecret},
		MaxTokenLifetime:  &metav1.Duration{Duration: time.Hour},
	}
	for _, edit := range edits {
		edit(&p.Spec)
	}
	if err := k8sClient.Create(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k8sClient.Delete(context.WithoutCancel(t.Context()), p.DeepCopy()); client.IgnoreNotFound(err) != nil {
			t.Error(err)
		}
	})
	w.seen(t, p)
	return p
}

// allow returns an edit of a policy's spec.
func allow(change func(*v1alpha1.Allowance)) func(*v1alpha1.IntegrationPolicySpec) {
	return func(s *v1alpha1.IntegrationPolicySpec) { change(&s.Allow) }
}

// claims allows client IDs.
func claims(patterns ...v1alpha1.Pattern) func(*v1alpha1.IntegrationPolicySpec) {
	return allow(func(a *v1alpha1.Allowance) { a.ClientIDs = patterns })
}

func editPolicy(t *testing.T, p *v1alpha1.IntegrationPolicy, change func(*v1alpha1.IntegrationPolicySpec)) {
	t.Helper()
	edit(t, p, func(p *v1alpha1.IntegrationPolicy) { change(&p.Spec) })
}

// wantReady waits until an Integration has all that it asks for.
func (w *world) wantReady(t *testing.T, intg *v1alpha1.Integration) {
	t.Helper()
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	if !meta.IsStatusConditionTrue(intg.Status.Conditions, v1alpha1.ConditionPermitted) {
		t.Errorf("Permitted: want True, got %+v", meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionPermitted))
	}
}

// wantDenied waits until three conditions say that an Integration may not have all, and why.
func (w *world) wantDenied(t *testing.T, intg *v1alpha1.Integration, reason, wantMessage string) {
	t.Helper()
	NewWithT(t).Eventually(func() string {
		if err := w.integrations.Client.Get(t.Context(), client.ObjectKeyFromObject(intg), intg); err != nil {
			return err.Error()
		}
		c := meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionPermitted)
		if c == nil {
			return "no condition"
		}
		return string(c.Status) + " " + c.Reason + " " + c.Message
	}, deadline, poll).Should(And(HavePrefix("False "+reason+" "), ContainSubstring(wantMessage)))
	for conditionType, want := range map[string]metav1.ConditionStatus{
		v1alpha1.ConditionReady: metav1.ConditionFalse, v1alpha1.ConditionStalled: metav1.ConditionTrue,
	} {
		c := meta.FindStatusCondition(intg.Status.Conditions, conditionType)
		if c.Status != want || c.Reason != reason || !strings.Contains(c.Message, wantMessage) {
			t.Errorf("%s: want %s %s, got %+v", conditionType, want, reason, c)
		}
	}
}

// writesOfState returns what the manager wrote but for events, which are sent later.
func (w *world) writesOfState(t *testing.T) []string {
	t.Helper()
	return slices.DeleteFunc(w.writes(t), func(write string) bool { return strings.HasSuffix(write, " events/") })
}

func scopesGranted(intg *v1alpha1.Integration) []string {
	if intg.Status.Granted == nil || len(intg.Status.Granted.Access) == 0 {
		return nil
	}
	return intg.Status.Granted.Access[0].Scopes
}

func TestWithoutAPolicyNothingIsMade(t *testing.T) {
	w := newPolicyWorld(t)
	intg := w.integration(t, "order-sync", shopScopes)
	w.wantDenied(t, intg, v1alpha1.ReasonNoPolicy, "no IntegrationPolicy is for namespace "+w.namespace)
	if got := w.writesOfState(t); !cmp.Equal(got, []string{"patch integrations/status"}) {
		t.Errorf("writes: want the status alone, got %q", got)
	}
	if g := intg.Status.Granted; g == nil || len(g.Access) > 0 || intg.Status.Credentials != nil {
		t.Errorf("want nothing granted, and said so, and no credentials; got %+v", intg.Status)
	}
	if intg.Status.ClientID != w.namespace+".order-sync" {
		t.Errorf("client ID: got %q", intg.Status.ClientID)
	}

	w.policy(t, "late", w.namespace)
	w.wantReady(t, intg)
	w.wantEvents(t, intg, "Warning NoPolicy", "Normal Ready")
	if diff := cmp.Diff([]string{"patch integrations/status", "create secrets/", "patch integrations/status"}, w.writesOfState(t)); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
}

func TestWhereNothingUsableIsAllowedNoSecretIsMade(t *testing.T) {
	w := newPolicyWorld(t)
	w.policy(t, "no-grant", w.namespace, allow(func(a *v1alpha1.Allowance) { a.GrantTypes = nil }))
	intg := w.integration(t, "order-sync", shopScopes)
	w.wantDenied(t, intg, v1alpha1.ReasonNotPermitted, "does not allow grant type client_credentials: take it out of spec")
	err := k8sClient.Get(t.Context(), client.ObjectKeyFromObject(intg), &corev1.Secret{})
	if !apierrors.IsNotFound(err) || len(intg.Status.Granted.Access) > 0 {
		t.Errorf("want neither Secret nor access, got %v and %+v", err, intg.Status.Granted)
	}
}

func TestAPermittedIntegrationCostsTwoWrites(t *testing.T) {
	w := newPolicyWorld(t)
	w.policy(t, "orders", w.namespace)
	intg := w.integration(t, "order-sync", shopScopes)
	w.wantReady(t, intg)
	want := []string{"create secrets/", "patch integrations/status"}
	w.wantEvents(t, intg)
	// A further policy that changes nothing for it is looked at, and costs nothing.
	further := w.policy(t, "further", w.namespace)
	editPolicy(t, further, allow(func(a *v1alpha1.Allowance) { a.Scopes = []v1alpha1.Pattern{"orders.read"} }))
	w.seen(t, further)
	w.reconcile(t, intg)
	if diff := cmp.Diff(want, w.writes(t)); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
}

func TestPoliciesWidenAndNarrowWithoutARestart(t *testing.T) {
	w := newPolicyWorld(t)
	orders := w.policy(t, "orders", w.namespace, allow(func(a *v1alpha1.Allowance) { a.Scopes = []v1alpha1.Pattern{"orders.read"} }))
	intg := w.integration(t, "order-sync", shopScopes)
	w.wantDenied(t, intg, v1alpha1.ReasonNotPermitted, "policy "+orders.Name+
		", the only one for this namespace, does not allow scope orders.write for audience https://orders.shop.example")
	if got := scopesGranted(intg); !cmp.Equal(got, []string{"orders.read"}) {
		t.Errorf("granted: want what is allowed, got %q", got)
	}
	before := w.secret(t, "order-sync")
	if got := string(before.Data["scope"]); got != "orders.read" {
		t.Errorf("the Secret's scope: got %q", got)
	}
	if c := meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionCredentialsReady); c.Status != metav1.ConditionTrue {
		t.Errorf("CredentialsReady: the rest works, got %+v", c)
	}

	writers := w.policy(t, "writers", w.namespace, allow(func(a *v1alpha1.Allowance) { a.Scopes = []v1alpha1.Pattern{"*.write"} }))
	w.wantReady(t, intg)
	if got := scopesGranted(intg); !cmp.Equal(got, []string{"orders.read", "orders.write"}) {
		t.Errorf("granted by two policies together: got %q", got)
	}

	// A mistake in one policy takes nothing from what the other one grants.
	editPolicy(t, writers, allow(func(a *v1alpha1.Allowance) { a.Scopes = []v1alpha1.Pattern{"*,write"} }))
	w.wantDenied(t, intg, v1alpha1.ReasonNotPermitted, "policies "+orders.Name+" and "+writers.Name+", the ones for this namespace, do not allow scope")
	if got := scopesGranted(intg); !cmp.Equal(got, []string{"orders.read"}) {
		t.Errorf("granted after a mistake in the other policy: got %q", got)
	}
	NewWithT(t).Eventually(func() string { return string(w.secret(t, "order-sync").Data["scope"]) }, deadline, poll).Should(Equal("orders.read"))

	for _, p := range []*v1alpha1.IntegrationPolicy{writers, orders} {
		if err := k8sClient.Delete(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	w.wantDenied(t, intg, v1alpha1.ReasonNoPolicy, "")
	if len(intg.Status.Granted.Access) > 0 || intg.Status.Credentials == nil {
		t.Errorf("want no access, and the credentials kept for better days; got %+v", intg.Status)
	}

	w.policy(t, "again", w.namespace)
	w.wantReady(t, intg)
	if !cmp.Equal(before.Data["client_secret"], w.secret(t, "order-sync").Data["client_secret"]) {
		t.Error("the client secret changed")
	}
}

func TestSelectorsAndNamespaceLabelsDecide(t *testing.T) {
	w := newPolicyWorld(t)
	other := createIntegration(t, w.elsewhere, "other", shopScopes)
	w.wantDenied(t, other, v1alpha1.ReasonNoPolicy, "")
	untouched := other.ResourceVersion
	p := w.policy(t, "orders", w.namespace)
	intg := w.readyIntegration(t, "order-sync", shopScopes)

	editPolicy(t, p, func(s *v1alpha1.IntegrationPolicySpec) { s.NamespaceSelector.MatchLabels["stage"] = "live" })
	w.wantDenied(t, intg, v1alpha1.ReasonNoPolicy, "")
	w.relabel(t, w.namespace, map[string]string{"stage": "live"})
	w.wantReady(t, intg)
	w.relabel(t, w.namespace, nil, "stage")
	w.wantDenied(t, intg, v1alpha1.ReasonNoPolicy, "")
	editPolicy(t, p, func(s *v1alpha1.IntegrationPolicySpec) {
		s.NamespaceSelector = metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: labelTenant, Operator: metav1.LabelSelectorOpIn, Values: []string{w.namespace, "no-such-tenant"}},
			{Key: "stage", Operator: metav1.LabelSelectorOpDoesNotExist},
		}}
	})
	w.wantReady(t, intg)

	if err := k8sClient.Get(t.Context(), client.ObjectKeyFromObject(other), other); err != nil {
		t.Fatal(err)
	}
	if other.ResourceVersion != untouched {
		t.Error("the Integration of a namespace that none of this concerns was written")
	}
}

func TestLifetimesAreBounded(t *testing.T) {
	w := newPolicyWorld(t)
	p := w.policy(t, "short", w.namespace, allow(func(a *v1alpha1.Allowance) { a.MaxTokenLifetime.Duration = 5 * time.Minute }))
	byProfile := w.integration(t, "by-profile", shopScopes)
	w.wantReady(t, byProfile)
	if got := byProfile.Status.Granted.Lifetime.Duration; got != 5*time.Minute {
		t.Errorf("the profile's lifetime is shortened to %s, want 5m", got)
	}
	explicit := w.integration(t, "explicit", shopScopes, func(i *v1alpha1.Integration) {
		i.Spec.Token.Lifetime = &metav1.Duration{Duration: 30 * time.Minute}
	})
	w.wantDenied(t, explicit, v1alpha1.ReasonNotPermitted, "token lifetime 30m, only up to 5m")
	if got := explicit.Status.Granted.Lifetime.Duration; got != 5*time.Minute {
		t.Errorf("the lifetime granted is %s, want 5m", got)
	}
	editPolicy(t, p, allow(func(a *v1alpha1.Allowance) { a.MaxTokenLifetime.Duration = time.Hour }))
	w.wantReady(t, explicit)
	NewWithT(t).Eventually(func() time.Duration {
		w.waitFor(t, byProfile, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
		return byProfile.Status.Granted.Lifetime.Duration
	}, deadline, poll).Should(Equal(10 * time.Minute))
}

func TestAClaimNeedsAPolicy(t *testing.T) {
	w := newPolicyWorld(t)
	p := w.policy(t, "orders", w.namespace)
	id := "legacy-" + w.namespace
	claim := func(i *v1alpha1.Integration) { i.Spec.ClientID = id }
	intg := w.integration(t, "claims", shopScopes, claim)
	w.wantDenied(t, intg, v1alpha1.ReasonNotPermitted, "does not allow client ID "+id)
	if intg.Status.ClientID != "" || intg.Status.Granted != nil {
		t.Errorf("want no client ID and nothing granted, got %q and %+v", intg.Status.ClientID, intg.Status.Granted)
	}
	if got := w.writesOfState(t); !cmp.Equal(got, []string{"patch integrations/status"}) {
		t.Errorf("writes: want the status alone, got %q", got)
	}
	editPolicy(t, p, claims("legacy-*"))
	w.wantReady(t, intg)
	if intg.Status.ClientID != id || intg.Status.Granted == nil {
		t.Errorf("want the client ID, got %q", intg.Status.ClientID)
	}
	secret := w.secret(t, "claims")
	editPolicy(t, p, claims("modern-*"))
	w.wantDenied(t, intg, v1alpha1.ReasonNotPermitted, "does not allow client ID "+id)
	if intg.Status.ClientID != "" || intg.Status.Granted != nil {
		t.Errorf("want the client ID taken away, got %q and %+v", intg.Status.ClientID, intg.Status.Granted)
	}
	if after := w.secret(t, "claims"); after.ResourceVersion != secret.ResourceVersion {
		t.Error("the Secret was written")
	}
}

func TestAClaimThatNoPolicyAllowsStandsInNobodysWay(t *testing.T) {
	w := newPolicyWorld(t)
	mine, theirs := w.policy(t, "mine", w.namespace), w.policy(t, "theirs", w.elsewhere, claims("legacy-*"))
	id := "legacy-" + w.namespace
	claim := func(i *v1alpha1.Integration) { i.Spec.ClientID = id }
	first := w.integration(t, "first", shopScopes, claim)
	w.wantDenied(t, first, v1alpha1.ReasonNotPermitted, "client ID "+id)
	second := createIntegration(t, w.elsewhere, "second", shopScopes, claim)
	w.wantReady(t, second)

	// Allowed as well, the one that precedes has the ID; the other one gets it back when that may claim it no longer.
	editPolicy(t, mine, claims(v1alpha1.Pattern(id)))
	winner, loser, policyOfWinner := first, second, mine
	if second.PrecedesForClientID(first) { // They may be of the same second.
		winner, loser, policyOfWinner = second, first, theirs
	}
	w.waitFor(t, loser, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonClientIDConflict)
	w.wantReady(t, winner)
	editPolicy(t, policyOfWinner, claims())
	w.wantReady(t, loser)
	w.wantDenied(t, winner, v1alpha1.ReasonNotPermitted, "client ID "+id)
	if loser.Status.ClientID != id || winner.Status.ClientID != "" {
		t.Errorf("want %s to be the loser's, got %q and %q", id, loser.Status.ClientID, winner.Status.ClientID)
	}

	// It goes to the one whose claim counts, too, when its owner is deleted.
	third := createIntegration(t, loser.Namespace, "third", shopScopes, claim)
	owner, heir := loser, third
	if third.PrecedesForClientID(loser) {
		owner, heir = third, loser
	}
	w.waitFor(t, heir, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonClientIDConflict)
	w.wantReady(t, owner)
	if err := k8sClient.Delete(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	w.wantReady(t, heir)
}

func TestAChangeReachesThoseItConcerns(t *testing.T) {
	w := newPolicyWorld(t)
	claim := func(i *v1alpha1.Integration) { i.Spec.ClientID = "legacy-" + w.namespace }
	a, b := w.integration(t, "a", shopScopes), w.integration(t, "b", shopScopes, claim)
	c, d := createIntegration(t, w.elsewhere, "c", shopScopes), createIntegration(t, w.elsewhere, "d", shopScopes, claim)
	for _, intg := range []*v1alpha1.Integration{a, b, c, d} {
		w.seen(t, intg)
	}
	p := &v1alpha1.IntegrationPolicy{Spec: v1alpha1.IntegrationPolicySpec{NamespaceSelector: metav1.LabelSelector{
		MatchLabels: map[string]string{labelTenant: w.namespace},
	}}}
	change := func(change func(*v1alpha1.IntegrationPolicy)) *v1alpha1.IntegrationPolicy {
		changed := p.DeepCopy()
		change(changed)
		return changed
	}
	wider := change(func(p *v1alpha1.IntegrationPolicy) { p.Spec.Allow.Scopes = []v1alpha1.Pattern{"*"} })
	broken := change(func(p *v1alpha1.IntegrationPolicy) {
		p.Spec.NamespaceSelector.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: labelTenant, Operator: "Resembles"}}
	})
	moved := change(func(p *v1alpha1.IntegrationPolicy) { p.Spec.NamespaceSelector.MatchLabels[labelTenant] = w.elsewhere })
	nobodys := change(func(p *v1alpha1.IntegrationPolicy) { p.Spec.NamespaceSelector.MatchLabels[labelTenant] = "nobody" })
	here, there := []string{a.Name, b.Name, d.Name}, []string{b.Name, c.Name, d.Name}
	for _, tt := range []struct {
		name          string
		before, after *v1alpha1.IntegrationPolicy
		want          []string
	}{
		{"a new policy concerns its namespaces, and the rivals for client IDs that are claimed there", nil, p, here},
		{"one that went as well", p, nil, here},
		{"what it allows", p, wider, here},
		{"a label of its own concerns nobody", p, change(func(p *v1alpha1.IntegrationPolicy) { p.Labels = map[string]string{"a": "b"} }), nil},
		{"another selector concerns the namespaces before and after", p, moved, []string{a.Name, b.Name, c.Name, d.Name}},
		{"another policy for the others", moved, nil, there},
		{"a policy for nobody", nobodys, change(func(p *v1alpha1.IntegrationPolicy) {
			p.Spec.NamespaceSelector.MatchLabels[labelTenant] = "nobody"
			p.Spec.Allow = wider.Spec.Allow
		}), nil},
		{"a selector that makes no sense any more", p, broken, here},
		{"a selector that never made sense", broken, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := names(w.integrations.policyChanged(bounded(t), tt.before, tt.after)); !cmp.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}

	w.policy(t, "mine", w.namespace)
	for _, tt := range []struct {
		name          string
		before, after map[string]string
		want          []string
	}{
		{"a namespace that gets into a policy", nil, map[string]string{labelTenant: w.namespace, testplane.LabelOwnPolicies: ""}, here},
		{"one that other policies are for", map[string]string{}, map[string]string{testplane.LabelOwnPolicies: ""}, here},
		{"a label that no policy asks for", map[string]string{labelTenant: w.namespace}, map[string]string{labelTenant: w.namespace, "x": "y"}, nil},
		{"a new namespace may have been looked at before", nil, map[string]string{"x": "y"}, here},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before, after := namespaceMetadata(), namespaceMetadata()
			before.Name, before.Labels, after.Name, after.Labels = w.namespace, tt.before, w.namespace, tt.after
			var was client.Object = before
			if tt.before == nil {
				was = nil
			}
			if got := names(w.integrations.namespaceChanged(bounded(t), was, after)); !cmp.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if got := w.integrations.namespaceChanged(bounded(t), namespaceMetadata(), nil); got != nil {
		t.Errorf("a namespace that went concerns %q", names(got))
	}
}

// names returns the names in requests, each once and sorted.
func names(requests []ctrl.Request) []string {
	var found []string
	for _, request := range requests {
		found = append(found, request.Name)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func TestOfNamespacesOnlyNamesAndLabelsAreCached(t *testing.T) {
	w := newPolicyWorld(t)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}
	edit(t, namespace, func(n *corev1.Namespace) { n.Annotations = map[string]string{"long": strings.Repeat("x", 1000)} })
	metadata := namespaceMetadata()
	metadata.Name = w.namespace
	w.seen(t, metadata)
	cached := namespaceMetadata()
	if err := w.integrations.Client.Get(bounded(t), client.ObjectKey{Name: w.namespace}, cached); err != nil {
		t.Fatal(err)
	}
	if len(cached.Annotations)+len(cached.ManagedFields)+len(cached.Finalizers) > 0 {
		t.Errorf("cached: %+v", cached)
	}
	if cached.UID != namespace.UID || cached.Labels[labelTenant] != w.namespace {
		t.Errorf("want UID and labels to be there, got %+v", cached)
	}
}

func TestAPolicyIsForNobodyIfItsSelectorMakesNoSense(t *testing.T) {
	broken := &v1alpha1.IntegrationPolicy{}
	broken.Spec.NamespaceSelector.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "team", Operator: "Resembles"}}
	if isFor(broken, nil) || isFor(broken, map[string]string{"team": "shop"}) {
		t.Error("a broken selector matches")
	}
	if !isFor(&v1alpha1.IntegrationPolicy{}, nil) || !isFor(&v1alpha1.IntegrationPolicy{}, map[string]string{"team": "shop"}) {
		t.Error("an empty selector does not match everything")
	}
}
