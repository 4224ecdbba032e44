// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

const (
	// listPage is how many TokenSessions are read at once.
	listPage = 500
	// endsAtOnce is how many of a user's sessions are ended at once, so that one call leaves others their turn.
	endsAtOnce = 16
)

// EndUser implements sessions.Store. It asks the API server which sessions there are, as the informers may not know of the latest login. A
// selector by label has it answer with the user's only.
func (s *Sessions) EndUser(ctx context.Context, owner sessions.Owner, username, kind string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	asked := types.NamespacedName{Namespace: owner.Namespace, Name: owner.Name}
	selectors, err := userSelectors(owner, username, kind)
	if err != nil {
		return 0, failed("select", sessionKind, asked, err)
	}
	isTheirs := func(session *sessions.Session) bool {
		return session.Owner == owner && session.Username == username && session.UserKind == kind
	}
	ended := 0
	for _, selector := range selectors {
		list := &v1alpha1.TokenSessionList{}
		for page := true; page; page = list.Continue != "" {
			o := &client.ListOptions{Namespace: owner.Namespace, LabelSelector: selector, Limit: listPage, Continue: list.Continue}
			list = &v1alpha1.TokenSessionList{}
			if err := s.live.List(ctx, list, o); err != nil {
				return ended, failed("list", sessionKind, asked, err)
			}
			n, err := s.endAll(ctx, list.Items, isTheirs)
			ended += n
			if err != nil {
				return ended, err
			}
		}
	}
	return ended, nil
}

// userSelectors returns the selectors that together find every session of a user: by its label, and the owner's sessions that have no such
// label. Those were written by a version of the operator that did not know it, maybe a moment ago by a replica that is yet to be updated.
func userSelectors(owner sessions.Owner, username, kind string) ([]labels.Selector, error) {
	unlabelled, err := labels.NewRequirement(labelUser, selection.DoesNotExist, nil)
	if err != nil {
		return nil, fmt.Errorf("select by label %s: %w", labelUser, err)
	}
	return []labels.Selector{
		labels.SelectorFromSet(labels.Set{labelUser: userLabel(owner, username, kind)}),
		labels.SelectorFromSet(labels.Set{v1alpha1.LabelIntegration: owner.Name}).Add(*unlabelled),
	}, nil
}

// endAll ends those of some sessions that match, and returns how many it ended and the first error. A label proves nothing, so what the
// object itself says decides.
func (s *Sessions) endAll(ctx context.Context, objects []v1alpha1.TokenSession, match func(*sessions.Session) bool) (int, error) {
	var mu sync.Mutex
	var first error
	var group sync.WaitGroup
	ended, turns := 0, make(chan struct{}, endsAtOnce)
	for i := range objects {
		if session, ok := sessionOf(&objects[i]); !ok || !match(session) {
			continue
		}
		turns <- struct{}{}
		group.Go(func() {
			defer func() { <-turns }()
			deleted, err := s.endOne(ctx, client.ObjectKeyFromObject(&objects[i]), objects[i].UID)
			mu.Lock()
			defer mu.Unlock()
			if deleted {
				ended++
			}
			if first == nil {
				first = err
			}
		})
	}
	group.Wait()
	return ended, first
}
