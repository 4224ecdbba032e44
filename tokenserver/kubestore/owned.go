// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"maps"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

// freshFor is how long a session that this replica created counts before its informer has seen it. Informers take milliseconds; what
// one has not seen by then it may have missed altogether, created and deleted, while it was cut off. Whoever does not find a session
// here asks the API server. Nobody does for a revocation, so that one counts until it expires: what is spent once stays spent.
const freshFor = 10 * time.Second

// pruneEvery is how often what has not been seen in time is looked for.
const pruneEvery = freshFor

// A group is the objects of one kind that are counted together: an Integration's sessions, or its spent token IDs of one kind.
type group struct {
	owner sessions.Owner
	kind  v1alpha1.RevokedTokenType
}

// An ownedIndex knows the objects of one kind by their name and by the group that they count in. It holds the informer's own
// objects, which are read and never changed, and those that this replica has just created: who counts an owner's objects counts them
// at once.
type ownedIndex[T client.Object] struct {
	now func() time.Time

	// mu guards the rest.
	mu      sync.RWMutex
	objects map[types.NamespacedName]T
	byGroup map[group]map[types.NamespacedName]struct{}
	// fresh says how long those objects count that the informer has not seen yet, and pruned when it was last gone through.
	fresh  map[types.NamespacedName]time.Time
	pruned time.Time
}

func newOwnedIndex[T client.Object](now func() time.Time) *ownedIndex[T] {
	return &ownedIndex[T]{
		now:     now,
		objects: map[types.NamespacedName]T{},
		byGroup: map[group]map[types.NamespacedName]struct{}{},
		fresh:   map[types.NamespacedName]time.Time{},
	}
}

// set takes the state of an object from the informer.
func (x *ownedIndex[T]) set(object T) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.replace(object)
}

// delete forgets an object.
func (x *ownedIndex[T]) delete(name types.NamespacedName) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.remove(name)
}

// created takes in an object that this replica has just created, unless the informer was faster. It counts until a time, or for good
// once the informer has seen it.
func (x *ownedIndex[T]) created(object T, until time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.prune()
	name := client.ObjectKeyFromObject(object)
	if _, known := x.objects[name]; !known {
		x.replace(object)
		x.fresh[name] = until
	}
}

// prune forgets what the informer has not seen in time. While that lags there may be much to go through, so it is not done at each call.
func (x *ownedIndex[T]) prune() {
	now := x.now()
	if now.Sub(x.pruned) < pruneEvery {
		return
	}
	x.pruned = now
	for name, until := range x.fresh {
		if now.After(until) {
			x.remove(name)
		}
	}
}

// get returns the named object.
func (x *ownedIndex[T]) get(name types.NamespacedName) (T, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	object, ok := x.objects[name]
	if until, fresh := x.fresh[name]; fresh && x.now().After(until) {
		var none T
		return none, false
	}
	return object, ok
}

// count returns how many objects of a group there are.
func (x *ownedIndex[T]) count(g group) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.prune() // Otherwise what the informer has missed would fill the group for good.
	return len(x.byGroup[g])
}

// beyond returns all objects of a group if they are more than most, and otherwise nil.
func (x *ownedIndex[T]) beyond(g group, most int) []T {
	x.mu.RLock()
	defer x.mu.RUnlock()
	names := x.byGroup[g]
	if len(names) <= most {
		return nil
	}
	objects := make([]T, 0, len(names))
	for name := range names {
		objects = append(objects, x.objects[name])
	}
	return objects
}

// all returns every object.
func (x *ownedIndex[T]) all() []T {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return slices.Collect(maps.Values(x.objects))
}

func (x *ownedIndex[T]) replace(object T) {
	name := client.ObjectKeyFromObject(object)
	x.remove(name)
	x.objects[name] = object
	if g, ok := groupOf(object); ok {
		if x.byGroup[g] == nil {
			x.byGroup[g] = map[types.NamespacedName]struct{}{}
		}
		x.byGroup[g][name] = struct{}{}
	}
}

func (x *ownedIndex[T]) remove(name types.NamespacedName) {
	delete(x.fresh, name)
	object, ok := x.objects[name]
	if !ok {
		return
	}
	delete(x.objects, name)
	if g, ok := groupOf(object); ok {
		delete(x.byGroup[g], name)
		if len(x.byGroup[g]) == 0 {
			delete(x.byGroup, g)
		}
	}
}

// groupOf returns what an object counts as; false if it is no Integration's.
func groupOf(object client.Object) (group, bool) {
	owner, ok := ownerOf(object)
	g := group{owner: owner}
	if revocation, spent := object.(*v1alpha1.TokenRevocation); spent {
		g.kind = revocation.Spec.TokenType
	}
	return g, ok
}

// controllerOf returns the Integration that controls an object; false if none does.
func controllerOf(object client.Object) (metav1.OwnerReference, bool) {
	owner := metav1.GetControllerOfNoCopy(object)
	if owner == nil || owner.Kind != integrationKind || owner.UID == "" {
		return metav1.OwnerReference{}, false
	}
	gv, err := schema.ParseGroupVersion(owner.APIVersion)
	return *owner, err == nil && gv.Group == v1alpha1.GroupVersion.Group
}

// ownerOf returns the Integration that an object belongs to. It is in the object's namespace, whatever the object says: anybody may
// write down another's UID.
func ownerOf(object client.Object) (sessions.Owner, bool) {
	owner, ok := controllerOf(object)
	return sessions.Owner{Namespace: object.GetNamespace(), Name: owner.Name, UID: string(owner.UID)}, ok
}
