// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/kubestore"
)

// userSecret returns a user's Secret that consents to one Integration, or to all with an empty name.
func userSecret(namespace, name, integration, username, password string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, Labels: map[string]string{v1alpha1.LabelIntegration: integration},
		},
		Type: corev1.SecretTypeBasicAuth,
		Data: map[string][]byte{"username": []byte(username), "password": []byte(password)},
	}
}

// grantUsers grants an Integration the users of the named Secrets.
func grantUsers(t *testing.T, i *v1alpha1.Integration, secrets ...string) {
	t.Helper()
	patchStatus(t, i, func(s *v1alpha1.IntegrationStatus) {
		s.Granted.Users = nil
		for _, name := range secrets {
			s.Granted.Users = append(s.Granted.Users, v1alpha1.User{SecretRef: v1alpha1.SecretReference{Name: name}})
		}
	})
}

// usersOf returns the names of the users that a client has, and which of the given words is the password of each.
func usersOf(store *kubestore.Store, clientID string, words ...string) map[string]string {
	c, ok := store.Client(clientID)
	if !ok {
		return nil
	}
	users := map[string]string{}
	for name, user := range c.Users {
		users[name] = ""
		for _, word := range words {
			if user.Password.Verify(word) {
				users[name] += word
			}
		}
	}
	return users
}

func TestAUserIsWhatTheSecretSaysNow(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*corev1.Secret)
		want map[string]string
	}{
		{"another password counts at once", func(s *corev1.Secret) { s.Data["password"] = []byte("new") }, map[string]string{"ada": "new"}},
		{"another name counts at once", func(s *corev1.Secret) { s.Data["username"] = []byte("eve") }, map[string]string{"eve": "old"}},
		{"without the label the user is gone", func(s *corev1.Secret) { s.Labels = nil }, map[string]string{}},
		{"with another Integration's label the user is gone", func(s *corev1.Secret) {
			s.Labels[v1alpha1.LabelIntegration] = "other"
		}, map[string]string{}},
		{"with an empty label it serves every Integration", func(s *corev1.Secret) {
			s.Labels[v1alpha1.LabelIntegration] = ""
		}, map[string]string{"ada": "old"}},
		{"a broken Secret is no user", func(s *corev1.Secret) { delete(s.Data, "username") }, map[string]string{}},
		{"a name that is too long is no user", func(s *corev1.Secret) {
			s.Data["username"] = []byte(strings.Repeat("x", 100_000))
		}, map[string]string{}},
		{"a password and a hash are no user", func(s *corev1.Secret) {
			s.Data["passwordHash"] = []byte("$2y$04$" + strings.Repeat("x", 53))
		}, map[string]string{}},
		{"a seed that cannot be used is no user", func(s *corev1.Secret) { s.Data["totp"] = []byte("123456") }, map[string]string{}},
		{"an empty seed is no user", func(s *corev1.Secret) { s.Data["totp"] = []byte{} }, map[string]string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			operator := newNamespace(t)
			store := startStore(t, kubestore.Options{OperatorNamespace: operator})
			// In the operator's own namespace a Secret stays in the informer whatever its labels, and is kept whole.
			for _, namespace := range []string{newNamespace(t), operator} {
				i := newIntegration(t, namespace, "app", v1alpha1.IntegrationSpec{})
				grantUsers(t, i, "ada")
				secret := userSecret(namespace, "ada", "app", "ada", "old")
				create(t, secret)
				users := func() map[string]string { return usersOf(store, i.Status.ClientID, "old", "new") }
				eventually(t, users, map[string]string{"ada": "old"})
				patch(t, secret, tt.edit)
				// Events of one informer come in order: once this Secret is known, the one before it has been judged.
				witness := newIntegration(t, namespace, "witness", v1alpha1.IntegrationSpec{})
				create(t, credentials(witness, "witness", longSecret("witness")))
				eventually(t, func() int { _, n := secretsOf(store, witness.Status.ClientID, "witness"); return n }, 1)
				eventually(t, users, tt.want)
			}
		})
	}
}

func TestAUserHasTheSecretsSecondFactors(t *testing.T) {
	store := startStore(t, kubestore.Options{OperatorNamespace: newNamespace(t)})
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	grantUsers(t, i, "ada")
	secret := userSecret(i.Namespace, "ada", "app", "ada", "a")
	secret.Data["totp"], secret.Data["securityKeys"] = []byte("jbsw y3dp ehpk 3pxp"), []byte(`[{"id":"a2V5","publicKey":"pQEC"}]`)
	create(t, secret)
	type factors struct {
		Seed string
		Keys []clients.SecurityKey
	}
	got := func() factors {
		c, ok := store.Client(i.Status.ClientID)
		if !ok || c.Users["ada"] == nil {
			return factors{"nobody", nil}
		}
		f := factors{Keys: c.Users["ada"].SecurityKeys}
		if seed := c.Users["ada"].TOTP; seed != nil {
			f.Seed = seed()
		}
		return f
	}
	eventually(t, got, factors{"JBSWY3DPEHPK3PXP", []clients.SecurityKey{{ID: []byte("key"), PublicKey: []byte{0xa5, 1, 2}}}})
	patch(t, secret, func(s *corev1.Secret) {
		delete(s.Data, "totp")
		delete(s.Data, "securityKeys")
	})
	eventually(t, got, factors{})
}

func TestADeletedOrRetypedSecretEndsTheUser(t *testing.T) {
	store := startStore(t, kubestore.Options{OperatorNamespace: newNamespace(t)})
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	grantUsers(t, i, "ada", "bob")
	users := func() map[string]string { return usersOf(store, i.Status.ClientID, "a", "b") }
	ada := userSecret(i.Namespace, "ada", "app", "ada", "a")
	create(t, ada)
	create(t, userSecret(i.Namespace, "bob", "", "bob", "b"))
	eventually(t, users, map[string]string{"ada": "a", "bob": "b"})
	remove(t, ada)
	eventually(t, users, map[string]string{"bob": "b"})
	// A Secret's type is immutable, so another type means another Secret of the name.
	retyped := userSecret(i.Namespace, "ada", "app", "ada", "a")
	retyped.Type = corev1.SecretTypeOpaque
	create(t, retyped)
	create(t, credentials(i, "app", longSecret("witness")))
	eventually(t, func() int { _, n := secretsOf(store, i.Status.ClientID, "witness"); return n }, 1)
	if diff := cmp.Diff(map[string]string{"bob": "b"}, users()); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
	grantUsers(t, i)
	eventually(t, users, map[string]string{})
}

func TestSecretsOfAnotherNamespaceAreNobodysUsers(t *testing.T) {
	store := startStore(t, kubestore.Options{OperatorNamespace: newNamespace(t)})
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	grantUsers(t, i, "ada", "bob")
	create(t, userSecret(newNamespace(t), "ada", "app", "ada", "a"))
	create(t, userSecret(i.Namespace, "bob", "app", "bob", "b"))
	eventually(t, func() map[string]string { return usersOf(store, i.Status.ClientID, "a", "b") }, map[string]string{"bob": "b"})
}

func TestOneSecretMayServeSeveralIntegrations(t *testing.T) {
	store := startStore(t, kubestore.Options{OperatorNamespace: newNamespace(t)})
	namespace := newNamespace(t)
	var ids []string
	for _, name := range []string{"one", "two"} {
		i := newIntegration(t, namespace, name, v1alpha1.IntegrationSpec{})
		grantUsers(t, i, "ada")
		ids = append(ids, i.Status.ClientID)
	}
	secret := userSecret(namespace, "ada", "", "ada", "a")
	create(t, secret)
	for _, id := range ids {
		eventually(t, func() map[string]string { return usersOf(store, id, "a") }, map[string]string{"ada": "a"})
	}
	patch(t, secret, func(s *corev1.Secret) { s.Labels[v1alpha1.LabelIntegration] = "two" })
	eventually(t, func() map[string]string { return usersOf(store, ids[0], "a") }, map[string]string{})
	eventually(t, func() map[string]string { return usersOf(store, ids[1], "a") }, map[string]string{"ada": "a"})
}

func TestANameThatTwoSecretsHaveIsNobodys(t *testing.T) {
	store := startStore(t, kubestore.Options{OperatorNamespace: newNamespace(t)})
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	grantUsers(t, i, "one", "two", "three", "bob")
	users := func() map[string]string { return usersOf(store, i.Status.ClientID, "1", "2", "3", "b") }
	create(t, userSecret(i.Namespace, "one", "app", "ada", "1"))
	create(t, userSecret(i.Namespace, "bob", "app", "bob", "b"))
	eventually(t, users, map[string]string{"ada": "1", "bob": "b"})
	two := userSecret(i.Namespace, "two", "app", "ada", "2")
	create(t, two)
	eventually(t, users, map[string]string{"bob": "b"})
	three := userSecret(i.Namespace, "three", "app", "ada", "3")
	create(t, three)
	create(t, credentials(i, "app", longSecret("witness")))
	eventually(t, func() int { _, n := secretsOf(store, i.Status.ClientID, "witness"); return n }, 1)
	if diff := cmp.Diff(map[string]string{"bob": "b"}, users()); diff != "" {
		t.Errorf("users with three Secrets of one name (-want +got):\n%s", diff)
	}
	remove(t, two)
	remove(t, three)
	eventually(t, users, map[string]string{"ada": "1", "bob": "b"})
}

// hashed edits a user's Secret to hold a hash of some kind.
func hashed(secret *corev1.Secret, hash string) *corev1.Secret {
	secret.Data = map[string][]byte{"username": secret.Data["username"], "passwordHash": []byte(hash)}
	return secret
}

func TestUsersHashedInAThirdWayAreLeftOut(t *testing.T) {
	const (
		bcrypt4 = "$2a$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"
		bcrypt5 = "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2"
		argon2  = "$argon2id$v=19$m=64,t=1,p=1$b3RoZXJzYWx0MTIzNDU2Nw$M3471YrJwEVSSTmfR4awnw"
		word    = "correct horse"
	)
	store := startStore(t, kubestore.Options{OperatorNamespace: newNamespace(t)})
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	secret := func(name, hash string) *corev1.Secret {
		s := userSecret(i.Namespace, name, "app", name, word)
		if hash != "" {
			hashed(s, hash)
		}
		create(t, s)
		return s
	}
	users := func() map[string]string { return usersOf(store, i.Status.ClientID, word) }
	known := func(names ...string) map[string]string {
		want := map[string]string{}
		for _, name := range names {
			want[name] = word
		}
		return want
	}
	grantUsers(t, i, "one", "plain", "two", "three", "late", "also-two")
	one := secret("one", bcrypt4)
	secret("plain", "")
	two := secret("two", bcrypt5)
	three := secret("three", argon2)
	secret("also-two", bcrypt5)
	eventually(t, users, known("one", "plain", "two", "also-two"))

	// One kind less makes room for the third, and the order of the users decides, not which Secret came first.
	patch(t, one, func(s *corev1.Secret) { hashed(s, bcrypt5) })
	eventually(t, users, known("one", "plain", "two", "three", "also-two"))
	secret("late", bcrypt4)
	create(t, credentials(i, "app", longSecret("witness")))
	eventually(t, func() int { _, n := secretsOf(store, i.Status.ClientID, "witness"); return n }, 1)
	if diff := cmp.Diff(known("one", "plain", "two", "three", "also-two"), users()); diff != "" {
		t.Errorf("users with one of a third kind behind them (-want +got):\n%s", diff)
	}
	grantUsers(t, i, "late", "one", "plain", "two", "three", "also-two")
	eventually(t, users, known("late", "one", "plain", "two", "also-two"))

	// A name that two Secrets have stays nobody's, though one of them is left out.
	patch(t, three, func(s *corev1.Secret) { s.Data["username"] = []byte("two") })
	eventually(t, users, known("late", "one", "plain", "also-two"))
	// Without consent a Secret makes no kind.
	patch(t, two, func(s *corev1.Secret) { s.Labels[v1alpha1.LabelIntegration] = "other" })
	grantUsers(t, i, "two", "late", "three")
	eventually(t, users, map[string]string{"late": word, "two": word})
	c, _ := store.Client(i.Status.ClientID)
	if _, ok := c.AuthenticateUser("two", word); !ok {
		t.Error("a user of the second kind that counts cannot log in")
	}
}

func TestAClientHasEverythingThatStatusGrants(t *testing.T) {
	store := startStore(t, kubestore.Options{OperatorNamespace: newNamespace(t)})
	before := metav1.NewTime(time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC))
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{
		RevokeTokensIssuedBefore: &before,
		Credentials: v1alpha1.CredentialsSpec{
			Methods: []v1alpha1.CredentialMethod{"ClientSecret", "PrivateKeyJWT"}, JWKSURI: "https://client.example/jwks",
		},
	})
	create(t, credentials(i, "app", longSecret("one")))
	for _, name := range []string{"admin", "customer", "nothing"} {
		create(t, userSecret(i.Namespace, name, "app", name, "p"))
	}
	ref := func(name string) v1alpha1.SecretReference { return v1alpha1.SecretReference{Name: name} }
	grant := func(methods ...v1alpha1.CredentialMethod) {
		patchStatus(t, i, func(s *v1alpha1.IntegrationStatus) {
			g := s.Granted
			g.CredentialMethods, g.TokenFormat = methods, v1alpha1.TokenFormatOpaque
			g.GrantTypes = []v1alpha1.GrantType{"client_credentials", "password", "refresh_token"}
			g.RefreshLifetime = &metav1.Duration{Duration: time.Hour}
			g.IntrospectedAudiences = []string{"https://api.example"}
			g.Users = []v1alpha1.User{
				{SecretRef: ref("admin"), Kind: v1alpha1.UserKindAdmin, Scopes: &[]string{"write"}},
				{SecretRef: ref("customer")},
				{SecretRef: ref("nothing"), Kind: v1alpha1.UserKindCustomer, Scopes: &[]string{}},
			}
		})
	}
	grant(v1alpha1.CredentialMethodClientSecret)
	get := func() clients.Client {
		c, _ := store.Client(i.Status.ClientID)
		if c == nil {
			return clients.Client{}
		}
		return *c
	}
	eventually(t, func() bool { c := get(); return c.Opaque && len(c.Secrets) == 1 && len(c.Users) == 3 }, true)
	c := get()
	if !c.RevokedBefore.Equal(before.Time) || c.RefreshLifetime != time.Hour || c.JWKSURI != "" || c.AssertionKeys != nil ||
		!slices.Equal(c.Methods, []clients.Method{"ClientSecret"}) || !slices.Equal(c.IntrospectedAudiences, []string{"https://api.example"}) ||
		!slices.Equal(c.GrantTypes, []string{"client_credentials", "password", "refresh_token"}) {
		t.Errorf("got client %+v", c)
	}
	users := map[string]clients.User{}
	for name, u := range c.Users {
		users[name] = clients.User{Name: u.Name, Kind: u.Kind, Limited: u.Limited, Scopes: u.Scopes}
	}
	want := map[string]clients.User{
		"admin":    {Name: "admin", Kind: "Admin", Limited: true, Scopes: []string{"write"}},
		"customer": {Name: "customer", Kind: "Customer"},
		"nothing":  {Name: "nothing", Kind: "Customer", Limited: true, Scopes: []string{}},
	}
	if diff := cmp.Diff(want, users); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}

	grant(v1alpha1.CredentialMethodPrivateKeyJWT, v1alpha1.CredentialMethodNone)
	eventually(t, func() bool { c := get(); return c.JWKSURI == "https://client.example/jwks" && len(c.Secrets) == 0 }, true)
	patchStatus(t, i, func(s *v1alpha1.IntegrationStatus) { s.Granted.RefreshLifetime = nil })
	eventually(t, func() []string { return get().GrantTypes }, []string{"client_credentials", "password"})

	// No methods are none, and not the client secret as in a status from before there was a choice.
	grant()
	eventually(t, func() int { return len(get().Methods) }, 0)
	if c := get(); c.ID == "" || c.Accepts(clients.MethodClientSecret) || len(c.Secrets) != 0 {
		t.Errorf("without any method: got client %+v", c)
	}
}
