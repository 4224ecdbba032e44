// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package valkey

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

var errAnswer = errors.New("the server answers with something else than was asked for")

// batch is how many keys a sweep, or the end of a user's sessions, handles with one command, so that none keeps the server from others for long.
const batch = 200

// Sweep implements sessions.Store. The server removes what expires by its own clock; this removes the rest, and what expires by the
// caller's. It goes through all keys of the database, some at a time, and stops when ctx is done.
func (s *Store) Sweep(ctx context.Context, now time.Time, dead func(*sessions.Session) bool) (int, error) {
	removed := 0
	count := func(n int, err error) error {
		removed += n
		return err
	}
	err := s.scan(ctx, sessionPrefix+"*", func(keys []string) error {
		return count(s.sweepSessions(ctx, keys, now, dead))
	})
	if err == nil {
		err = s.scan(ctx, spentsPrefix+"*", func(keys []string) error {
			for _, key := range keys {
				if err := count(s.forget(ctx, key, now)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		return removed, unavailable("sweep", Prefix, err)
	}
	return removed, nil
}

// scan calls f with all keys of a pattern, some at a time. Some may come twice.
func (s *Store) scan(ctx context.Context, pattern string, f func(keys []string) error) error {
	for cursor := uint64(0); ; {
		entry, err := s.scanOnce(ctx, cursor, pattern)
		if err != nil {
			return err
		}
		if len(entry.Elements) > 0 {
			if err := f(entry.Elements); err != nil {
				return err
			}
		}
		if cursor = entry.Cursor; cursor == 0 {
			return nil
		}
	}
}

func (s *Store) scanOnce(ctx context.Context, cursor uint64, pattern string) (valkey.ScanEntry, error) {
	ctx, cancel, err := bounded(ctx)
	if err != nil {
		return valkey.ScanEntry{}, err
	}
	defer cancel()
	return s.client.Do(ctx, s.client.B().Scan().Cursor(cursor).Match(pattern).Count(batch).Build()).AsScanEntry()
}

// sweepSessions removes those of some sessions that are expired or dead, and have not changed since they were looked at. One that
// cannot be read stays until it expires.
func (s *Store) sweepSessions(ctx context.Context, keys []string, now time.Time, dead func(*sessions.Session) bool) (int, error) {
	values, err := s.values(ctx, keys)
	if err != nil {
		return 0, err
	}
	removed := 0
	for _, message := range values {
		value, err := message.ToString()
		if err != nil {
			continue // It has gone meanwhile.
		}
		session, err := decode(value)
		if err != nil || now.Before(session.ExpiresAt) && !dead(session) {
			continue
		}
		n, err := s.end(ctx, session.Owner, session.ID, session.Version)
		removed += n
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

func (s *Store) values(ctx context.Context, keys []string) ([]valkey.ValkeyMessage, error) {
	ctx, cancel, err := bounded(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	return s.get(ctx, keys)
}

func (s *Store) get(ctx context.Context, keys []string) ([]valkey.ValkeyMessage, error) {
	return s.client.Do(ctx, s.client.B().Mget().Key(keys...).Build()).ToArray()
}

// forget removes the expired of an owner's spent token IDs of one kind, of which key is the sorted set.
func (s *Store) forget(ctx context.Context, key string, now time.Time) (int, error) {
	removed := 0
	for {
		answer, err := s.forgetSome(ctx, key, now)
		if err != nil {
			return removed, err
		}
		removed += int(answer[0])
		if answer[1] < batch {
			return removed, nil
		}
	}
}

func (s *Store) forgetSome(ctx context.Context, key string, now time.Time) ([2]int64, error) {
	ctx, cancel, err := bounded(ctx)
	if err != nil {
		return [2]int64{}, err
	}
	defer cancel()
	answer, err := forgetScript.Exec(ctx, s.client, []string{key}, []string{milliseconds(now), spentPrefix, strconv.Itoa(batch)}).AsIntSlice()
	if err != nil {
		return [2]int64{}, err
	}
	if len(answer) != 2 {
		return [2]int64{}, errAnswer
	}
	return [2]int64(answer), nil
}
