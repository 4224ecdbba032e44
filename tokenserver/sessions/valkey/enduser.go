// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package valkey

import (
	"context"
	"slices"

	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

// EndUser implements sessions.Store. It goes through the sessions that the owner has when it begins, some at a time and within the time of one
// command: a session that is refreshed meanwhile stays under its name.
func (s *Store) EndUser(ctx context.Context, owner sessions.Owner, username, kind string) (int, error) {
	ctx, cancel, err := bounded(ctx)
	if err != nil {
		return 0, unavailable("end a user's sessions of", owner.Name, err)
	}
	defer cancel()
	// An owner has no more of them than Create lets it have.
	members, err := s.client.Do(ctx, s.client.B().Zrange().Key(sessionsPrefix+nameOfOwner(owner)).Min("0").Max("-1").Build()).AsStrSlice()
	if err != nil {
		return 0, unavailable("end a user's sessions of", owner.Name, err)
	}
	ended := 0
	for some := range slices.Chunk(members, batch) {
		n, err := s.endSome(ctx, owner, some, func(session *sessions.Session) bool {
			return session.Owner == owner && session.Username == username && session.UserKind == kind
		})
		ended += n
		if err != nil {
			return ended, unavailable("end a user's sessions of", owner.Name, err)
		}
	}
	return ended, nil
}

// endSome removes those of some of an owner's sessions that match, and returns how many it removed. One that cannot be read is no session of
// anybody's.
func (s *Store) endSome(ctx context.Context, owner sessions.Owner, members []string, match func(*sessions.Session) bool) (int, error) {
	keys := make([]string, len(members))
	for i, member := range members {
		keys[i] = sessionPrefix + member
	}
	values, err := s.get(ctx, keys)
	if err != nil {
		return 0, err
	}
	if len(values) != len(members) {
		return 0, errAnswer
	}
	args := []string{sessionPrefix}
	for i, message := range values {
		value, err := message.ToString()
		if err != nil {
			continue // It has gone meanwhile.
		}
		if session, err := decode(value); err == nil && match(session) {
			args = append(args, members[i])
		}
	}
	if len(args) == 1 {
		return 0, nil
	}
	removed, err := endAllScript.Exec(ctx, s.client, keysOf(owner, "")[1:], args).AsInt64()
	return int(removed), err
}
