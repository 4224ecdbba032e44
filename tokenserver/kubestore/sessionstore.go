// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

// Kinds, as errors name them.
const (
	sessionKind    = "TokenSession"
	revocationKind = "TokenRevocation"
)

// Create implements sessions.Store. When the sessions beyond most cannot be ended it logs that and returns nil, as the login itself
// succeeded; the next login tries again.
func (s *Sessions) Create(ctx context.Context, session *sessions.Session, most int) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	name, ok := sessionName(session.Owner, session.ID)
	if !ok {
		return failed("create", sessionKind, name, errors.New("the session's ID is not one of NewID's"))
	}
	object := objectOf(session, name.Name)
	if err := s.live.Create(ctx, object); err != nil {
		return failed("create", sessionKind, name, err)
	}
	session.Version = versionOf(object)
	object.ManagedFields = nil
	if !s.ended.Contains(name) { // Somebody else may have ended it meanwhile.
		s.sessions.created(object, s.now().Add(freshFor))
	}
	if err := s.evict(ctx, session.Owner, most, name.Name); err != nil {
		s.log.WarnContext(ctx, "leave more sessions than the Integration may have until the next login",
			"integration", session.Owner.Namespace+"/"+session.Owner.Name, "most", most, "error", err)
	}
	return nil
}

// evict ends the sessions of an owner beyond most, those that expire first before others and the new one never.
func (s *Sessions) evict(ctx context.Context, owner sessions.Owner, most int, created string) error {
	candidates := slices.DeleteFunc(s.sessions.beyond(group{owner: owner}, most), func(o *v1alpha1.TokenSession) bool {
		return o.DeletionTimestamp != nil // It has ended, and somebody's finalizer holds it.
	})
	excess := len(candidates) - most
	slices.SortFunc(candidates, func(a, b *v1alpha1.TokenSession) int {
		return cmp.Or(a.Status.ExpiresAt.Compare(b.Status.ExpiresAt.Time), cmp.Compare(a.Name, b.Name))
	})
	for _, candidate := range candidates {
		if excess <= 0 {
			break
		}
		if candidate.Name == created {
			continue
		}
		err := s.remove(ctx, candidate)
		switch {
		case apierrors.IsConflict(err):
			continue // It was refreshed a moment ago, so it does not expire first any more.
		case err != nil && !apierrors.IsNotFound(err):
			return failed("delete", sessionKind, client.ObjectKeyFromObject(candidate), err)
		}
		s.forget(client.ObjectKeyFromObject(candidate))
		excess--
	}
	return nil
}

// remove deletes an object if it is still as it was seen.
func (s *Sessions) remove(ctx context.Context, object client.Object) error {
	uid, version := object.GetUID(), object.GetResourceVersion()
	return s.live.Delete(ctx, target(object), client.Preconditions{UID: &uid, ResourceVersion: &version})
}

// target returns an object that names another one, which the informer shares and nobody may write to.
func target(object client.Object) client.Object {
	metadata := metav1.ObjectMeta{Namespace: object.GetNamespace(), Name: object.GetName()}
	if _, ok := object.(*v1alpha1.TokenRevocation); ok {
		return &v1alpha1.TokenRevocation{ObjectMeta: metadata}
	}
	return &v1alpha1.TokenSession{ObjectMeta: metadata}
}

// Get implements sessions.Store by a quorum read, unless the session is known to have ended.
func (s *Sessions) Get(ctx context.Context, owner sessions.Owner, id string) (*sessions.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, session, err := s.read(ctx, owner, id)
	return session, err
}

// read returns the session as the API server has it now, and the UID of its object. What does not belong to owner is not found. What
// has ended costs no call: the refresh token of an ended session may be presented as often as its holder likes.
func (s *Sessions) read(ctx context.Context, owner sessions.Owner, id string) (types.UID, *sessions.Session, error) {
	name, ok := sessionName(owner, id)
	if !ok {
		return "", nil, sessions.ErrNotFound
	}
	if s.ended.Contains(name) {
		return "", nil, sessions.ErrNotFound
	}
	object := &v1alpha1.TokenSession{}
	switch err := s.live.Get(ctx, name, object); {
	case apierrors.IsNotFound(err):
		s.forget(name)
		return "", nil, sessions.ErrNotFound
	case err != nil:
		return "", nil, failed("get", sessionKind, name, err)
	}
	session, ok := sessionOf(object)
	if !ok || session.Owner != owner {
		return "", nil, sessions.ErrNotFound
	}
	return object.UID, session, nil
}

// Replace implements sessions.Store by one patch, which the API server refuses unless the resource version is still the session's.
func (s *Sessions) Replace(ctx context.Context, session *sessions.Session) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	name, ok := sessionName(session.Owner, session.ID)
	version, current := resourceVersionOf(session)
	if !ok || !current {
		return sessions.ErrNotFound
	}
	patch, err := patchOf(session, version)
	if err != nil {
		return failed("patch", sessionKind, name, err)
	}
	object := &v1alpha1.TokenSession{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name}}
	switch err := s.live.Patch(ctx, object, client.RawPatch(types.MergePatchType, patch)); {
	case apierrors.IsNotFound(err):
		s.forget(name)
		return sessions.ErrNotFound
	case apierrors.IsConflict(err):
		// A session that ended in between is a conflict to the API server, too.
		if _, _, err := s.read(ctx, session.Owner, session.ID); err != nil {
			return err
		}
		return sessions.ErrConflict
	case err != nil:
		return failed("patch", sessionKind, name, err)
	}
	session.Version = versionOf(object)
	return nil
}

// End implements sessions.Store.
func (s *Sessions) End(ctx context.Context, owner sessions.Owner, id string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	uid, _, err := s.read(ctx, owner, id)
	switch {
	case errors.Is(err, sessions.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	name, _ := sessionName(owner, id)
	_, err = s.endOne(ctx, name, uid)
	return err
}

// endOne ends the session in an object, whatever refreshes it meanwhile, and reports whether it was this call that ended it.
func (s *Sessions) endOne(ctx context.Context, name types.NamespacedName, uid types.UID) (bool, error) {
	object := &v1alpha1.TokenSession{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name}}
	err := s.live.Delete(ctx, object, client.Preconditions{UID: &uid})
	// A conflict is about the UID: it is another object by now.
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return false, failed("delete", sessionKind, name, err)
	}
	s.forget(name)
	return err == nil, nil
}

// Spend implements sessions.Store. The API server creates one object of a name only.
func (s *Sessions) Spend(ctx context.Context, spent sessions.Spent) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	name := revocationName(spent.Owner, spent.Kind, spent.TokenID)
	if _, known := s.revocations.get(name); known {
		return sessions.ErrUsed
	}
	object := revocationOf(spent, name.Name)
	// What has expired counts until it is removed, as it takes the same room in etcd: a client may choose that its token IDs expire at once.
	if counted, _ := groupOf(object); s.revocations.count(counted) >= s.mostSpent {
		return sessions.ErrFull
	}
	err := s.live.Create(ctx, object)
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return failed("create", revocationKind, name, err)
	}
	// One that was there already is spent as well, whether or not the informer gets to see it.
	object.ManagedFields = nil
	s.revocations.created(object, object.Spec.ExpiresAt.Time)
	if err != nil {
		return sessions.ErrUsed
	}
	return nil
}

// Standing implements sessions.Store from the informers. The session is shared with them, and its lists must not be changed.
func (s *Sessions) Standing(
	ctx context.Context, owner sessions.Owner, tokenID, id string,
) (spent bool, session *sessions.Session, err error) {
	if !s.Synced() {
		// Until then a revoked token looks like any other.
		return false, nil, fmt.Errorf("look up a token: %w: %w", sessions.ErrUnavailable, errNotSynced)
	}
	if tokenID != "" {
		// A record that is there counts, whoever made it: Spend refuses the ID because of it, too.
		_, spent = s.revocations.get(revocationName(owner, sessions.KindAccessToken, tokenID))
	}
	name, ok := sessionName(owner, id)
	if !ok {
		return spent, nil, nil
	}
	if object, known := s.sessions.get(name); known {
		if session, ok = sessionOf(object); ok && session.Owner == owner {
			return spent, session, nil
		}
		return spent, nil, nil
	}
	if s.ended.Contains(name) {
		return spent, nil, nil
	}
	session, err = s.Get(ctx, owner, id)
	if errors.Is(err, sessions.ErrNotFound) {
		return spent, nil, nil
	}
	return spent, session, err
}
