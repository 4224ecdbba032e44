// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/oauth2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/internal/testplane"
)

// With the API server gone for longer than the lease lives, nobody can lead. The token server must not notice.
func TestTokensOutliveTheAPIServer(t *testing.T) {
	r := startOnly(t, "--leader-elect")
	r.mayFail = true
	intg := apply(t, orderSync(newNamespace(t)))
	data := credentialsOf(t, intg)
	hc := httpClient(t, data["ca.crt"], "", nil)
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, hc)
	everythingServed := func() error {
		token, err := credentialsConfig(data, oauth2.AuthStyleInHeader).Token(ctx)
		if err != nil {
			return fmt.Errorf("get a token: %w", err)
		}
		// The verifier is made anew: it reads discovery and the keys again.
		verifiedClaims(t, hc, r.issuer, "https://orders.shop.example", token.AccessToken)
		return nil
	}
	if err := everythingServed(); err != nil {
		t.Fatal(err)
	}

	if err := testplane.StopAPIServer(plane); err != nil {
		t.Fatal(err)
	}
	started := false
	t.Cleanup(func() {
		if !started {
			_ = testplane.StartAPIServer(plane)
		}
	})
	g := NewWithT(t)
	g.Eventually(func() string {
		if err := everythingServed(); err != nil {
			t.Fatalf("with the API server stopped: %v", err)
		}
		return r.logged()
	}, patience, 100*time.Millisecond).Should(ContainSubstring(`"msg":"not leading"`), "the lease should run out")
	for range 20 {
		if err := everythingServed(); err != nil {
			t.Fatalf("with the API server stopped and the lease lost: %v", err)
		}
	}
	if status, err := r.probe("/readyz"); err != nil || status != http.StatusOK {
		t.Errorf("readiness with the API server stopped: %d, %v", status, err)
	}

	if err := testplane.StartAPIServer(plane); err != nil {
		t.Fatal(err)
	}
	started = true
	other := apply(t, orderSync(newNamespace(t)))
	if _, err := credentialsConfig(credentialsOf(t, other), oauth2.AuthStyleInHeader).Token(ctx); err != nil {
		t.Errorf("a new Integration after the API server came back: %v", err)
	}
	r.running()
	if got := strings.Count(r.logged(), `"msg":"leading"`); got != 2 {
		t.Errorf("led %d times, want 2: before and after the outage", got)
	}
}

// Replicas take over from each other, and all of them serve.
func TestASurvivingReplicaGoesOnAndTakesOver(t *testing.T) {
	issuer := issuerOnFreePort(t)
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(issuer, "https://"))
	first := startReplica(t, issuer, "127.0.0.1:"+port, "--leader-elect")
	first.awaitReady()
	secondBind := "127.0.0.1:" + freePort(t)
	second := startReplica(t, issuer, secondBind, "--leader-elect")
	second.awaitReady()

	intg := apply(t, orderSync(newNamespace(t)))
	data := credentialsOf(t, intg)
	atSecond := context.WithValue(t.Context(), oauth2.HTTPClient, httpClient(t, data["ca.crt"], secondBind, nil))
	g := NewWithT(t)
	g.Eventually(func() error {
		_, err := credentialsConfig(data, oauth2.AuthStyleInHeader).Token(atSecond)
		return err
	}, patience, 10*time.Millisecond).Should(Succeed(), "a replica that does not lead should serve")

	if err := first.terminate(); err != nil {
		t.Errorf("the leader ended with %v", err)
	}
	if _, err := credentialsConfig(data, oauth2.AuthStyleInHeader).Token(atSecond); err != nil {
		t.Errorf("without the former leader: %v", err)
	}
	apply(t, orderSync(newNamespace(t)))
	second.running()
}

// The manager is killed again and again while it works through many Integrations. In the end each has one Secret, and no client
// secret that was ever published has been replaced.
func TestKillNineLeavesNothingHalfMade(t *testing.T) {
	const integrations, kills = 200, 8
	namespace := newNamespace(t)
	seen := watchClientSecrets(t, namespace)

	issuer := issuerOnFreePort(t)
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(issuer, "https://"))
	bind := "127.0.0.1:" + port
	created := make(chan error, 1)
	go func() { created <- createMany(t.Context(), namespace, integrations) }()
	t.Cleanup(func() {
		_ = admin.DeleteAllOf(context.WithoutCancel(t.Context()), &v1alpha1.Integration{}, client.InNamespace(namespace))
	})
	random := rand.New(rand.NewPCG(1, uint64(metav1.Now().UnixNano())))
	for kill := range kills {
		r := startReplica(t, issuer, bind)
		// Kill when a number of Secrets has come since, one at random: the manager is at work just then. The last ones come after
		// fewer, so that there is work left for the next.
		target := min(seen.count()+1+random.IntN(integrations/kills), integrations-1)
		NewWithT(t).Eventually(seen.count, patience, time.Millisecond).Should(BeNumerically(">=", target), "kill %d", kill)
		r.kill()
	}
	if err := <-created; err != nil {
		t.Fatal(err)
	}

	r := startReplica(t, issuer, bind)
	r.awaitReady()
	list := &v1alpha1.IntegrationList{}
	NewWithT(t).Eventually(func(g Gomega) {
		g.Expect(admin.List(t.Context(), list, client.InNamespace(namespace))).To(Succeed())
		ready := 0
		for i := range list.Items {
			if meta.IsStatusConditionTrue(list.Items[i].Status.Conditions, v1alpha1.ConditionReady) {
				ready++
			}
		}
		g.Expect(ready).To(Equal(integrations))
	}, patience, 100*time.Millisecond).Should(Succeed())

	secrets := &corev1.SecretList{}
	if err := admin.List(t.Context(), secrets, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	if len(secrets.Items) != integrations {
		t.Errorf("%d Secrets for %d Integrations", len(secrets.Items), integrations)
	}
	for _, intg := range list.Items {
		if err := complete(t.Context(), &intg); err != nil {
			t.Errorf("Integration %s: %v", intg.Name, err)
		}
	}
	if replaced := seen.replaced(); len(replaced) > 0 {
		t.Errorf("client secrets were replaced in %v", replaced)
	}
}

// complete returns an error unless the Integration's Secret is its own and whole.
func complete(ctx context.Context, intg *v1alpha1.Integration) error {
	secret := &corev1.Secret{}
	if err := admin.Get(ctx, client.ObjectKeyFromObject(intg), secret); err != nil {
		return err
	}
	if !metav1.IsControlledBy(secret, intg) {
		return errors.New("its Secret is not its own")
	}
	for _, key := range []string{"client_id", "client_secret", "token_url", "issuer", "scope", "audience", "ca.crt", "type", "provider"} {
		if len(secret.Data[key]) == 0 {
			return fmt.Errorf("its Secret lacks %s", key)
		}
	}
	return nil
}

func createMany(ctx context.Context, namespace string, n int) error {
	for i := range n {
		intg := orderSync(namespace)
		intg.Name = fmt.Sprintf("client-%03d", i)
		if err := admin.Create(ctx, intg); err != nil {
			return err
		}
	}
	return nil
}

// clientSecrets remembers every client secret that ever stood in a namespace's Secrets.
type clientSecrets struct {
	mu     sync.Mutex
	values map[types.NamespacedName]map[string]bool
}

func (s *clientSecrets) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.values)
}

// replaced returns the Secrets that held more than one client secret.
func (s *clientSecrets) replaced() []types.NamespacedName {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []types.NamespacedName
	for name, values := range s.values {
		if len(values) > 1 {
			names = append(names, name)
		}
	}
	return names
}

// watchClientSecrets sees every version of every Secret: a watch skips none.
func watchClientSecrets(t *testing.T, namespace string) *clientSecrets {
	t.Helper()
	kube, err := kubernetes.NewForConfig(plane.Config)
	if err != nil {
		t.Fatal(err)
	}
	events, err := kube.CoreV1().Secrets(namespace).Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := &clientSecrets{values: map[types.NamespacedName]map[string]bool{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for event := range events.ResultChan() {
			secret, ok := event.Object.(*corev1.Secret)
			if !ok || event.Type == watch.Deleted {
				continue
			}
			s.mu.Lock()
			name := client.ObjectKeyFromObject(secret)
			if s.values[name] == nil {
				s.values[name] = map[string]bool{}
			}
			s.values[name][string(secret.Data["client_secret"])] = true
			s.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		events.Stop()
		<-done
	})
	return s
}
