// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers"
	"github.com/integration-operator/integration-operator/tokenserver"
	"github.com/integration-operator/integration-operator/tokenserver/kubestore"
)

// A movedClock stands still until it is moved.
type movedClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *movedClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *movedClock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// A cachingVerifier reads the published keys no more often than their max-age allows: the worst verifier that is still right.
type cachingVerifier struct {
	clock   *movedClock
	jwksURL string
	keys    jose.JSONWebKeySet
	stale   time.Time
}

// verify fails the test if the token's kid is unknown or its signature is wrong.
func (v *cachingVerifier) verify(t *testing.T, token string) {
	t.Helper()
	if !v.clock.Now().Before(v.stale) {
		v.refresh(t)
	}
	_, err := jwt.Parse(token, func(token *jwt.Token) (any, error) {
		kid, _ := token.Header["kid"].(string)
		known := v.keys.Key(kid)
		if len(known) != 1 {
			t.Fatalf("at %s: unknown kid %s, cached until %s", v.clock.Now(), kid, v.stale)
		}
		return known[0].Key, nil
	}, jwt.WithTimeFunc(v.clock.Now), jwt.WithValidMethods([]string{"ES256"}))
	if err != nil {
		t.Fatalf("at %s: %v", v.clock.Now(), err)
	}
}

// refresh reads the published keys and how long they may be cached.
func (v *cachingVerifier) refresh(t *testing.T) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, v.jwksURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(&v.keys); err != nil {
		t.Fatal(err)
	}
	_, seconds, _ := strings.Cut(resp.Header.Get("Cache-Control"), "max-age=")
	maxAge, err := strconv.Atoi(seconds)
	if err != nil || maxAge == 0 {
		t.Fatalf("Cache-Control %q", resp.Header.Get("Cache-Control"))
	}
	v.stale = v.clock.Now().Add(time.Duration(maxAge) * time.Second)
}

// rotationBench is both halves without their own clocks: the key controller is called just when it asked to be, and the token server
// reads what it wrote from the real API server.
type rotationBench struct {
	t         *testing.T
	clock     *movedClock
	namespace string
	store     *kubestore.Store
	keys      *controllers.SigningKeyReconciler
	due       time.Time
	server    *httptest.Server
	client    map[string][]byte
}

func newRotationBench(t *testing.T, rotateEvery time.Duration) *rotationBench {
	t.Helper()
	b := &rotationBench{t: t, namespace: newNamespace(t), clock: &movedClock{now: time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC)}}
	o := Options{
		IssuerURL: "https://tokens.example", OperatorNamespace: b.namespace, Namespaces: []string{b.namespace},
		MetricsBindAddress: "0", HealthProbeBindAddress: "0", Now: b.clock.Now,
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	mgr, err := newManager(ctx, managerConfig, o)
	if err != nil {
		t.Fatal(err)
	}
	if b.store, err = kubestore.New(ctx, mgr.GetCache(), kubestore.Options{OperatorNamespace: b.namespace}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	recorder := events.NewFakeRecorder(1000)
	b.keys = &controllers.SigningKeyReconciler{
		Client: mgr.GetClient(), Recorder: recorder, OperatorNamespace: b.namespace, RotateEvery: rotateEvery, Now: b.clock.Now,
	}
	b.reconcileKeys()

	intg := orderSync(b.namespace)
	intg.Spec.Token.Lifetime = &metav1.Duration{Duration: v1alpha1.MaxTokenLifetime}
	if err := admin.Create(ctx, intg); err != nil {
		t.Fatal(err)
	}
	integrations := &controllers.IntegrationReconciler{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Recorder: recorder, Issuer: o.IssuerURL, OperatorNamespace: b.namespace,
		CABundle: func(context.Context) ([]byte, error) { return nil, nil }, Now: b.clock.Now,
	}
	NewWithT(t).Eventually(func(g Gomega) {
		_, err := integrations.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(intg)})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(b.store.Len()).To(Equal(1))
	}, patience, 10*time.Millisecond).Should(Succeed())
	if err := admin.Get(ctx, client.ObjectKeyFromObject(intg), intg); err != nil {
		t.Fatal(err)
	}
	b.client = credentialsOf(t, intg)
	b.server = httptest.NewServer((&tokenserver.Server{
		Issuer: o.IssuerURL, Clients: b.store, Keys: b.store, JWKSMaxAge: v1alpha1.JWKSMaxAge, Now: b.clock.Now,
	}).Handler())
	t.Cleanup(b.server.Close)
	return b
}

// reconcileKeys runs the key controller once, as it asked for, and waits until the token server has read what it wrote.
func (b *rotationBench) reconcileKeys() {
	b.t.Helper()
	request := ctrl.Request{NamespacedName: types.NamespacedName{Namespace: b.namespace, Name: string(controllers.DefaultAlgorithm)}}
	result, err := b.keys.Reconcile(b.t.Context(), request)
	if err != nil {
		b.t.Fatal(err)
	}
	b.due = b.clock.Now().Add(result.RequeueAfter)
	secrets := &corev1.SecretList{}
	if err := admin.List(b.t.Context(), secrets, client.InNamespace(b.namespace), client.HasLabels{v1alpha1.LabelSigningKey}); err != nil {
		b.t.Fatal(err)
	}
	NewWithT(b.t).Eventually(func() int {
		var published jose.JSONWebKeySet
		body, _ := b.store.Keys().JWKS()
		if err := json.Unmarshal(body, &published); err != nil {
			b.t.Fatal(err)
		}
		return len(published.Keys)
	}, patience, time.Millisecond).Should(Equal(len(secrets.Items)))
}

// token gets a token and returns it with its kid.
func (b *rotationBench) token() (token, kid string) {
	b.t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}}
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.server.URL+"/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(string(b.client["client_id"]), string(b.client["client_secret"]))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		b.t.Fatalf("token request: %s, %v", resp.Status, err)
	}
	var reply struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(body, &reply); err != nil {
		b.t.Fatal(err)
	}
	parsed, _, err := jwt.NewParser().ParseUnverified(reply.AccessToken, jwt.MapClaims{})
	if err != nil {
		b.t.Fatal(err)
	}
	kid, _ = parsed.Header["kid"].(string)
	return reply.AccessToken, kid
}

// A whole rotation, by the minute: five verifiers, each with its own time of reading the keys, check every token there is.
func TestARotationNeverSurprisesACachingVerifier(t *testing.T) {
	const rotateEvery = time.Hour
	b := newRotationBench(t, rotateEvery)
	var verifiers []*cachingVerifier
	for range 5 {
		verifiers = append(verifiers, &cachingVerifier{clock: b.clock, jwksURL: b.server.URL + "/oauth2/jwks"})
	}
	type issued struct {
		token   string
		expires time.Time
	}
	var alive []issued
	kids := map[string]bool{}
	first := ""
	pass := func(step time.Duration) {
		b.clock.move(step)
		if !b.clock.Now().Before(b.due) {
			b.reconcileKeys()
		}
		token, kid := b.token()
		kids[kid] = true
		if first == "" {
			first = kid
		}
		now := b.clock.Now()
		kept := alive[:0]
		for _, a := range alive {
			if now.Before(a.expires) {
				kept = append(kept, a)
			}
		}
		alive = append(kept, issued{token: token, expires: now.Add(v1alpha1.MaxTokenLifetime)})
		for _, v := range verifiers {
			v.verify(t, token)
			v.verify(t, alive[0].token) // The oldest that has not expired.
		}
	}

	for i, v := range verifiers { // Their caches run out one minute apart.
		pass(time.Minute)
		v.stale = b.clock.Now().Add(time.Duration(i) * time.Minute)
	}
	for range 130 { // Two rotations by the minute.
		pass(time.Minute)
	}
	if len(kids) != 3 {
		t.Errorf("%d keys signed during two rotations, want 3", len(kids))
	}
	for range 27 * 4 { // Until the first key has left the JWKS.
		pass(15 * time.Minute)
	}
	if _, published := b.store.Keys().ByID(first); published {
		t.Error("the first key is still published although its last token has expired")
	}
}

func TestALostKeyIsRebuiltAtOnce(t *testing.T) {
	b := newRotationBench(t, time.Hour)
	_, before := b.token()
	if err := admin.DeleteAllOf(t.Context(), &corev1.Secret{}, client.InNamespace(b.namespace),
		client.HasLabels{v1alpha1.LabelSigningKey}); err != nil {
		t.Fatal(err)
	}
	NewWithT(t).Eventually(func() []string { return b.store.Keys().Algorithms() }, patience, time.Millisecond).Should(BeEmpty())
	b.reconcileKeys()
	token, after := b.token()
	if after == before {
		t.Error("the lost key still signs")
	}
	(&cachingVerifier{clock: b.clock, jwksURL: b.server.URL + "/oauth2/jwks"}).verify(t, token)
}
