// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package valkey

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

// A Store keeps sessions in one Valkey or Redis server. Its methods may be called concurrently.
type Store struct {
	client    valkey.Client
	mostSpent int
}

// New returns a Store. It connects at once, but a server that is down is no error: the Store connects when it is asked for
// something. It returns an error for options that cannot work, and for a password or CA file that cannot be read.
func New(ctx context.Context, o Options) (*Store, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	t, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	if _, err := o.password(); err != nil {
		return nil, err
	}
	if _, err := o.tlsConfig(t); err != nil {
		return nil, err
	}
	// Beside a client that will connect later the library returns why it could not do so now.
	client, err := valkey.NewClient(o.clientOption(t))
	if client == nil {
		return nil, fmt.Errorf("set up the Valkey client: %w", err)
	}
	s := &Store{client: client, mostSpent: o.MostSpent}
	if s.mostSpent == 0 {
		s.mostSpent = defaultMostSpent
	}
	return s, nil
}

// Client returns the connection, for others that keep something in the same server. Their keys begin with Prefix, too.
func (s *Store) Client() valkey.Client { return s.client }

// Close ends the connection. Every call fails after that.
func (s *Store) Close() { s.client.Close() }

// Create implements sessions.Store.
func (s *Store) Create(ctx context.Context, session *sessions.Session, most int) error {
	version := newVersion()
	value, err := encode(session, version)
	if err != nil {
		return unavailable("create session", session.ID, err)
	}
	member := nameOfSession(session.Owner, session.ID)
	answer, err := s.run(ctx, createScript, keysOf(session.Owner, member),
		value, milliseconds(session.ExpiresAt), member, strconv.Itoa(most), sessionPrefix, visitors(session))
	if err != nil {
		return unavailable("create session", session.ID, err)
	}
	if err := errorOf(answer); err != nil {
		return err
	}
	session.Version = version
	return nil
}

// keysOf returns the keys that a script for one session gets: its own, and the sorted sets of its owner's sessions and of visitors' among them.
func keysOf(owner sessions.Owner, member string) []string {
	return []string{sessionPrefix + member, sessionsPrefix + nameOfOwner(owner), visitorsPrefix + nameOfOwner(owner)}
}

// visitors tells a script whether a session is a visitor's.
func visitors(session *sessions.Session) string {
	if session.IsVisitors() {
		return "1"
	}
	return "0"
}

// Get implements sessions.Store.
func (s *Store) Get(ctx context.Context, owner sessions.Owner, id string) (*sessions.Session, error) {
	ctx, cancel, err := bounded(ctx)
	if err != nil {
		return nil, unavailable("get session", id, err)
	}
	defer cancel()
	value, err := s.client.Do(ctx, s.client.B().Get().Key(sessionPrefix+nameOfSession(owner, id)).Build()).ToString()
	if valkey.IsValkeyNil(err) {
		return nil, sessions.ErrNotFound
	}
	if err != nil {
		return nil, unavailable("get session", id, err)
	}
	session, err := decode(value)
	if err != nil {
		return nil, unavailable("get session", id, err)
	}
	return session, nil
}

// Replace implements sessions.Store.
func (s *Store) Replace(ctx context.Context, session *sessions.Session) error {
	version, before := newVersion(), session.Version
	if len(before) != versionBytes {
		before = strings.Repeat("-", versionBytes) // No session is at that one.
	}
	value, err := encode(session, version)
	if err != nil {
		return unavailable("replace session", session.ID, err)
	}
	member := nameOfSession(session.Owner, session.ID)
	answer, err := s.run(ctx, replaceScript, keysOf(session.Owner, member),
		before, value, milliseconds(session.ExpiresAt), member, visitors(session))
	if err != nil {
		return unavailable("replace session", session.ID, err)
	}
	if err := errorOf(answer); err != nil {
		return err
	}
	session.Version = version
	return nil
}

// End implements sessions.Store.
func (s *Store) End(ctx context.Context, owner sessions.Owner, id string) error {
	if _, err := s.end(ctx, owner, id, ""); err != nil {
		return unavailable("end session", id, err)
	}
	return nil
}

// end removes a session, whatever its version is if that is empty, and returns how many it removed.
func (s *Store) end(ctx context.Context, owner sessions.Owner, id, version string) (int, error) {
	member := nameOfSession(owner, id)
	removed, err := s.run(ctx, endScript, keysOf(owner, member), member, version)
	return int(removed), err
}

// Spend implements sessions.Store.
func (s *Store) Spend(ctx context.Context, spent sessions.Spent) error {
	member := nameOfSpent(spent.Owner, spent.Kind, spent.TokenID)
	answer, err := s.run(ctx, spendScript, []string{spentPrefix + member, spentsPrefix + nameOfOwnersSpent(spent.Owner, spent.Kind)},
		newVersion(), milliseconds(spent.ExpiresAt), member, strconv.Itoa(s.most(spent.Kind)))
	if err != nil {
		return unavailable("spend a token ID of", spent.Owner.Name, err)
	}
	return errorOf(answer)
}

// nonceFactor is how many nonces there may be for each token ID of another kind: a client needs one for each request, of ten minutes.
const nonceFactor = 30

// most returns how many spent token IDs of a kind an owner may have.
func (s *Store) most(kind string) int {
	if kind == sessions.KindNonce {
		return s.mostSpent * nonceFactor
	}
	return s.mostSpent
}

// Standing implements sessions.Store. It asks the server once, and never lags.
func (s *Store) Standing(ctx context.Context, owner sessions.Owner, tokenID, sessionID string) (bool, *sessions.Session, error) {
	ctx, cancel, err := bounded(ctx)
	if err != nil {
		return false, nil, unavailable("look up a token of session", sessionID, err)
	}
	defer cancel()
	values, err := s.client.Do(ctx, s.client.B().Mget().Key(
		spentPrefix+nameOfSpent(owner, sessions.KindAccessToken, tokenID), sessionPrefix+nameOfSession(owner, sessionID)).Build()).ToArray()
	if err == nil && len(values) != 2 {
		err = errAnswer
	}
	if err != nil {
		return false, nil, unavailable("look up a token of session", sessionID, err)
	}
	spent := !values[0].IsNil()
	if sessionID == "" || values[1].IsNil() {
		return spent, nil, nil
	}
	value, err := values[1].ToString()
	if err != nil {
		return false, nil, unavailable("look up a token of session", sessionID, err)
	}
	session, err := decode(value)
	if err != nil {
		return false, nil, unavailable("look up a token of session", sessionID, err)
	}
	return spent, session, nil
}

// errorOf returns what a script's answer means.
func errorOf(answer int64) error {
	switch answer {
	case answerDone:
		return nil
	case answerNotFound:
		return sessions.ErrNotFound
	case answerConflict:
		return sessions.ErrConflict
	case answerUsed:
		return sessions.ErrUsed
	case answerFull:
		return sessions.ErrFull
	case answerNoRoom:
		return sessions.ErrNoRoom
	default:
		return fmt.Errorf("%w: %w", sessions.ErrUnavailable, errAnswer)
	}
}

// run executes a script that answers with a number.
func (s *Store) run(ctx context.Context, script *valkey.Lua, keys []string, args ...string) (int64, error) {
	ctx, cancel, err := bounded(ctx)
	if err != nil {
		return 0, err
	}
	defer cancel()
	return script.Exec(ctx, s.client, keys, args).AsInt64()
}

// bounded returns a context for one command, or an error if ctx is done. A command that was begun is not given up when its caller
// goes: whether it was done would be uncertain, and a connection that it makes is for others as well.
func bounded(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commandTimeout)
	return ctx, cancel, nil
}

// maxQuotedID bounds how much of an ID gets into an error; those that NewID makes are shorter.
const maxQuotedID = 64

// unavailable says what could not be done, and why.
func unavailable(what, id string, err error) error {
	return fmt.Errorf("%s %q: %w: %w", what, id[:min(len(id), maxQuotedID)], sessions.ErrUnavailable, err)
}

// milliseconds writes a time as the server takes it.
func milliseconds(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
