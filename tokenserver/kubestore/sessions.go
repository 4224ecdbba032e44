// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

const (
	// callTimeout bounds how long a request waits for the API server.
	callTimeout = 2 * time.Second
	// maxLiveCalls is how many calls may be under way at once. The others wait for their turn within callTimeout.
	maxLiveCalls = 64
	// defaultMostSpent is how many token IDs of one kind an Integration may have spent at once.
	defaultMostSpent = 10_000
	// maxEnded is how many ended sessions are remembered, with some 200 bytes each.
	maxEnded = 32_768
)

// A TokenSession is created at a login, read (get) and patched at each refresh, and deleted when the login ends; list and watch tell
// every replica within a second, and list finds those of a user whose logins are all to end. There is no update: a patch leaves alone
// what others put on the object. There is no deletecollection: it would not check what it deletes.
// +kubebuilder:rbac:groups=integration-operator.io,resources=tokensessions,verbs=get;list;watch;create;patch;delete

// A TokenRevocation is created when a token is revoked or a client assertion used, deleted once the token has expired, and never
// changed; list and watch tell every replica within a second, so none is read by name.
// +kubebuilder:rbac:groups=integration-operator.io,resources=tokenrevocations,verbs=list;watch;create;delete

// SessionsOptions are what Sessions needs to know.
type SessionsOptions struct {
	// MostSpent is how many token IDs of one kind an Integration may have spent at once; 0 is 10,000.
	MostSpent int
	// Now is the clock.
	Now func() time.Time
	// Log gets a line when more sessions than an Integration may have cannot be ended; nil discards.
	Log *slog.Logger
}

// Sessions is a sessions.Store that keeps TokenSessions and TokenRevocations in the namespace of the Integration that they belong to.
// Its methods may be called concurrently.
//
// Get and every write go to the API server, one request each, within two seconds and 64 at once; EndUser takes two lists and a request for
// each session within that time. Standing answers from the informers. A
// session that they do not know may have been created a moment ago on another replica, so that one is asked for. What has ended is
// remembered and not asked for again: IDs never come back. With the API server down, Standing knows what it knew before, and for
// sessions that it has not heard of it returns sessions.ErrUnavailable, as all the other methods do.
//
// How many sessions and spent token IDs an Integration has is counted by what this replica knows. Logins on several replicas at one
// moment may exceed the most for that moment; the next login puts that right.
type Sessions struct {
	live          client.Client
	sessions      *ownedIndex[*v1alpha1.TokenSession]
	revocations   *ownedIndex[*v1alpha1.TokenRevocation]
	ended         *lru.Cache[types.NamespacedName, struct{}]
	registrations []toolscache.ResourceEventHandlerRegistration
	mostSpent     int
	now           func() time.Time
	log           *slog.Logger
}

var _ sessions.Store = (*Sessions)(nil)

// LiveClient returns a client for NewSessions and NewLastUse, which knows TokenSessions, TokenRevocations and Integrations only. It has no
// cache, asks the API server for nothing but what it is told to, and leaves limiting its rate to the API server's own priority and
// fairness.
func LiveClient(config *rest.Config) (client.Client, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("register the API types: %w", err)
	}
	// With a mapper of its own the client need not discover what the API server has, which nothing would bound.
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, kind := range []string{"TokenSession", "TokenRevocation", integrationKind} {
		mapper.Add(v1alpha1.GroupVersion.WithKind(kind), meta.RESTScopeNamespace)
	}
	config = rest.CopyConfig(config)
	config.QPS = -1
	live, err := client.New(config, client.Options{Scheme: scheme, Mapper: mapper})
	if err != nil {
		return nil, fmt.Errorf("set up the client that has no cache: %w", err)
	}
	return live, nil
}

// NewSessions returns a store that writes by live, which LiveClient makes, and is fed by the informers of c, which holds what
// CacheByObject says. It does not wait for them; Synced tells when they are complete. It returns an error when the API server does
// not know one of the kinds.
func NewSessions(ctx context.Context, c cache.Cache, live client.Client, o SessionsOptions) (*Sessions, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	ended, err := lru.New[types.NamespacedName, struct{}](maxEnded)
	if err != nil {
		return nil, fmt.Errorf("set up the memory of ended sessions: %w", err)
	}
	s := &Sessions{
		live:        &boundedClient{Client: live, slots: make(chan struct{}, maxLiveCalls)},
		sessions:    newOwnedIndex[*v1alpha1.TokenSession](o.Now),
		revocations: newOwnedIndex[*v1alpha1.TokenRevocation](o.Now),
		ended:       ended,
		mostSpent:   cmp.Or(o.MostSpent, defaultMostSpent),
		now:         o.Now,
		log:         o.Log,
	}
	if err := s.watch(ctx, c, &v1alpha1.TokenSession{}, handler[*v1alpha1.TokenSession](sessionSink{s})); err != nil {
		return nil, fmt.Errorf("watch TokenSessions: %w", err)
	}
	if err := s.watch(ctx, c, &v1alpha1.TokenRevocation{}, handler[*v1alpha1.TokenRevocation](s.revocations)); err != nil {
		return nil, fmt.Errorf("watch TokenRevocations: %w", err)
	}
	return s, nil
}

func (s *Sessions) watch(ctx context.Context, c cache.Cache, kind client.Object, h toolscache.ResourceEventHandler) error {
	informer, err := c.GetInformer(ctx, kind, cache.BlockUntilSynced(false))
	if err != nil {
		return err
	}
	registration, err := informer.AddEventHandler(h)
	if err != nil {
		return err
	}
	s.registrations = append(s.registrations, registration)
	return nil
}

// sessionSink takes TokenSessions from their informer.
type sessionSink struct{ *Sessions }

func (s sessionSink) set(object *v1alpha1.TokenSession) { s.sessions.set(object) }

func (s sessionSink) delete(name types.NamespacedName) { s.forget(name) }

// forget records that a session has ended.
func (s *Sessions) forget(name types.NamespacedName) {
	s.ended.Add(name, struct{}{})
	s.sessions.delete(name)
}

// Synced reports whether the store has seen every object that existed when the cache started.
func (s *Sessions) Synced() bool {
	for _, registration := range s.registrations {
		if !registration.HasSynced() {
			return false
		}
	}
	return true
}

// failed returns the error for a call that failed, which says what was to be done to which object. Nothing that an object is named
// by, or that the API server says of it, holds a token.
func failed(verb, kind string, name types.NamespacedName, err error) error {
	return fmt.Errorf("%s %s %s: %w: %w", verb, kind, name, sessions.ErrUnavailable, withoutURL(err))
}

// withoutURL returns the error of a call without the URL and its query.
func withoutURL(err error) error {
	if transport, ok := errors.AsType[*url.Error](err); ok {
		return transport.Err
	}
	return err
}

// errNotSynced says that what the informers do not know may exist all the same.
var errNotSynced = errors.New("the caches are not synced")
