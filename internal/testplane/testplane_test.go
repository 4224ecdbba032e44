// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package testplane_test

import (
	"context"
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

func configMap(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func create(ctx context.Context, t *testing.T, clients kubernetes.Interface, name string) {
	t.Helper()
	if _, err := clients.CoreV1().ConfigMaps("default").Create(ctx, configMap(name), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}
