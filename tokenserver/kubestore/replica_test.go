// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore_test

import (
	"context"
	"crypto/sha256"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/kubestore"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

// A replica is the session store of one replica, with a cache of its own.
type replica struct {
	*kubestore.Sessions
	spy *spy
	log *logBuffer
	// ahead is by how much its clock is ahead.
	ahead *atomic.Int64
}

// A spy counts what is asked of the API server by name and what is listed, may have lists come in smaller pages, and may act before a Get
// or a Create, or before a Delete and fail it.
type spy struct {
	client.Client
	reads, lists atomic.Int64
	// page is how many objects a List returns at most; zero for as many as it asks for.
	page         atomic.Int64
	beforeGet    atomic.Pointer[func()]
	beforeCreate atomic.Pointer[func()]
	beforeDelete atomic.Pointer[func() error]
}

func (s *spy) Get(ctx context.Context, key client.ObjectKey, object client.Object, o ...client.GetOption) error {
	s.reads.Add(1)
	if before := s.beforeGet.Load(); before != nil {
		(*before)()
	}
	return s.Client.Get(ctx, key, object, o...)
}

func (s *spy) Create(ctx context.Context, object client.Object, o ...client.CreateOption) error {
	if before := s.beforeCreate.Load(); before != nil {
		(*before)()
	}
	return s.Client.Create(ctx, object, o...)
}

func (s *spy) List(ctx context.Context, list client.ObjectList, o ...client.ListOption) error {
	s.lists.Add(1)
	if page := s.page.Load(); page > 0 {
		o = append(o, client.Limit(page))
	}
	return s.Client.List(ctx, list, o...)
}

func (s *spy) Delete(ctx context.Context, object client.Object, o ...client.DeleteOption) error {
	if before := s.beforeDelete.Load(); before != nil {
		if err := (*before)(); err != nil {
			return err
		}
	}
	return s.Client.Delete(ctx, object, o...)
}

// newReplica returns a replica that reaches the API server on two ways. Its cache is not started.
func newReplica(t *testing.T, informers, live *rest.Config) (replica, cache.Cache) {
	t.Helper()
	byObject, err := kubestore.CacheByObject("operator")
	if err != nil {
		t.Fatal(err)
	}
	c, err := cache.New(informers, cache.Options{Scheme: scheme, ByObject: byObject})
	if err != nil {
		t.Fatal(err)
	}
	direct, err := kubestore.LiveClient(live)
	if err != nil {
		t.Fatal(err)
	}
	r := replica{spy: &spy{Client: direct}, log: &logBuffer{}, ahead: &atomic.Int64{}}
	r.Sessions, err = kubestore.NewSessions(t.Context(), c, r.spy, kubestore.SessionsOptions{
		MostSpent: 30, Log: r.log.logger(), Now: func() time.Time { return time.Now().Add(time.Duration(r.ahead.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return r, c
}

// startReplica returns a replica that is synced.
func startReplica(t *testing.T, informers, live *rest.Config) replica {
	t.Helper()
	r, c := newReplica(t, informers, live)
	start(t, c)
	NewWithT(t).Eventually(r.Synced, deadline, 10*time.Millisecond).Should(BeTrue())
	return r
}

// newSession returns a session of an Integration that is yet to be created.
func newSession(i *v1alpha1.Integration) *sessions.Session {
	now := time.Now().UTC().Truncate(time.Second)
	id := sessions.NewID()
	return &sessions.Session{
		Owner: sessions.Owner{Namespace: i.Namespace, Name: i.Name, UID: string(i.UID)}, ID: id, ClientID: i.Status.ClientID,
		Username: "ada", UserKind: "Customer", Audiences: []string{"https://api.example"}, Scopes: []string{"read"},
		IssuedAt: now, ExpiresAt: now.Add(time.Hour), Current: sha256.Sum256([]byte(id)), KeyID: "k",
	}
}

// createSession creates a session of an Integration at a replica.
func createSession(t *testing.T, at replica, i *v1alpha1.Integration) *sessions.Session {
	t.Helper()
	s := newSession(i)
	if err := at.Create(t.Context(), s, 100); err != nil {
		t.Fatal(err)
	}
	return s
}

// standing tells what a replica says of a session: there, ended, or the error.
func standing(t *testing.T, at replica, s *sessions.Session) func() string {
	t.Helper()
	return func() string {
		_, got, err := at.Standing(t.Context(), s.Owner, "", s.ID)
		switch {
		case err != nil:
			return err.Error()
		case got == nil:
			return "ended"
		default:
			return "there"
		}
	}
}

// objectFor returns the TokenSession of a session.
func objectFor(t *testing.T, s *sessions.Session) *v1alpha1.TokenSession {
	t.Helper()
	object := &v1alpha1.TokenSession{}
	name := types.NamespacedName{Namespace: s.Owner.Namespace, Name: s.Owner.Name + "-" + s.ID}
	if err := k8sClient.Get(t.Context(), name, object); err != nil {
		t.Fatal(err)
	}
	return object
}
