// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package testplane_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/integration-operator/integration-operator/internal/testplane"
)

// start starts a control plane for one test, after prepare has changed it.
func start(t *testing.T, prepare func(*envtest.Environment)) *envtest.Environment {
	t.Helper()
	env, err := testplane.New()
	if err != nil {
		t.Fatal(err)
	}
	prepare(env)
	if _, err := env.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := env.Stop(); err != nil {
			t.Error(err)
		}
	})
	return env
}

func TestAPIServerComesBackWithItsPortDataAndCredentials(t *testing.T) {
	g := NewWithT(t)
	ctx := t.Context()
	env := start(t, func(env *envtest.Environment) { testplane.KeepCertificates(env, t.TempDir()) })
	clients := kubernetes.NewForConfigOrDie(env.Config)
	create(ctx, t, clients, "before")
	// A watch is open, as informers always have one, so that stopping is seen not to wait for it.
	watch, err := clients.CoreV1().ConfigMaps("default").Watch(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()

	if err := testplane.StopAPIServer(env); err != nil {
		t.Fatal(err)
	}
	if _, err := clients.CoreV1().ConfigMaps("default").Get(ctx, "before", metav1.GetOptions{}); err == nil {
		t.Error("the API server answers although it was stopped")
	}

	if err := testplane.StartAPIServer(env); err != nil {
		t.Fatal(err)
	}
	if _, err := clients.CoreV1().ConfigMaps("default").Get(ctx, "before", metav1.GetOptions{}); err != nil {
		t.Errorf("the same client cannot read what it wrote before: %v", err)
	}
	create(ctx, t, clients, "after")
	user, err := env.AddUser(envtest.User{Name: "late", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	late := kubernetes.NewForConfigOrDie(user.Config())
	g.Eventually(func() error {
		_, err := late.CoreV1().ConfigMaps("default").Get(ctx, "after", metav1.GetOptions{})
		return err
	}, 10*time.Second, 100*time.Millisecond).Should(Succeed(), "a user who was added after the restart")
}

func TestStoppingTheAPIServerWithoutKeptCertificatesIsRefused(t *testing.T) {
	env := start(t, func(*envtest.Environment) {})
	if err := testplane.StopAPIServer(env); err == nil {
		t.Error("want an error that names KeepCertificates, got none")
	}
}

func TestAuditLogCountsWritesByUserAgent(t *testing.T) {
	var log *testplane.AuditLog
	env := start(t, func(env *envtest.Environment) {
		var err error
		if log, err = testplane.EnableAudit(env, t.TempDir()); err != nil {
			t.Fatal(err)
		}
	})
	ctx := t.Context()
	config := rest.CopyConfig(env.Config)
	config.UserAgent = "counted"
	counted, other := kubernetes.NewForConfigOrDie(config), kubernetes.NewForConfigOrDie(env.Config)
	create(ctx, t, counted, "mine")
	create(ctx, t, other, "not-mine")
	if _, err := counted.CoreV1().ConfigMaps("default").Get(ctx, "mine", metav1.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := counted.CoreV1().ConfigMaps("default").Create(ctx, configMap("mine"), metav1.CreateOptions{}); !apierrors.IsAlreadyExists(err) {
		t.Fatalf("want AlreadyExists, got %v", err)
	}

	entries, err := log.Entries(func(e testplane.AuditEntry) bool { return e.UserAgent == "counted" && e.IsWrite() })
	if err != nil {
		t.Fatal(err)
	}
	type write struct {
		Verb, User, Resource, Namespace, Name string
		Code                                  int
	}
	var got []write
	for _, e := range entries {
		got = append(got, write{e.Verb, e.User.Username, e.Object.Resource, e.Object.Namespace, e.Object.Name, e.Response.Code})
	}
	want := []write{
		{"create", "admin", "configmaps", "default", "mine", 201},
		{"create", "admin", "configmaps", "default", "mine", 409},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("writes of the counted client (-want +got):\n%s", diff)
	}
	all, err := log.Entries(nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) <= len(entries) {
		t.Errorf("the whole log has %d entries: want more than the %d of one client", len(all), len(entries))
	}
}

func TestControllerManagerRunsTheNamedControllersOnly(t *testing.T) {
	g := NewWithT(t)
	ctx := t.Context()
	env := start(t, func(*envtest.Environment) {})
	stop, err := testplane.StartControllerManager(ctx, env, t.TempDir(), "namespace-controller", "garbage-collector-controller")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	clients := kubernetes.NewForConfigOrDie(env.Config)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "short-lived"}}
	if _, err := clients.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	owner, err := clients.CoreV1().ConfigMaps("short-lived").Create(ctx, configMap("owner"), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	owned := configMap("owned")
	owned.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: owner.Name, UID: owner.UID}}
	if _, err := clients.CoreV1().ConfigMaps("short-lived").Create(ctx, owned, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}

	if err := clients.CoreV1().ConfigMaps("short-lived").Delete(ctx, "owner", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	g.Eventually(func() bool {
		_, err := clients.CoreV1().ConfigMaps("short-lived").Get(ctx, "owned", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	}, time.Minute, 100*time.Millisecond).Should(BeTrue(), "what a deleted object owned should be collected")
	if err := clients.CoreV1().Namespaces().Delete(ctx, "short-lived", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	g.Eventually(func() bool {
		_, err := clients.CoreV1().Namespaces().Get(ctx, "short-lived", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	}, time.Minute, 100*time.Millisecond).Should(BeTrue(), "a deleted namespace should go")
	accounts, err := clients.CoreV1().ServiceAccounts("").List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(accounts.Items) > 0 {
		t.Errorf("there are %d service accounts, although nobody asked for their controller", len(accounts.Items))
	}
}

func TestAControllerManagerThatCannotStartSaysWhy(t *testing.T) {
	env := start(t, func(*envtest.Environment) {})
	_, err := testplane.StartControllerManager(t.Context(), env, t.TempDir(), "no-such-controller")
	if err == nil || !strings.Contains(err.Error(), "no-such-controller") {
		t.Errorf("want an error that quotes the log, got: %v", err)
	}
}

func TestAMissingControllerManagerSaysHowToGetIt(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "kube-apiserver"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBEBUILDER_ASSETS", dir)
	_, err := testplane.ControllerManager()
	if err == nil || !strings.Contains(err.Error(), "make controlplane") || !strings.Contains(err.Error(), "KUBEBUILDER_ASSETS") {
		t.Errorf("want an error that says how to get it, got: %v", err)
	}
}

func configMap(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func create(ctx context.Context, t *testing.T, clients kubernetes.Interface, name string) {
	t.Helper()
	if _, err := clients.CoreV1().ConfigMaps("default").Create(ctx, configMap(name), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}
