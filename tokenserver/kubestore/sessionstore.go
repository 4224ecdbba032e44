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
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

// Kinds, as errors name them.
const (
	sessionKind    = "TokenSession"
	revocationKind = "TokenRevocation"
)

// Create implements sessions.Store. When the sessions beyond most cannot be ended it logs that and returns nil, as the login itself
// succeeded; the next login tries again. An expired session that is yet to be removed makes room for anybody's.
func (s *Sessions) Create(ctx context.Context, session *sessions.Session, most int) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	name, ok := sessionName(session.Owner, session.ID)
	if !ok {
		return failed("create", sessionKind, name, errors.New("the session's ID is not one of NewID's"))
	}
	if session.IsVisitors() && !s.hasRoomForVisitors(session.Owner, most) {
		return sessions.ErrNoRoom
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
	if err := s.evict(ctx, object, session.Owner, most); err != nil {
		s.log.WarnContext(ctx, "leave more sessions than the Integration may have until the next login",
			"integration", session.Owner.Namespace+"/"+session.Owner.Name, "most", most, "error", err)
	}
	return nil
}

// standing returns the sessions of an owner, if they are more than most, but for those that have ended and that somebody's finalizer holds.
func (s *Sessions) standing(owner sessions.Owner, most int) []*v1alpha1.TokenSession {
	return slices.DeleteFunc(s.sessions.beyond(group{owner: owner}, most), func(o *v1alpha1.TokenSession) bool {
		return o.DeletionTimestamp != nil
	})
}

// yields reports whether a session makes room for anybody's: a visitor's, or one that has expired.
func (s *Sessions) yields(o *v1alpha1.TokenSession) bool {
	return isVisitors(o) || !o.Status.ExpiresAt.After(s.now())
}

func isVisitors(o *v1alpha1.TokenSession) bool { return o.Spec.UserKind == clients.KindVisitor }

// hasRoomForVisitors reports whether an owner has fewer than most sessions that do not make room for a visitor's.
func (s *Sessions) hasRoomForVisitors(owner sessions.Owner, most int) bool {
	return len(slices.DeleteFunc(s.standing(owner, most-1), s.yields)) < most
}

// evict ends the sessions of an owner beyond most: those that yield before others, those that expire first before later ones, and the one
// that was just created never. If that is a visitor's, no other than those that yield.
func (s *Sessions) evict(ctx context.Context, created *v1alpha1.TokenSession, owner sessions.Owner, most int) error {
	candidates := s.standing(owner, most)
	excess := len(candidates) - most
	candidates = slices.DeleteFunc(candidates, func(o *v1alpha1.TokenSession) bool {
		return o.Name == created.Name || isVisitors(created) && !s.yields(o)
	})
	slices.SortFunc(candidates, func(a, b *v1alpha1.TokenSession) int {
		if yields := s.yields(a); yields != s.yields(b) {
			if yields {
				return -1
			}
			return 1
		}
		return cmp.Or(a.Status.ExpiresAt.Compare(b.Status.ExpiresAt.Time), cmp.Compare(a.Name, b.Name))
	})
	for _, candidate := range candidates {
		if excess <= 0 {
			break
		}
		err := s.makeRoom(ctx, candidate)
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

// makeRoom ends a session if it is still as it was seen, and a visitor's in any case: a visitor who refreshes it all the time must not have
// somebody else's make room in its place.
func (s *Sessions) makeRoom(ctx context.Context, o *v1alpha1.TokenSession) error {
	if isVisitors(o) {
		return s.live.Delete(ctx, target(o), client.Preconditions{UID: &o.UID})
	}
	return s.remove(ctx, o)
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
