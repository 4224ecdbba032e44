// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/go-jose/go-jose/v4"
	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
)

// clientIndex finds a client by its client ID. Readers take a published client without a lock; a change rebuilds only the
// clients of the IDs that it concerns.
type clientIndex struct {
	// published maps a client ID to its *clients.Client, and count is how many there are.
	published sync.Map
	count     atomic.Int64

	// mu guards the rest, which only event handlers touch.
	mu sync.Mutex
	// records holds what is known of an Integration or of Secrets that name it, whichever came first.
	records map[types.NamespacedName]*record
	// namedBy maps a credentials Secret to the Integration that its label named last.
	namedBy map[types.NamespacedName]types.NamespacedName
	// claims maps a client ID to the Integrations that hold it in their status. There is one, but for a conflict in flight.
	claims map[string][]*record
	// logins holds the sound logins by the names of their Secrets, and usedBy the Integrations that name those in status.granted, so
	// that a Secret's event costs no more than the Integrations it concerns.
	logins map[types.NamespacedName]*login
	usedBy map[types.NamespacedName]map[*record]struct{}
	// other finds the published clients by something else than their client ID; its readers take no lock either.
	other *otherNames
	// defaults are the Integrations that logins without a client are for where their URL names none.
	defaults []types.NamespacedName
	// log gets a line for each damaged key of a client.
	log *slog.Logger
}

// A record is what is known of one Integration.
type record struct {
	// integration is the informer's own object, which is read and never changed; nil while only Secrets name it.
	integration *v1alpha1.Integration
	credentials []credential
	// assertionKeys are the keys in the spec of integration, parsed when it changes.
	assertionKeys *jose.JSONWebKeySet
	// claim is the client ID under which the record is listed in claims, or empty.
	claim string
}

func newClientIndex(log *slog.Logger, defaults ...types.NamespacedName) *clientIndex {
	return &clientIndex{
		other: newOtherNames(), defaults: defaults,
		records: map[types.NamespacedName]*record{},
		namedBy: map[types.NamespacedName]types.NamespacedName{},
		claims:  map[string][]*record{},
		logins:  map[types.NamespacedName]*login{},
		usedBy:  map[types.NamespacedName]map[*record]struct{}{},
		log:     log,
	}
}

func (x *clientIndex) client(id string) (*clients.Client, bool) {
	value, ok := x.published.Load(id)
	if !ok {
		return nil, false
	}
	c, ok := value.(*clients.Client)
	return c, ok
}

func (x *clientIndex) integration(name types.NamespacedName) (*v1alpha1.Integration, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	r, ok := x.records[name]
	if !ok || r.integration == nil {
		return nil, false
	}
	return r.integration, true
}

func (x *clientIndex) len() int {
	return int(x.count.Load())
}

// integrationSink returns the side of the index that takes Integrations.
func (x *clientIndex) integrationSink() integrationSink { return integrationSink{x} }

type integrationSink struct{ index *clientIndex }

func (s integrationSink) set(integration *v1alpha1.Integration) {
	name := types.NamespacedName{Namespace: integration.Namespace, Name: integration.Name}
	s.index.change(name, func(r *record) {
		if before := r.integration; before == nil || before.UID != integration.UID || before.Generation != integration.Generation {
			r.assertionKeys = assertionKeysOf(integration, s.index.log)
		}
		r.integration = integration
	})
}

func (s integrationSink) delete(name types.NamespacedName) {
	s.index.change(name, func(r *record) { r.integration, r.assertionKeys = nil, nil })
}

// change applies edit to what is known of an Integration and publishes what follows from it.
func (x *clientIndex) change(name types.NamespacedName, edit func(*record)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.changeLocked(name, edit)
}

func (x *clientIndex) changeLocked(name types.NamespacedName, edit func(*record)) {
	r, ok := x.records[name]
	if !ok {
		r = &record{}
		x.records[name] = r
	}
	former := usersOf(r.integration)
	edit(r)
	r.settle()
	x.use(r, name.Namespace, former, usersOf(r.integration))
	if r.integration == nil && len(r.credentials) == 0 {
		delete(x.records, name)
	}
	before, after := r.claim, claimOf(r.integration)
	if before != after {
		x.move(r, after)
		x.publish(before)
	}
	x.publish(after)
	if slices.Contains(x.defaults, name) {
		x.chooseDefaults() // It may be known by now whom the name stands for, without a client.
	}
}

// move lists r in claims under another client ID; an empty one takes it off.
func (x *clientIndex) move(r *record, id string) {
	if r.claim != "" {
		rest := slices.DeleteFunc(x.claims[r.claim], func(other *record) bool { return other == r })
		if len(rest) == 0 {
			delete(x.claims, r.claim)
		} else {
			x.claims[r.claim] = rest
		}
	}
	r.claim = id
	if id != "" {
		x.claims[id] = append(x.claims[id], r)
	}
}

// publish makes the client of a client ID anew from whoever holds the ID now.
func (x *clientIndex) publish(id string) {
	if id == "" {
		return
	}
	holders := x.claims[id]
	if len(holders) == 0 {
		if before, was := x.published.LoadAndDelete(id); was {
			x.count.Add(-1)
			x.rename(before, nil, false)
		}
		return
	}
	holder := holders[0]
	for _, other := range holders[1:] {
		if other.integration.PrecedesForClientID(holder.integration) {
			holder = other
		}
	}
	c := x.newClient(holder)
	x.leaveOut(c.Users, holder.integration)
	before, was := x.published.Swap(id, c)
	if !was {
		x.count.Add(1)
	}
	x.rename(before, c, len(usersOf(holder.integration)) > 0)
}

// claimOf returns the client ID that an Integration contributes a client for, or nothing: when it is gone or going, when the
// controllers have not granted it anything yet, or when status holds another ID, or another profile, than the one it may want.
func claimOf(i *v1alpha1.Integration) string {
	if i == nil || i.DeletionTimestamp != nil || i.Status.Granted == nil || i.Status.ClientID != i.WantedClientID() {
		return ""
	}
	// The rest of the token server relies on a grant to be complete.
	if g := i.Status.Granted; !complete(g) || profileOf(g.Profile) != profileOf(i.Spec.Profile) {
		return ""
	}
	return i.Status.ClientID
}

// complete reports whether a grant says all that a client of its profile needs. One of OroCommerce is of an application, so that none lacks the
// bounds that this sets.
func complete(g *v1alpha1.Granted) bool {
	if len(g.Access) == 0 || g.SigningAlgorithm == "" || g.Lifetime.Duration <= 0 {
		return false
	}
	if (g.Profile == v1alpha1.ProfileOroCommerce) != (userKindOf(g.Application) != "") {
		return false
	}
	return !slices.ContainsFunc(g.UserLifetimes, func(l v1alpha1.UserLifetime) bool { return l.Lifetime.Duration <= 0 })
}
