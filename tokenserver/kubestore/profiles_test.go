// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore_test

import (
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

// newMagento creates an Integration of the profile Magento with a user, which the controllers have granted all that it asks for.
func newMagento(t *testing.T, namespace, name string) *v1alpha1.Integration {
	t.Helper()
	i := newIntegration(t, namespace, name, v1alpha1.IntegrationSpec{
		Profile:    v1alpha1.ProfileMagento,
		GrantTypes: []v1alpha1.GrantType{v1alpha1.GrantTypeClientCredentials, v1alpha1.GrantTypePassword},
		Credentials: v1alpha1.CredentialsSpec{
			Methods: []v1alpha1.CredentialMethod{v1alpha1.CredentialMethodClientSecret, v1alpha1.CredentialMethodNone},
		},
		Users: []v1alpha1.User{{SecretRef: v1alpha1.SecretReference{Name: "ada"}, Kind: v1alpha1.UserKindAdmin}},
		Magento: &v1alpha1.MagentoSpec{
			Bearer:       v1alpha1.PermissionAllowed,
			SecurityKeys: &v1alpha1.SecurityKeys{RelyingPartyID: "shop.example", Origins: []string{"https://shop.example"}},
		},
	})
	patchStatus(t, i, func(s *v1alpha1.IntegrationStatus) {
		s.Granted.Profile, s.Granted.TokenFormat, s.Granted.Bearer = i.Spec.Profile, v1alpha1.TokenFormatJWT, true
		s.Granted.GrantTypes, s.Granted.CredentialMethods, s.Granted.Users = i.Spec.GrantTypes, i.Spec.Credentials.Methods, i.Spec.Users
		s.Granted.UserLifetimes = i.UserLifetimes()
		s.Granted.Lifetime = metav1.Duration{Duration: i.TokenLifetime()}
	})
	return i
}

// names tells of which Integrations the clients are that a store finds otherwise than by client ID: by the words of their client secrets,
// by the name in the URL, and by the profile alone.
func names(store *kubestore.Store, namespace, name string, words ...string) map[string]string {
	found := map[string]string{}
	note := func(by string, c *clients.Client, ok bool) {
		if ok {
			found[by] = c.Name
		}
	}
	for _, word := range words {
		token, _ := v1alpha1.MagentoTokens([]byte(longSecret(word)))
		c, ok := store.LastingClient(token)
		note("token of "+word, c, ok)
	}
	c, ok := store.Virtual(clients.ProfileMagento, namespace, name)
	note("name", c, ok)
	c, ok = store.Virtual(clients.ProfileMagento, "", "")
	note("profile", c, ok)
	return found
}

func TestAMagentoIntegrationIsFoundByEachOfItsNames(t *testing.T) {
	home := newNamespace(t)
	store := startStore(t, kubestore.Options{OperatorNamespace: newNamespace(t)}, home)
	i := newMagento(t, home, "shop")
	found := func() map[string]string { return names(store, home, "shop", "old", "new") }
	eventually(t, found, map[string]string{"name": "shop", "profile": "shop"})
	secret := credentials(i, "shop", longSecret("old"))
	create(t, secret)
	eventually(t, found, map[string]string{"token of old": "shop", "name": "shop", "profile": "shop"})

	c, _ := store.Client(i.Status.ClientID)
	want := &clients.Client{
		Profile: clients.ProfileMagento, TokenLifetime: 4 * time.Hour,
		UserLifetimes: map[string]time.Duration{"Admin": 4 * time.Hour, "Customer": time.Hour},
		RelyingParty:  &clients.RelyingParty{ID: "shop.example", Origins: []string{"https://shop.example"}},
	}
	got := &clients.Client{Profile: c.Profile, UserLifetimes: c.UserLifetimes, TokenLifetime: c.TokenLifetime, RelyingParty: c.RelyingParty}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("client (-want +got):\n%s", diff)
	}
	_, tokenSecret := v1alpha1.MagentoTokens([]byte(longSecret("old")))
	l := c.Lasting
	if l.ConsumerSecret() != longSecret("old") || l.TokenSecret() != tokenSecret || !l.Bearer || !l.IssuedAt.Equal(i.CreationTimestamp.Time) {
		t.Errorf("lasting token issued at %s, bearer %t; want that of the client secret, of %s", l.IssuedAt, l.Bearer, i.CreationTimestamp)
	}

	rotatedAt := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	patch(t, secret, func(s *corev1.Secret) {
		s.Data["client_secret"] = []byte(longSecret("new"))
		s.Annotations[v1alpha1.AnnotationRotation] = v1alpha1.RotationRecord{
			RotatedAt: rotatedAt,
			Previous:  &v1alpha1.SupersededSecret{Digest: v1alpha1.DigestOf([]byte(longSecret("old"))), Until: rotatedAt.Add(time.Hour)},
		}.Annotation()
	})
	eventually(t, found, map[string]string{"token of new": "shop", "name": "shop", "profile": "shop"})
	c, _ = store.Client(i.Status.ClientID)
	if len(c.Secrets) != 2 || !c.Lasting.IssuedAt.Equal(rotatedAt) {
		t.Errorf("%d client secrets, a lasting token of %s; want the overlap for the client secrets only, and %s",
			len(c.Secrets), c.Lasting.IssuedAt, rotatedAt)
	}

	patchStatus(t, i, func(s *v1alpha1.IntegrationStatus) { s.Granted.Profile = v1alpha1.ProfileOAuth2 })
	eventually(t, found, map[string]string{})
	if _, ok := store.Client(i.Status.ClientID); ok {
		t.Error("an Integration whose profile is denied has a client")
	}
	patchStatus(t, i, func(s *v1alpha1.IntegrationStatus) { s.Granted.Profile = v1alpha1.ProfileMagento })
	eventually(t, found, map[string]string{"token of new": "shop", "name": "shop", "profile": "shop"})
	patch(t, secret, func(s *corev1.Secret) { s.Labels = nil })
	eventually(t, found, map[string]string{"name": "shop", "profile": "shop"})
	remove(t, i)
	eventually(t, found, map[string]string{})
}

func TestWhichIntegrationStandsInForAProfile(t *testing.T) {
	home, away := newNamespace(t), newNamespace(t)
	operator := newNamespace(t)
	store := startStore(t, kubestore.Options{OperatorNamespace: operator}, home, away)
	told := startStore(t, kubestore.Options{
		OperatorNamespace: operator, DefaultIntegrations: []types.NamespacedName{{Namespace: away, Name: "second"}},
	}, home, away)
	standIn := func(s *kubestore.Store) func() string {
		return func() string { return names(s, "", "")["profile"] }
	}
	first := newMagento(t, home, "first")
	eventually(t, standIn(store), "first")
	// It is known to the other store as well, and does not stand in for one that is not there.
	eventually(t, func() bool { _, ok := told.Client(first.Status.ClientID); return ok }, true)
	eventually(t, standIn(told), "")
	second := newMagento(t, away, "second")
	eventually(t, standIn(store), "")
	eventually(t, standIn(told), "second")
	patchStatus(t, second, func(s *v1alpha1.IntegrationStatus) { s.Granted = nil })
	eventually(t, standIn(store), "first")
	eventually(t, standIn(told), "")
	remove(t, second)
	eventually(t, func() bool {
		_, ok := told.Integration(types.NamespacedName{Namespace: away, Name: "second"})
		return ok
	}, false)
	eventually(t, standIn(told), "")
	newMagento(t, away, "second")
	eventually(t, standIn(store), "")
	eventually(t, standIn(told), "second")
}
