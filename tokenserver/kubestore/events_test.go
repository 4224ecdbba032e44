// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/internal/passwords"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
)

// These tests feed the handlers with events in orders that a real API server cannot be made to send at will.

func grantedIntegration(namespace, name, clientID string) *v1alpha1.Integration {
	i := &v1alpha1.Integration{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: name, UID: types.UID(namespace + "-" + name), ResourceVersion: "1",
	}}
	i.Spec.ClientID = clientID
	i.Status.ClientID = i.WantedClientID()
	i.Status.Granted = &v1alpha1.Granted{
		GrantTypes:       []v1alpha1.GrantType{v1alpha1.GrantTypeClientCredentials},
		Access:           []v1alpha1.Access{{Audience: "https://api.example", Scopes: []string{"read"}}},
		SigningAlgorithm: v1alpha1.SigningAlgorithmES256,
		Lifetime:         metav1.Duration{Duration: time.Minute},
	}
	return i
}

func credentialsSecret(i *v1alpha1.Integration, name string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: i.Namespace, Name: name, ResourceVersion: "1",
			Labels:      map[string]string{v1alpha1.LabelIntegration: i.Name},
			Annotations: map[string]string{v1alpha1.AnnotationClientSecretKey: "k"},
			OwnerReferences: []metav1.OwnerReference{
				*metav1.NewControllerRef(i, v1alpha1.GroupVersion.WithKind("Integration")),
			},
		},
		Data: map[string][]byte{"k": soundSecret(name)},
	}
}

// named makes an Integration one that wants its Secret to have a name, and had it under another; empty names are none.
func named(i *v1alpha1.Integration, wanted, former string) {
	i.Spec.Secret.Name, i.Status.Credentials = wanted, nil
	if former != "" {
		i.Status.Credentials = &v1alpha1.CredentialsStatus{SecretName: former}
	}
}

// soundSecret returns a client secret that is long enough.
func soundSecret(word string) []byte {
	return []byte(word + strings.Repeat(".", v1alpha1.MinClientSecretLength))
}

// rotated is when the client secrets of these tests were rotated.
var rotated = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// rotate puts a record on a credentials Secret.
func rotate(s *corev1.Secret, r v1alpha1.RotationRecord) {
	s.Annotations[v1alpha1.AnnotationRotation] = r.Annotation()
}

// loginSecret returns the Secret of a user whose name is the Secret's.
func loginSecret(namespace, name string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, ResourceVersion: "1", Labels: map[string]string{v1alpha1.LabelIntegration: ""},
		},
		Type: corev1.SecretTypeBasicAuth,
		Data: map[string][]byte{"username": []byte(name), "password": []byte("secret of " + name)},
	}
}

// handlers returns what New registers for the clients.
func handlers(x *clientIndex) (integrations, secrets toolscache.ResourceEventHandler) {
	return handler[*v1alpha1.Integration](x.integrationSink()), handler[*corev1.Secret](x.secretSink(), x.loginSink())
}

// permutations returns the numbers below n in every order.
func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{nil}
	}
	var all [][]int
	for _, rest := range permutations(n - 1) {
		for at := range n {
			all = append(all, slices.Insert(slices.Clone(rest), at, n-1))
		}
	}
	return all
}

func TestEveryOrderOfEventsEndsTheSame(t *testing.T) {
	deriver := grantedIntegration("home", "app", "")
	claimer := grantedIntegration("away", "app", "home.app")
	named(deriver, "two", "one")
	one, two := credentialsSecret(deriver, "one"), credentialsSecret(deriver, "two")
	rotate(one, v1alpha1.RotationRecord{
		RotatedAt: rotated, Next: &v1alpha1.AnnouncedSecret{Digest: v1alpha1.DigestOf(soundSecret("next"))},
		Previous: &v1alpha1.SupersededSecret{Digest: v1alpha1.DigestOf(soundSecret("previous")), Until: rotated.Add(time.Hour)},
	})
	rotate(two, v1alpha1.RotationRecord{
		RotatedAt: rotated.Add(-time.Hour),
		Previous:  &v1alpha1.SupersededSecret{Digest: v1alpha1.DigestOf(soundSecret("previous")), Until: rotated.Add(time.Minute)},
	})
	foreign := credentialsSecret(claimer, "app")
	rotate(foreign, v1alpha1.RotationRecord{
		RotatedAt: rotated.Add(time.Hour),
		Previous:  &v1alpha1.SupersededSecret{Digest: v1alpha1.DigestOf(soundSecret("foreign")), Until: rotated.Add(time.Hour)},
	})
	deriver.Status.Granted.Users = []v1alpha1.User{{SecretRef: v1alpha1.SecretReference{Name: "ada"}}}
	objects := []any{
		deriver, claimer, one, two, foreign, loginSecret("home", "ada"),
	}
	pick := func(x *clientIndex, object any) toolscache.ResourceEventHandler {
		integrations, secrets := handlers(x)
		if _, ok := object.(*v1alpha1.Integration); ok {
			return integrations
		}
		return secrets
	}
	var want any
	for _, arrival := range permutations(len(objects)) {
		x := newClientIndex(slog.New(slog.DiscardHandler))
		for _, at := range arrival {
			pick(x, objects[at]).OnAdd(objects[at], true)
		}
		got, _ := x.client("home.app")
		if want == nil {
			want = got
		}
		diff := cmp.Diff(want, any(got), cmp.Comparer(func(a, b *passwords.Password) bool { return a.Digest() == b.Digest() }))
		if diff != "" || got.Namespace != "home" || len(got.Secrets) != 4 || !got.RotatedAt.Equal(rotated) || len(got.Users) != 1 || x.len() != 1 {
			t.Fatalf("arrival in order %v: client of %s with %d secrets (-want +got):\n%s",
				arrival, got.Namespace, len(got.Secrets), diff)
		}
		// They go in the same order, half of them unseen while the API server was away.
		for n, at := range arrival {
			gone := objects[at]
			if n%2 == 0 {
				name, err := toolscache.MetaNamespaceKeyFunc(gone)
				if err != nil {
					t.Fatal(err)
				}
				gone = toolscache.DeletedFinalStateUnknown{Key: name, Obj: gone}
			}
			pick(x, objects[at]).OnDelete(gone)
			pick(x, objects[at]).OnDelete(gone)
		}
		if x.len() != 0 || len(x.records)+len(x.namedBy)+len(x.claims)+len(x.logins)+len(x.usedBy) != 0 {
			t.Fatalf("in order %v something is left behind: %d clients, %d records, %d Secrets, %d claims, %d logins, %d users",
				arrival, x.len(), len(x.records), len(x.namedBy), len(x.claims), len(x.logins), len(x.usedBy))
		}
	}
}

func TestASecretThatChangesItsIntegrationLeavesTheFormer(t *testing.T) {
	x := newClientIndex(slog.New(slog.DiscardHandler))
	integrations, secrets := handlers(x)
	a, b := grantedIntegration("home", "a", ""), grantedIntegration("home", "b", "")
	named(a, "shared", "")
	named(b, "shared", "")
	integrations.OnAdd(a, true)
	integrations.OnAdd(b, true)
	before, after := credentialsSecret(a, "shared"), credentialsSecret(b, "shared")
	after.ResourceVersion = "2"
	secrets.OnAdd(before, true)
	if c, _ := x.client("home.a"); len(c.Secrets) != 1 {
		t.Errorf("before, a accepts %d secrets, want 1", len(c.Secrets))
	}
	secrets.OnUpdate(before, after)
	ca, _ := x.client("home.a")
	cb, _ := x.client("home.b")
	if len(ca.Secrets) != 0 || len(cb.Secrets) != 1 {
		t.Errorf("a accepts %d secrets and b %d, want 0 and 1", len(ca.Secrets), len(cb.Secrets))
	}
}

func TestARecreatedIntegrationDoesNotInheritSecrets(t *testing.T) {
	x := newClientIndex(slog.New(slog.DiscardHandler))
	integrations, secrets := handlers(x)
	former := grantedIntegration("home", "app", "")
	integrations.OnAdd(former, true)
	secrets.OnAdd(credentialsSecret(former, "app"), true)
	if c, _ := x.client("home.app"); len(c.Secrets) != 1 {
		t.Errorf("the former Integration's client accepts %d secrets, want 1", len(c.Secrets))
	}
	recreated := former.DeepCopy()
	recreated.UID, recreated.ResourceVersion = "new", "2"
	integrations.OnUpdate(former, recreated)
	if c, _ := x.client("home.app"); c.UID != "new" || len(c.Secrets) != 0 {
		t.Errorf("client %s of UID %s accepts %d secrets, want none of the former Integration's", c.ID, c.UID, len(c.Secrets))
	}
}

func TestAUsersSecretMakesNewClientsOnlyOfThoseThatNameIt(t *testing.T) {
	x := newClientIndex(slog.New(slog.DiscardHandler))
	integrations, secrets := handlers(x)
	for _, name := range []string{"a", "b", "other"} {
		i := grantedIntegration("home", name, "")
		if name != "other" {
			i.Status.Granted.Users = []v1alpha1.User{{SecretRef: v1alpha1.SecretReference{Name: "ada"}}}
		}
		integrations.OnAdd(i, true)
	}
	before := map[string]*clients.Client{}
	for _, name := range []string{"a", "b", "other"} {
		before[name], _ = x.client("home." + name)
	}
	secrets.OnAdd(loginSecret("home", "ada"), false)
	secrets.OnAdd(loginSecret("home", "nobody"), false)
	secrets.OnAdd(loginSecret("away", "ada"), false)
	changed := map[string]int{}
	for name := range before {
		if after, _ := x.client("home." + name); after != before[name] {
			changed[name] = len(after.Users)
		}
	}
	if diff := cmp.Diff(map[string]int{"a": 1, "b": 1}, changed); diff != "" {
		t.Errorf("new clients with their number of users (-want +got):\n%s", diff)
	}
}

func TestKeysOfAClientAreParsedWhenSpecChanges(t *testing.T) {
	log := &bytes.Buffer{}
	x := newClientIndex(slog.New(slog.NewTextHandler(log, nil)))
	integrations, secrets := handlers(x)
	i := grantedIntegration("home", "app", "")
	i.Generation = 1
	i.Status.Granted.CredentialMethods = []v1alpha1.CredentialMethod{v1alpha1.CredentialMethodPrivateKeyJWT}
	i.Spec.Credentials.JWKS = &v1alpha1.JSONWebKeySet{Keys: []v1alpha1.JSONWebKey{{KeyType: "OKP", Curve: "Ed25519", X: "c2hvcnQ"}}}
	integrations.OnAdd(i, true)
	status := i.DeepCopy()
	status.ResourceVersion = "2"
	integrations.OnUpdate(i, status)
	secrets.OnAdd(credentialsSecret(i, "app"), false)
	if lines := strings.Count(log.String(), "\n"); lines != 1 || !strings.Contains(log.String(), "home/app") {
		t.Errorf("want one line about the damaged key, got:\n%s", log)
	}
	c, _ := x.client("home.app")
	if c.AssertionKeys == nil || len(c.AssertionKeys.Keys) != 0 || len(c.Secrets) != 0 {
		t.Errorf("client has keys %v and %d secrets, want an empty set and none", c.AssertionKeys, len(c.Secrets))
	}

	key, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	put := status.DeepCopy()
	put.ResourceVersion, put.Generation = "3", 2
	put.Spec.Credentials.JWKS.Keys[0].X = base64.RawURLEncoding.EncodeToString(key)
	integrations.OnUpdate(status, put)
	if c, _ = x.client("home.app"); len(c.AssertionKeys.Keys) != 1 {
		t.Errorf("client has %d keys after spec was put right, want 1", len(c.AssertionKeys.Keys))
	}
}

func TestAResyncPublishesNothing(t *testing.T) {
	x := newClientIndex(slog.New(slog.DiscardHandler))
	integrations, _ := handlers(x)
	i := grantedIntegration("home", "app", "")
	integrations.OnAdd(i, true)
	before, _ := x.client("home.app")
	integrations.OnUpdate(i, i.DeepCopy())
	if after, _ := x.client("home.app"); before != after {
		t.Error("an update that changes nothing made a new client")
	}
	changed := i.DeepCopy()
	changed.ResourceVersion = "2"
	integrations.OnUpdate(i, changed)
	if after, _ := x.client("home.app"); before == after {
		t.Error("an update was lost")
	}
}

func TestAnIncompleteGrantIsNoClient(t *testing.T) {
	for name, edit := range map[string]func(*v1alpha1.Granted){
		"no audience":  func(g *v1alpha1.Granted) { g.Access = nil },
		"no algorithm": func(g *v1alpha1.Granted) { g.SigningAlgorithm = "" },
		"no lifetime":  func(g *v1alpha1.Granted) { g.Lifetime = metav1.Duration{} },
	} {
		i := grantedIntegration("home", "app", "")
		edit(i.Status.Granted)
		if got := claimOf(i); got != "" {
			t.Errorf("%s: the Integration contributes client %s, want none", name, got)
		}
	}
}

func TestReadersMeetWholeClientsWhileEventsArrive(t *testing.T) {
	x := newClientIndex(slog.New(slog.DiscardHandler))
	integrations, secrets := handlers(x)
	i := grantedIntegration("home", "app", "")
	named(i, "one", "two")
	integrations.OnAdd(i, true)
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				c, ok := x.client("home.app")
				if !ok || c.UID != "home-app" || len(c.Secrets) > 2 || x.len() != 1 {
					t.Errorf("met client %+v (found %t) among %d", c, ok, x.len())
					return
				}
			}
		})
	}
	for _, name := range []string{"one", "two"} {
		writers.Go(func() {
			s := credentialsSecret(i, name)
			for range 500 {
				secrets.OnAdd(s, false)
				secrets.OnDelete(s)
			}
			secrets.OnAdd(s, false)
		})
	}
	writers.Go(func() {
		for n := range 500 {
			next := i.DeepCopy()
			next.ResourceVersion = fmt.Sprint(n + 2)
			next.Spec.Suspend = n%2 == 0
			integrations.OnUpdate(i, next)
		}
	})
	writers.Wait()
	close(stop)
	readers.Wait()
	if c, _ := x.client("home.app"); len(c.Secrets) != 2 {
		t.Errorf("in the end the client accepts %d secrets, want 2", len(c.Secrets))
	}
}

// BenchmarkClient measures the look-up on the request path among 10,000 clients, from all processors at once.
func BenchmarkClient(b *testing.B) {
	x := newClientIndex(slog.New(slog.DiscardHandler))
	integrations, secrets := handlers(x)
	for n := range 10_000 {
		i := grantedIntegration("home", fmt.Sprintf("app-%d", n), "")
		integrations.OnAdd(i, true)
		secrets.OnAdd(credentialsSecret(i, i.Name), true)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, ok := x.client("home.app-4711"); !ok {
				b.Error("client not found")
				return
			}
		}
	})
}

// BenchmarkTenThousandIntegrations measures what the index adds to the informers' own memory.
func BenchmarkTenThousandIntegrations(b *testing.B) {
	all := make([]*v1alpha1.Integration, 10_000)
	credentials, users := make([]*corev1.Secret, len(all)), make([]*corev1.Secret, len(all))
	for n := range all {
		all[n] = grantedIntegration("home", fmt.Sprintf("app-%d", n), "")
		all[n].Status.Granted.Users = []v1alpha1.User{{SecretRef: v1alpha1.SecretReference{Name: "user-" + all[n].Name}}}
		credentials[n] = credentialsSecret(all[n], all[n].Name)
		users[n] = loginSecret("home", "user-"+all[n].Name)
	}
	b.ReportAllocs()
	for b.Loop() {
		integrations, secrets := handlers(newClientIndex(slog.New(slog.DiscardHandler)))
		for n := range all {
			integrations.OnAdd(all[n], true)
			secrets.OnAdd(credentials[n], true)
			secrets.OnAdd(users[n], true)
		}
	}
}
