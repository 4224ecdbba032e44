// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/internal/testplane"
)

// pokeEvery is how often the leader is made to look at an Integration again: the times at which it asks for that itself pass on the real
// clock. It is also how long a rotation stays announced here, which on the fast clock would be too short for a watch.
const pokeEvery = 400 * time.Millisecond

// A pair is two replicas of one issuer on a fast clock.
type pair struct {
	t        *testing.T
	now      func() time.Time
	issuer   string
	binds    [2]string
	replicas [2]*replica
	hc       [2]*http.Client
}

// startPair starts two replicas on a fast clock.
func startPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{t: t, now: withFastClock(t), issuer: issuerOnFreePort(t)}
	for i := range p.replicas {
		p.binds[i] = "127.0.0.1:" + freePort(t)
		p.replicas[i] = startReplica(t, p.issuer, p.binds[i], "--leader-elect")
	}
	for _, r := range p.replicas {
		r.awaitReady()
	}
	t.Cleanup(func() {
		for _, r := range p.replicas {
			_ = r.terminate()
		}
	})
	return p
}

// dial prepares the clients of both replicas, which trust what an Integration's Secret says.
func (p *pair) dial(intg *v1alpha1.Integration) {
	p.t.Helper()
	for i := range p.hc {
		p.hc[i] = httpClient(p.t, credentialsOf(p.t, intg)["ca.crt"], p.binds[i], p.now)
	}
}

// killLeader ends the leading replica as a power cut would, and starts another in its place.
func (p *pair) killLeader() {
	p.t.Helper()
	for i, r := range p.replicas {
		led := strings.LastIndex(r.logged(), `"msg":"leading"`)
		if led < 0 || strings.LastIndex(r.logged(), `"msg":"not leading"`) > led {
			continue
		}
		r.kill()
		p.replicas[i] = startReplica(p.t, p.issuer, p.binds[i], "--leader-elect")
		p.replicas[i].awaitReady()
		return
	}
	// The one before was killed, and its lease has not run out yet: that is a time without leader, too.
}

// token asks a replica for a token, and the other one if that one cannot be reached: as a Service does, if more slowly.
func (p *pair) token(ctx context.Context, first int, clientID, secret string) error {
	var errs []error
	for i := range p.hc {
		at := (first + i) % len(p.hc)
		status, body, err := requestToken(ctx, p.hc[at], p.issuer, clientID, secret)
		if err == nil && status == http.StatusOK {
			return nil
		}
		if err == nil {
			return fmt.Errorf("replica %d said %d %s", at, status, body)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// requestToken asks for a token by the grant client_credentials.
func requestToken(ctx context.Context, hc *http.Client, issuer, clientID, secret string) (int, string, error) {
	at := &endpoint{hc: hc, issuer: issuer, data: map[string][]byte{"client_id": []byte(clientID), "client_secret": []byte(secret)}}
	r, err := at.post(ctx, v1alpha1.PathToken, "grant_type", "client_credentials")
	return r.status, r.body, err
}

// newOwnNamespace makes a namespace that the default policy is not for, with a policy of its own that allows the rest.
func newOwnNamespace(t *testing.T, allow v1alpha1.Allowance) (string, *v1alpha1.IntegrationPolicy) {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "own-", Labels: map[string]string{testplane.LabelOwnPolicies: "true"},
	}}
	if err := admin.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	policy := &v1alpha1.IntegrationPolicy{ObjectMeta: metav1.ObjectMeta{Name: namespace.Name}, Spec: v1alpha1.IntegrationPolicySpec{
		NamespaceSelector: metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace.Name}}, Allow: allow,
	}}
	if err := admin.Create(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.IgnoreNotFound(admin.Delete(context.WithoutCancel(t.Context()), policy))
	})
	return namespace.Name, policy
}

// everything is what a policy allows that allows all that an ordinary client needs.
func everything() v1alpha1.Allowance {
	return v1alpha1.Allowance{
		Profiles:   []v1alpha1.Profile{v1alpha1.ProfileOAuth2},
		GrantTypes: []v1alpha1.GrantType{v1alpha1.GrantTypeClientCredentials},
		Scopes:     []v1alpha1.Pattern{"*"}, Audiences: []v1alpha1.Pattern{"*"},
		CredentialMethods:   []v1alpha1.CredentialMethod{v1alpha1.CredentialMethodClientSecret},
		MaxTokenLifetime:    &metav1.Duration{Duration: v1alpha1.MaxTokenLifetime},
		AccessTokenDelivery: true,
	}
}

// poke makes the leader look at the Integrations of a policy again and again, until the returned function is called: it adds a scope
// that nobody asks for, and takes it out again.
func poke(t *testing.T, policy *v1alpha1.IntegrationPolicy) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(pokeEvery)
		defer ticker.Stop()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			changed := policy.DeepCopy()
			changed.Spec.Allow.Scopes = append(changed.Spec.Allow.Scopes, v1alpha1.Pattern(fmt.Sprintf("poke.%d", n%2)))
			if err := admin.Patch(ctx, changed, client.MergeFrom(policy)); err != nil && ctx.Err() == nil {
				t.Errorf("poke: %v", err)
			}
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

// A mount is a Secret as a Pod sees it in its files: what it shows may be as old as a kubelet takes, and no older.
type mount struct {
	key    client.ObjectKey
	now    func() time.Time
	random *rand.Rand
	shown  map[string][]byte
	again  time.Time
}

// mostKubeletDelay is how old a mounted Secret may be: the kubelet's sync period and its cache's time to live.
const mostKubeletDelay = 90 * time.Second

// read returns what the files hold now.
func (m *mount) read(ctx context.Context) (map[string][]byte, error) {
	now := m.now()
	if now.Before(m.again) {
		return m.shown, nil
	}
	secret := &corev1.Secret{}
	if err := admin.Get(ctx, m.key, secret); err != nil {
		return nil, err
	}
	m.shown, m.again = secret.Data, now.Add(time.Duration(m.random.Int64N(int64(mostKubeletDelay))))
	return m.shown, nil
}

// A fleet is clients that ask for tokens all the time, each with its own view of one Secret.
type fleet struct {
	requests atomic.Int64
	stop     func()
}

// startFleet starts clients; each failure of a request fails the test, with what was refused.
func startFleet(t *testing.T, p *pair, intg *v1alpha1.Integration, size int) *fleet {
	t.Helper()
	f := &fleet{}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	key := client.ObjectKey{Namespace: intg.Namespace, Name: intg.Status.Credentials.SecretName}
	for i := range size {
		wg.Go(func() {
			m := &mount{key: key, now: p.now, random: rand.New(rand.NewPCG(uint64(i), 2))}
			pause := time.NewTicker(time.Duration(2+i%4) * time.Millisecond)
			defer pause.Stop()
			for n := i; ctx.Err() == nil; n++ {
				data, err := m.read(ctx)
				if err == nil {
					err = p.token(ctx, n%len(p.hc), string(data["client_id"]), string(data["client_secret"]))
				}
				if err != nil && ctx.Err() == nil {
					t.Errorf("client %d at %s, whose Secret is to be read again at %s: %v", i, p.now(), m.again, err)
					return
				}
				f.requests.Add(1)
				select { // The replicas are what is to be seen at work, and the fleet leaves them the machine.
				case <-pause.C:
				case <-ctx.Done():
				}
			}
		})
	}
	f.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
	})
	t.Cleanup(f.stop)
	return f
}

// rotating returns an Integration with a rotation.
func rotating(namespace string, rotation *v1alpha1.RotationSpec) *v1alpha1.Integration {
	intg := orderSync(namespace)
	intg.Spec.Credentials.Rotation = rotation
	return intg
}

// request asks for a rotation on demand.
func (p *pair) request(intg *v1alpha1.Integration) {
	p.t.Helper()
	NewWithT(p.t).Eventually(func() error {
		if err := admin.Get(p.t.Context(), client.ObjectKeyFromObject(intg), intg); err != nil {
			return err
		}
		intg.Spec.Credentials.Rotation.RequestedAt = &metav1.Time{Time: p.now()}
		return admin.Update(p.t.Context(), intg)
	}, patience, poll).Should(Succeed())
}

// awaitRotation waits until an Integration's client secret has been rotated since a time.
func (p *pair) awaitRotation(intg *v1alpha1.Integration, since *metav1.Time) {
	p.t.Helper()
	NewWithT(p.t).Eventually(func(g Gomega) {
		g.Expect(admin.Get(p.t.Context(), client.ObjectKeyFromObject(intg), intg)).To(Succeed())
		g.Expect(since.Before(intg.Status.Credentials.LastRotationTime)).To(BeTrue(), "%+v", intg.Status.Credentials)
	}, patience, poll).Should(Succeed())
}

// awaitRetirement waits until only one client secret is accepted.
func (p *pair) awaitRetirement(intg *v1alpha1.Integration) {
	p.t.Helper()
	NewWithT(p.t).Eventually(func(g Gomega) {
		g.Expect(admin.Get(p.t.Context(), client.ObjectKeyFromObject(intg), intg)).To(Succeed())
		g.Expect(intg.Status.Credentials.Previous).To(BeNil())
	}, patience, poll).Should(Succeed())
}

// poll is how often a test looks.
const poll = 20 * time.Millisecond
