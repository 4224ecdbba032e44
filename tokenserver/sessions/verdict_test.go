// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sessions

import (
	"crypto/sha256"
	"regexp"
	"testing"
	"time"
)

func digestOf(token string) [sha256.Size]byte {
	if token == "" {
		return [sha256.Size]byte{}
	}
	return sha256.Sum256([]byte(token))
}

func TestJudge(t *testing.T) {
	rotated := time.Unix(1_800_000_000, 123_000)
	session := func() *Session {
		return &Session{
			Current: digestOf("current"), Previous: digestOf("previous"), RotatedAt: rotated, Rotations: 3, ExpiresAt: rotated.Add(time.Hour),
		}
	}
	fresh := session()
	fresh.Previous, fresh.RotatedAt, fresh.Rotations = digestOf(""), time.Time{}, 0
	unrefreshed := session()
	unrefreshed.Current, unrefreshed.Previous, unrefreshed.RotatedAt, unrefreshed.Rotations = digestOf(""), digestOf(""), time.Time{}, 0
	const grace = 10 * time.Second
	tests := []struct {
		name      string
		session   *Session
		presented string
		now       time.Time
		grace     time.Duration
		want      verdict
	}{
		{"the current token", session(), "current", rotated, 0, current},
		{"the current token much later", session(), "current", rotated.Add(time.Hour - 1), 0, current},
		{"the current token with a grace period", session(), "current", rotated.Add(time.Minute), grace, current},
		{"the current token when the session expires", session(), "current", rotated.Add(time.Hour), 0, expired},
		{"the current token of an expired session", session(), "current", rotated.Add(2 * time.Hour), grace, expired},
		{"the token before without a grace period", session(), "previous", rotated, 0, reused},
		{"the token before at once", session(), "previous", rotated, grace, replay},
		{"the token before at the end of the grace period", session(), "previous", rotated.Add(grace - 1), grace, replay},
		{"the token before after the grace period", session(), "previous", rotated.Add(grace), grace, reused},
		{"the token before on a replica whose clock is behind", session(), "previous", rotated.Add(-time.Second), grace, replay},
		{"the token before, without a grace period, on a replica whose clock is behind", session(), "previous", rotated.Add(-time.Second), 0, reused},
		{"the token before in an expired session", session(), "previous", rotated.Add(time.Hour), 2 * time.Hour, expired},
		{"a token from long ago", session(), "older", rotated, 0, reused},
		{"a token from long ago within the grace period", session(), "older", rotated, grace, reused},
		{"a token from long ago in an expired session", session(), "older", rotated.Add(time.Hour), grace, expired},
		{"another token of a new session", fresh, "other", rotated, grace, reused},
		{"no token of a new session", fresh, "", time.Time{}, grace, reused},
		{"a token of a login without refresh tokens", unrefreshed, "current", rotated, grace, reused},
		{"no token of a login without refresh tokens", unrefreshed, "", rotated, grace, reused},
		{"the first token of a new session", fresh, "current", rotated, 0, current},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := judge(tt.session, digestOf(tt.presented), tt.now, tt.grace); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestSucceed(t *testing.T) {
	rotated := time.Unix(1_800_000_000, 0)
	s := &Session{
		ID: "s", Username: "alice", Scopes: []string{"read"}, Version: "7", Current: digestOf("b"), Previous: digestOf("a"), RotatedAt: rotated,
		Rotations: 1, KeyID: "old", ExpiresAt: rotated.Add(time.Hour),
	}
	next := &Session{
		ID: "other", Username: "mallory", Scopes: []string{"all"}, Version: "1", Current: digestOf("c"), Previous: digestOf("x"), Rotations: 99, KeyID: "new",
		Fingerprint: digestOf("f"), ExpiresAt: rotated.Add(2 * time.Hour), RotatedAt: rotated.Add(99 * time.Hour),
	}
	now := rotated.Add(time.Minute + 1234*time.Nanosecond)
	for _, tt := range []struct {
		name         string
		verdict      verdict
		wantPrevious string
		wantRotated  time.Time
	}{
		{"the current token becomes the one before", current, "b", rotated.Add(time.Minute + time.Microsecond)},
		{"a replay does not change which token is the one before, nor since when", replay, "a", rotated},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := succeed(s, next, tt.verdict, now)
			if got.Current != next.Current || got.KeyID != "new" || got.Fingerprint != next.Fingerprint || !got.ExpiresAt.Equal(next.ExpiresAt) {
				t.Errorf("got %+v, want the token, key, fingerprint and expiry of the next", got)
			}
			if got.ID != "s" || got.Username != "alice" || got.Scopes[0] != "read" || got.Version != "7" || got.Rotations != 2 {
				t.Errorf("got %+v, want the rest of the session before, refreshed once more", got)
			}
			if got.Previous != digestOf(tt.wantPrevious) || !got.RotatedAt.Equal(tt.wantRotated) {
				t.Errorf("got %x since %s, want the digest of %q since %s", got.Previous, got.RotatedAt, tt.wantPrevious, tt.wantRotated)
			}
		})
	}
}

func TestNewID(t *testing.T) {
	form, seen := regexp.MustCompile(`^[a-z0-9]{26}$`), map[string]bool{}
	for range 1000 {
		id := NewID()
		if !form.MatchString(id) || seen[id] {
			t.Fatalf("got %q, want 26 lower case letters and digits that are like no others", id)
		}
		seen[id] = true
	}
}
