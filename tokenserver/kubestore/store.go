// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/sealing"
	"github.com/integration-operator/integration-operator/tokenserver/signer"
)

// Options are what a Store needs to know.
type Options struct {
	// OperatorNamespace is where the signing keys and the serving certificate are.
	OperatorNamespace string
	// ServingCertificate asks for the self-made serving certificate: GetCertificate serves it, and the store is not ready
	// without it. It is false when certificates come from a directory or HTTP is plain.
	ServingCertificate bool
	// DefaultIntegrations are those that logins without a client are for where the URL names none: of each profile the first. A profile of
	// which none is named has the only Integration with users instead.
	DefaultIntegrations []types.NamespacedName
	// Log gets a line for each damaged signing key, certificate, or key of a client; nil discards.
	Log *slog.Logger
}

// A Store holds what the token server reads from Kubernetes. Its methods may be called concurrently, and none of them waits
// or calls the API server.
type Store struct {
	clients *clientIndex
	keys    *keyring
	// serving is nil when the store is not asked for the serving certificate.
	serving       *servingCertificate
	registrations []toolscache.ResourceEventHandlerRegistration
}

// New returns a Store that is fed by the informers of c, which holds what CacheByObject says. It does not wait for them, so c
// may be started before or after; Synced tells when the store has everything. It returns an error when the API server does
// not know one of the kinds.
func New(ctx context.Context, c cache.Cache, o Options) (*Store, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	keys, err := newKeyring(o.OperatorNamespace, o.Log)
	if err != nil {
		return nil, err
	}
	s := &Store{clients: newClientIndex(o.Log, o.DefaultIntegrations...), keys: keys}
	secretSinks := []sink[*corev1.Secret]{s.clients.secretSink(), s.clients.loginSink(), s.keys}
	if o.ServingCertificate {
		s.serving = newServingCertificate(o.OperatorNamespace, o.Log)
		secretSinks = append(secretSinks, s.serving)
	}
	integrations, err := c.GetInformer(ctx, &v1alpha1.Integration{}, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, fmt.Errorf("watch Integrations: %w", err)
	}
	secrets, err := c.GetInformer(ctx, &corev1.Secret{}, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, fmt.Errorf("watch Secrets: %w", err)
	}
	if err := s.register(integrations, handler[*v1alpha1.Integration](s.clients.integrationSink())); err != nil {
		return nil, fmt.Errorf("watch Integrations: %w", err)
	}
	if err := s.register(secrets, handler(secretSinks...)); err != nil {
		return nil, fmt.Errorf("watch Secrets: %w", err)
	}
	return s, nil
}

func (s *Store) register(informer cache.Informer, h toolscache.ResourceEventHandler) error {
	registration, err := informer.AddEventHandler(h)
	if err != nil {
		return err
	}
	s.registrations = append(s.registrations, registration)
	return nil
}

// Client returns the client with the given client ID; false if no Integration holds it. The value is shared and must not be
// changed.
func (s *Store) Client(id string) (*clients.Client, bool) {
	return s.clients.client(id)
}

// Virtual returns the client of a login that names none: that of the named Integration if it is of the profile and may log in users. Without
// namespace and name it is that of the first of Options.DefaultIntegrations of the profile, or else of the only Integration of the
// profile with users; false if there is none. The value is shared and must not be changed.
func (s *Store) Virtual(profile clients.Profile, namespace, name string) (*clients.Client, bool) {
	return s.clients.other.virtual(profile, types.NamespacedName{Namespace: namespace, Name: name})
}

// LastingClient returns the client that a lasting token is of; false if it is nobody's. How long it takes tells nothing of the tokens
// that there are, as they are looked up by their digests. The value is shared and must not be changed.
func (s *Store) LastingClient(token string) (*clients.Client, bool) {
	return s.clients.other.lasting(token)
}

// Integration returns the Integration of a name as the informer has it; false if it knows none. The value is shared and must not be
// changed.
func (s *Store) Integration(name types.NamespacedName) (*v1alpha1.Integration, bool) {
	return s.clients.integration(name)
}

// Len returns the number of clients.
func (s *Store) Len() int {
	return s.clients.len()
}

// Keys returns the signing keys as they are now; it is never nil.
func (s *Store) Keys() *signer.Set {
	return s.keys.signing.snapshot.Load()
}

// SealingKeys returns the symmetric keys as they are now, which encrypt opaque access tokens and authenticate refresh tokens; it is
// never nil. They are not in the set that Keys returns.
func (s *Store) SealingKeys() *sealing.Set {
	return s.keys.sealing.snapshot.Load()
}

// GetCertificate returns the self-made serving certificate, in the form that tls.Config asks for. It returns an error
// until there is one.
func (s *Store) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if s.serving == nil {
		return nil, errors.New("get the serving certificate: the store was not asked to provide one")
	}
	if certificate := s.serving.certificate(); certificate != nil {
		return certificate, nil
	}
	return nil, fmt.Errorf("get the serving certificate: Secret %s has none yet", s.serving.name)
}

// Synced reports whether the store has seen every object that existed when the cache started.
func (s *Store) Synced() bool {
	for _, registration := range s.registrations {
		if !registration.HasSynced() {
			return false
		}
	}
	return true
}

// Ready returns nil when the store has all that it takes to serve tokens, and otherwise an error that says what is missing.
func (s *Store) Ready() error {
	var missing []string
	if !s.Synced() {
		missing = append(missing, "the caches are not synced")
	}
	if len(s.Keys().Algorithms()) == 0 {
		missing = append(missing, "no active signing key in namespace "+s.keys.namespace)
	}
	if s.serving != nil && s.serving.certificate() == nil {
		missing = append(missing, "no serving certificate in Secret "+s.serving.name.String())
	}
	if len(missing) == 0 {
		return nil
	}
	return errors.New("wait for Kubernetes: " + strings.Join(missing, ", "))
}

// A sink takes the state of objects of one kind, as events tell of it. set is called with an object that is there now, delete
// with the name of one that is gone. Calls about one object come one after the other; others may come at the same time.
type sink[T any] interface {
	set(object T)
	delete(name types.NamespacedName)
}

// handler turns informer events into calls of sinks. It drops updates that change nothing, which is what a periodic resync
// and a reconnect to the API server send.
func handler[T interface {
	comparable
	GetResourceVersion() string
}](sinks ...sink[T],
) toolscache.ResourceEventHandler {
	set := func(object any) {
		if typed, ok := object.(T); ok {
			for _, s := range sinks {
				s.set(typed)
			}
		}
	}
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc: set,
		UpdateFunc: func(before, after any) {
			b, okBefore := before.(T)
			if a, ok := after.(T); ok && okBefore && a.GetResourceVersion() == b.GetResourceVersion() {
				return
			}
			set(after)
		},
		DeleteFunc: func(object any) {
			// The key is right even for a toolscache.DeletedFinalStateUnknown, whose object may be out of date.
			key, err := toolscache.DeletionHandlingObjectToName(object)
			if err != nil {
				return
			}
			for _, s := range sinks {
				s.delete(types.NamespacedName{Namespace: key.Namespace, Name: key.Name})
			}
		},
	}
}
