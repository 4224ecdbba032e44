// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore_test

import (
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/kubestore"
)

func TestWhichSecretsCountAsCredentials(t *testing.T) {
	store := startStore(t, kubestore.Options{OperatorNamespace: newNamespace(t)})
	for _, tc := range []struct {
		name      string
		edit      func(*corev1.Secret)
		wantCount bool
	}{
		{"a labelled Secret that the Integration controls counts", func(*corev1.Secret) {}, true},
		{"the client secret may have any key that the annotation names", func(s *corev1.Secret) {
			s.Annotations[v1alpha1.AnnotationClientSecretKey] = "PASSWORD"
			s.Data = map[string][]byte{"PASSWORD": s.Data["client_secret"]}
		}, true},
		{"a name that the Integration neither wants nor had does not count, whatever else is right", func(s *corev1.Secret) {
			s.Name = "planted"
		}, false},
		{"a label without an owner proves nothing", func(s *corev1.Secret) { s.OwnerReferences = nil }, false},
		{"an owner with another UID is another Integration", func(s *corev1.Secret) {
			s.OwnerReferences[0].UID = types.UID("00000000-0000-0000-0000-000000000000")
		}, false},
		{"an owner of another kind is no Integration", func(s *corev1.Secret) { s.OwnerReferences[0].Kind = "Deployment" }, false},
		{"an owner of another API group is no Integration", func(s *corev1.Secret) {
			s.OwnerReferences[0].APIVersion = "elsewhere.example/v1alpha1"
		}, false},
		{"an owner that is not the controller does not vouch", func(s *corev1.Secret) {
			s.OwnerReferences[0].Controller = new(bool)
		}, false},
		{"a label that names another Integration leads there", func(s *corev1.Secret) {
			s.Labels[v1alpha1.LabelIntegration] = "other"
		}, false},
		{"without the label it is not looked at", func(s *corev1.Secret) { s.Labels = nil }, false},
		{"without the annotation nothing says where the client secret is", func(s *corev1.Secret) { s.Annotations = nil }, false},
		{"an annotation that names a missing key does not count", func(s *corev1.Secret) {
			s.Annotations[v1alpha1.AnnotationClientSecretKey] = "elsewhere"
		}, false},
		{"a client secret that is too short counts as damaged", func(s *corev1.Secret) {
			s.Data["client_secret"] = []byte(strings.Repeat("x", v1alpha1.MinClientSecretLength-1))
		}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			// Both names count: the one that is wanted, and the one that status still has.
			i := newIntegration(t, newNamespace(t), "app", withSecretName("subject"))
			keepSecretName(t, i, "witness")
			subject := credentials(i, "subject", longSecret("subject"))
			tc.edit(subject)
			create(t, subject)
			// Events of one informer come in order: once this Secret is known, the one before it has been judged.
			create(t, credentials(i, "witness", longSecret("witness")))

			want := []string{"witness"}
			if tc.wantCount {
				want = []string{"subject", "witness"}
			}
			eventually(t, func() bool {
				accepted, _ := secretsOf(store, i.Status.ClientID, "witness")
				return len(accepted) == 1
			}, true)
			got, total := secretsOf(store, i.Status.ClientID, "subject", "witness")
			if diff := cmp.Diff(want, got); diff != "" || total != len(want) {
				t.Errorf("the client accepts %d secrets (-want +got):\n%s", total, diff)
			}
		})
	}
}

func TestNobodySpeaksForAnotherNamespace(t *testing.T) {
	store := startStore(t, kubestore.Options{OperatorNamespace: newNamespace(t)})
	victim := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	evil := newNamespace(t)
	namesake := newIntegration(t, evil, "app", v1alpha1.IntegrationSpec{})
	keepSecretName(t, namesake, "witness")
	// Everything that somebody who may write Secrets in one namespace can forge.
	forged := credentials(victim, "app", longSecret("forged"))
	forged.Namespace = evil
	create(t, forged)
	squatter := newIntegration(t, evil, "squatter", v1alpha1.IntegrationSpec{ClientID: victim.Status.ClientID})
	create(t, credentials(squatter, "squatter", longSecret("squatted")))
	create(t, credentials(victim, "app", longSecret("genuine")))
	create(t, credentials(namesake, "witness", longSecret("witness")))

	eventually(t, func() int { _, total := secretsOf(store, namesake.Status.ClientID); return total }, 1)
	// The squatter's Integration travels in another informer: its name in the index shows that it has arrived.
	witness := newIntegration(t, evil, "witness", v1alpha1.IntegrationSpec{})
	eventually(t, func() bool { _, ok := store.Client(witness.Status.ClientID); return ok }, true)
	if got, total := secretsOf(store, victim.Status.ClientID, "forged", "squatted", "genuine"); total != 1 || got[0] != "genuine" {
		t.Errorf("the victim's client accepts %d secrets, among them %v, want the genuine one only", total, got)
	}
	if c, _ := store.Client(victim.Status.ClientID); c.UID != string(victim.UID) {
		t.Errorf("client %s is %s/%s, want the Integration that derives the ID", c.ID, c.Namespace, c.Name)
	}
	if got, _ := secretsOf(store, namesake.Status.ClientID, "forged"); len(got) != 0 {
		t.Error("the namesake accepts a Secret that another Integration's UID controls")
	}
}

func TestAClientIsWhatStatusGrants(t *testing.T) {
	store := startStore(t, kubestore.Options{OperatorNamespace: newNamespace(t)})
	i := &v1alpha1.Integration{ObjectMeta: metav1.ObjectMeta{Namespace: newNamespace(t), Name: "app"}}
	i.Spec.Scopes = []string{"admin"}
	create(t, i)
	create(t, credentials(i, "app", longSecret("one")))
	other := newIntegration(t, i.Namespace, "other", v1alpha1.IntegrationSpec{})
	eventually(t, func() bool { _, ok := store.Client(other.Status.ClientID); return ok }, true)
	if _, ok := store.Client(i.DerivedClientID()); ok {
		t.Fatal("an Integration without status.granted has a client")
	}

	patchStatus(t, i, func(s *v1alpha1.IntegrationStatus) {
		s.ClientID = i.DerivedClientID()
		s.Granted = other.Status.Granted.DeepCopy()
	})
	want := &clients.Client{
		ID: i.DerivedClientID(), Namespace: i.Namespace, Name: "app", UID: string(i.UID),
		// A status from before there was a choice.
		Methods:          []clients.Method{clients.MethodClientSecret},
		Secrets:          []clients.Secret{{Hash: sha256.Sum256([]byte(longSecret("one")))}},
		GrantTypes:       []string{"client_credentials"},
		Access:           []clients.Access{{Audience: "https://api.example", Scopes: []string{"read", "write"}}},
		DefaultScopes:    []string{"read"},
		SigningAlgorithm: "ES256",
		TokenLifetime:    5 * time.Minute,
	}
	diff := func() string {
		got, _ := store.Client(i.DerivedClientID())
		return cmp.Diff(want, got)
	}
	eventually(t, diff, "")

	patch(t, i, func(i *v1alpha1.Integration) { i.Spec.Suspend = true })
	want.Suspended = true
	eventually(t, diff, "")

	patch(t, i, func(i *v1alpha1.Integration) { i.Spec.Suspend = false })
	patchStatus(t, i, func(s *v1alpha1.IntegrationStatus) { s.Granted.Access[0].Scopes = []string{"read"} })
	want.Suspended, want.Access[0].Scopes = false, []string{"read"}
	eventually(t, diff, "")

	before := store.Len()
	patchStatus(t, i, func(s *v1alpha1.IntegrationStatus) { s.ClientID = "somebody.else" })
	eventually(t, store.Len, before-1)
	if _, ok := store.Client("somebody.else"); ok {
		t.Error("an Integration has the client of an ID that it may not want")
	}
}

func TestADeletedIntegrationLosesItsClientAtOnce(t *testing.T) {
	store := startStore(t, kubestore.Options{OperatorNamespace: newNamespace(t)})
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	patch(t, i, func(i *v1alpha1.Integration) { i.Finalizers = []string{"example.com/hold"} })
	has := func() bool { _, ok := store.Client(i.Status.ClientID); return ok }
	eventually(t, has, true)
	remove(t, i)
	eventually(t, has, false)
	patch(t, i, func(i *v1alpha1.Integration) { i.Finalizers = nil })
}

func TestARenamedSecretCountsUnderBothNames(t *testing.T) {
	store := startStore(t, kubestore.Options{OperatorNamespace: newNamespace(t)})
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	accepted := func() []string {
		words, total := secretsOf(store, i.Status.ClientID, "old", "new", "third")
		if total != len(words) {
			return append(words, "and others")
		}
		return words
	}
	former := credentials(i, "app", longSecret("old"))
	create(t, former)
	keepSecretName(t, i, "app")
	eventually(t, accepted, []string{"old"})
	patch(t, i, func(i *v1alpha1.Integration) { i.Spec.Secret.Name = "renamed" })
	create(t, credentials(i, "renamed", longSecret("new")))
	eventually(t, accepted, []string{"old", "new"})

	// Events of one informer come in order: once the former Secret's change is known, the third one has been judged.
	create(t, credentials(i, "third", longSecret("third")))
	patch(t, former, func(s *corev1.Secret) { s.Data["client_secret"] = []byte(longSecret("new")) })
	eventually(t, accepted, []string{"new"})
	patch(t, former, func(s *corev1.Secret) { s.Data["client_secret"] = []byte(longSecret("old")) })
	eventually(t, accepted, []string{"old", "new"})

	keepSecretName(t, i, "renamed")
	eventually(t, accepted, []string{"new"})
	keepSecretName(t, i, "app")
	eventually(t, accepted, []string{"old", "new"})
	remove(t, former)
	eventually(t, accepted, []string{"new"})
}

func TestAChangedClientSecretReplacesTheFormer(t *testing.T) {
	store := startStore(t, kubestore.Options{OperatorNamespace: newNamespace(t)})
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	secret := credentials(i, "app", longSecret("old"))
	create(t, secret)
	accepted := func() []string {
		words, _ := secretsOf(store, i.Status.ClientID, "old", "new")
		return words
	}
	eventually(t, accepted, []string{"old"})
	patch(t, secret, func(s *corev1.Secret) { s.Data["client_secret"] = []byte(longSecret("new")) })
	eventually(t, accepted, []string{"new"})
	patch(t, secret, func(s *corev1.Secret) { s.Data["client_secret"] = []byte("damaged") })
	eventually(t, accepted, nil)
}

func TestAStrippedLabelEndsTheSecret(t *testing.T) {
	operator := newNamespace(t)
	store := startStore(t, kubestore.Options{OperatorNamespace: operator})
	for _, tc := range []struct {
		name, namespace string
	}{
		{"in another namespace, where the Secret leaves the informer", newNamespace(t)},
		{"in the operator's namespace, where it stays in the informer", operator},
	} {
		t.Run(tc.name, func(t *testing.T) {
			i := newIntegration(t, tc.namespace, "app", v1alpha1.IntegrationSpec{})
			total := func() int { _, total := secretsOf(store, i.Status.ClientID); return total }
			secret := credentials(i, "app", longSecret("one"))
			create(t, secret)
			eventually(t, total, 1)
			patch(t, secret, func(s *corev1.Secret) { s.Labels = nil })
			eventually(t, total, 0)
			patch(t, secret, func(s *corev1.Secret) {
				s.Labels = map[string]string{v1alpha1.LabelIntegration: i.Name}
			})
			eventually(t, total, 1)
		})
	}
}

func TestWhoDerivesAClientIDBeatsWhoClaimsIt(t *testing.T) {
	store := startStore(t, kubestore.Options{OperatorNamespace: newNamespace(t)})
	home := newNamespace(t)
	id := home + ".app"
	claimer := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{ClientID: id})
	holder := func() string {
		c, ok := store.Client(id)
		if !ok {
			return ""
		}
		return c.UID
	}
	eventually(t, holder, string(claimer.UID))
	deriver := newIntegration(t, home, "app", v1alpha1.IntegrationSpec{})
	eventually(t, holder, string(deriver.UID))
	remove(t, deriver)
	eventually(t, holder, string(claimer.UID))
	remove(t, claimer)
	eventually(t, holder, "")
}

func TestOnlyTheConfiguredNamespacesAreSeen(t *testing.T) {
	operator, watched, unwatched := newNamespace(t), newNamespace(t), newNamespace(t)
	for _, namespace := range []string{watched, unwatched} {
		i := newIntegration(t, namespace, "app", v1alpha1.IntegrationSpec{})
		create(t, credentials(i, "app", longSecret("one")))
	}
	create(t, signingKeySecret(t, operator, "ES256", v1alpha1.KeyStateActive))
	store := startStore(t, kubestore.Options{OperatorNamespace: operator}, watched)
	if _, total := secretsOf(store, watched+".app"); total != 1 {
		t.Errorf("the client of the watched namespace accepts %d secrets, want 1", total)
	}
	if _, ok := store.Client(unwatched + ".app"); ok {
		t.Error("an Integration of a namespace that is not watched has a client")
	}
	if err := store.Ready(); err != nil {
		t.Errorf("want the signing key of the operator's namespace to be seen: %v", err)
	}
}
