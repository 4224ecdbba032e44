// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/internal/testplane"
	"github.com/integration-operator/integration-operator/tokenserver/kubestore"
)

// deadline bounds every wait; a test that passes never needs it.
const deadline = 30 * time.Second

var (
	restConfig *rest.Config
	scheme     = runtime.NewScheme()
	// k8sClient talks to the suite's real API server without a cache.
	k8sClient client.Client
)

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctrl.SetLogger(logr.Discard())
	env, err := testplane.New()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code, err := testplane.Run(env, func() int {
		restConfig = env.Config
		for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
			if err := add(scheme); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
		}
		if k8sClient, err = client.New(restConfig, client.Options{Scheme: scheme}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// newCache returns a cache that is configured as the manager's and not started.
func newCache(t *testing.T, operatorNamespace string, namespaces ...string) cache.Cache {
	t.Helper()
	byObject, err := kubestore.CacheByObject(operatorNamespace, namespaces...)
	if err != nil {
		t.Fatal(err)
	}
	c, err := cache.New(restConfig, cache.Options{Scheme: scheme, ByObject: byObject})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// start runs c until the test ends.
func start(t *testing.T, c cache.Cache) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the cache stopped: %v", err)
		}
	})
}

// startStore returns a synced store on a cache of its own.
func startStore(t *testing.T, o kubestore.Options, namespaces ...string) *kubestore.Store {
	t.Helper()
	c := newCache(t, o.OperatorNamespace, namespaces...)
	store, err := kubestore.New(t.Context(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	start(t, c)
	NewWithT(t).Eventually(store.Synced, deadline, 10*time.Millisecond).Should(BeTrue())
	return store
}

func newNamespace(t *testing.T) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	create(t, ns)
	return ns.Name
}

func create(t *testing.T, object client.Object) {
	t.Helper()
	if err := k8sClient.Create(t.Context(), object); err != nil {
		t.Fatalf("create %T %s/%s: %v", object, object.GetNamespace(), object.GetName(), err)
	}
}

// patch changes an object at the API server as edit says.
func patch[T client.Object](t *testing.T, object T, edit func(T)) {
	t.Helper()
	before, _ := object.DeepCopyObject().(client.Object)
	edit(object)
	if err := k8sClient.Patch(t.Context(), object, client.MergeFrom(before)); err != nil {
		t.Fatalf("patch %T %s/%s: %v", object, object.GetNamespace(), object.GetName(), err)
	}
}

// patchStatus changes the status of an Integration, as the controllers do.
func patchStatus(t *testing.T, i *v1alpha1.Integration, edit func(*v1alpha1.IntegrationStatus)) {
	t.Helper()
	before := i.DeepCopy()
	edit(&i.Status)
	if err := k8sClient.Status().Patch(t.Context(), i, client.MergeFrom(before)); err != nil {
		t.Fatalf("patch the status of Integration %s/%s: %v", i.Namespace, i.Name, err)
	}
}

func remove(t *testing.T, object client.Object) {
	t.Helper()
	if err := k8sClient.Delete(t.Context(), object); err != nil {
		t.Fatalf("delete %T %s/%s: %v", object, object.GetNamespace(), object.GetName(), err)
	}
}

// newIntegration creates an Integration that the controllers have granted what it may have.
func newIntegration(t *testing.T, namespace, name string, spec v1alpha1.IntegrationSpec) *v1alpha1.Integration {
	t.Helper()
	i := &v1alpha1.Integration{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: spec}
	create(t, i)
	patchStatus(t, i, func(s *v1alpha1.IntegrationStatus) {
		s.ClientID = i.WantedClientID()
		s.Granted = &v1alpha1.Granted{
			GrantTypes:       []v1alpha1.GrantType{v1alpha1.GrantTypeClientCredentials},
			Access:           []v1alpha1.Access{{Audience: "https://api.example", Scopes: []string{"read", "write"}}},
			DefaultScopes:    []string{"read"},
			SigningAlgorithm: v1alpha1.SigningAlgorithmES256,
			Lifetime:         metav1.Duration{Duration: 5 * time.Minute},
		}
	})
	return i
}

// credentials returns the credentials Secret of an Integration as the controllers make it.
func credentials(i *v1alpha1.Integration, name, clientSecret string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:   i.Namespace,
			Name:        name,
			Labels:      map[string]string{v1alpha1.LabelIntegration: i.Name},
			Annotations: map[string]string{v1alpha1.AnnotationClientSecretKey: "client_secret"},
			OwnerReferences: []metav1.OwnerReference{
				*metav1.NewControllerRef(i, v1alpha1.GroupVersion.WithKind("Integration")),
			},
		},
		Type: v1alpha1.SecretTypeCredentials,
		Data: map[string][]byte{"client_secret": []byte(clientSecret)},
	}
}

// withSecretName returns the spec of an Integration that wants its Secret to have a name.
func withSecretName(name string) v1alpha1.IntegrationSpec {
	var spec v1alpha1.IntegrationSpec
	spec.Secret.Name = name
	return spec
}

// keepSecretName notes the name of an Integration's Secret, as the controllers do.
func keepSecretName(t *testing.T, i *v1alpha1.Integration, name string) {
	t.Helper()
	patchStatus(t, i, func(s *v1alpha1.IntegrationStatus) {
		s.Credentials = &v1alpha1.CredentialsStatus{SecretName: name}
	})
}

// longSecret returns a client secret that is long enough and recognisable.
func longSecret(word string) string {
	return word + strings.Repeat(".", v1alpha1.MinClientSecretLength)
}

// secretsOf returns which of the given words' client secrets a client accepts, and how many it accepts in all.
func secretsOf(store *kubestore.Store, clientID string, words ...string) (accepted []string, total int) {
	c, ok := store.Client(clientID)
	if !ok {
		return nil, -1
	}
	for _, word := range words {
		for _, secret := range c.Secrets {
			if secret.Hash == sha256.Sum256([]byte(longSecret(word))) {
				accepted = append(accepted, word)
			}
		}
	}
	return accepted, len(c.Secrets)
}

// eventually waits until get returns want.
func eventually[T any](t *testing.T, get func() T, want T) {
	t.Helper()
	NewWithT(t).Eventually(get, deadline, 10*time.Millisecond).Should(Equal(want))
}

// logBuffer collects log lines.
type logBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

func (b *logBuffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
