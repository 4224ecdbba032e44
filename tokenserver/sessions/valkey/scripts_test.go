// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package valkey

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/valkey-io/valkey-go"

	"github.com/integration-operator/integration-operator/tokenserver/sessions"
	"github.com/integration-operator/integration-operator/tokenserver/sessions/valkey/valkeytest"
)

// TestScriptsThatAreSentTwice checks what happens when the library sends a script again because its answer was lost.
func TestScriptsThatAreSentTwice(t *testing.T) {
	server := valkeytest.Start(t)
	store, err := New(t.Context(), Options{URL: "valkey://" + server.Address, PasswordFile: server.PasswordFile})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	expires := milliseconds(time.Now().Add(time.Hour))
	a, b, c := strings.Repeat("a", versionBytes), strings.Repeat("b", versionBytes), strings.Repeat("c", versionBytes)
	session := []string{sessionPrefix + "s", sessionsPrefix + "o", visitorsPrefix + "o"}
	other := []string{sessionPrefix + "t", sessionsPrefix + "o", visitorsPrefix + "o"}
	for _, step := range []struct {
		name   string
		script *valkey.Lua
		keys   []string
		args   []string
		want   int64
	}{
		{"create", createScript, session, []string{a + "{}", expires, "s", "1", sessionPrefix, "0"}, answerDone},
		{"create again", createScript, session, []string{a + "{}", expires, "s", "1", sessionPrefix, "0"}, answerDone},
		{"create a visitor's beside it", createScript, other, []string{a + "{}", expires, "t", "1", sessionPrefix, "1"}, answerNoRoom},
		{"create a visitor's beside it again", createScript, other, []string{a + "{}", expires, "t", "1", sessionPrefix, "1"}, answerNoRoom},
		{"replace", replaceScript, session, []string{a, b + "{}", expires, "s", "0"}, answerDone},
		{"replace again", replaceScript, session, []string{a, b + "{}", expires, "s", "0"}, answerDone},
		{"replace from an old version", replaceScript, session, []string{a, c + "{}", expires, "s", "0"}, answerConflict},
		{"replace what is not there", replaceScript, other, []string{a, b + "{}", expires, "t", "0"}, answerNotFound},
		{"end an old version", endScript, session, []string{"s", a}, 0},
		{"end", endScript, session, []string{"s", b}, 1},
		{"end again", endScript, session, []string{"s", ""}, 0},
		{"create another", createScript, other, []string{a + "{}", expires, "t", "2", sessionPrefix, "0"}, answerDone},
		{"end all, of which one is not there", endAllScript, session[1:], []string{sessionPrefix, "s", "t"}, 1},
		{"end all again", endAllScript, session[1:], []string{sessionPrefix, "s", "t"}, 0},
		{"create a visitor's", createScript, other, []string{a + "{}", expires, "t", "1", sessionPrefix, "1"}, answerDone},
		{"create a visitor's again", createScript, other, []string{a + "{}", expires, "t", "1", sessionPrefix, "1"}, answerDone},
		{"replace a visitor's", replaceScript, other, []string{a, b + "{}", expires, "t", "1"}, answerDone},
		{"replace a visitor's again", replaceScript, other, []string{a, b + "{}", expires, "t", "1"}, answerDone},
		{"create one in its place", createScript, session, []string{a + "{}", expires, "s", "1", sessionPrefix, "0"}, answerDone},
		{"create one in its place again", createScript, session, []string{a + "{}", expires, "s", "1", sessionPrefix, "0"}, answerDone},
		{"end what has made room", endScript, other, []string{"t", ""}, 0},
		{"spend", spendScript, []string{spentPrefix + "s", spentsPrefix + "o"}, []string{a, expires, "s", "1"}, answerDone},
		{"spend again by the same call", spendScript, []string{spentPrefix + "s", spentsPrefix + "o"}, []string{a, expires, "s", "1"}, answerDone},
		{"spend again by another", spendScript, []string{spentPrefix + "s", spentsPrefix + "o"}, []string{b, expires, "s", "1"}, answerUsed},
		{"spend another", spendScript, []string{spentPrefix + "t", spentsPrefix + "o"}, []string{b, expires, "t", "1"}, answerFull},
	} {
		got, err := store.run(t.Context(), step.script, step.keys, step.args...)
		if got != step.want || err != nil {
			t.Errorf("%s: got %d (%v), want %d", step.name, got, err, step.want)
		}
	}
}

func TestNamesDoNotCollide(t *testing.T) {
	seen := map[string][]string{}
	for _, parts := range [][]string{{"a", "b", "c"}, {"ab", "c"}, {"a", "bc"}, {"abc"}, {"a", "b", "c", ""}, {"", "abc"}, {"a\x00", "bc"}, {}} {
		name := nameOf(parts...)
		if other, ok := seen[name]; ok || len(name) != 43 {
			t.Errorf("%q and %q have the name %q", other, parts, name)
		}
		seen[name] = parts
	}
}

func TestDecodeRefuses(t *testing.T) {
	s := &sessions.Session{ID: "s", IssuedAt: time.Unix(1, 0).UTC(), ExpiresAt: time.Unix(2, 0).UTC()}
	version := newVersion()
	value, err := encode(s, version)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decode(value)
	s.Version = version
	if diff := cmp.Diff(s, got); err != nil || diff != "" {
		t.Errorf("a session is another one after encoding (%v):\n%s", err, diff)
	}
	for name, damaged := range map[string]string{
		"nothing": "", "a version alone": version, "half of it": value[:len(value)/2], "no version": value[1:],
		"a short digest": strings.Replace(value, `"current":"AAAA`, `"current":"`, 1),
	} {
		if got, err := decode(damaged); err == nil {
			t.Errorf("%s: got %v, want an error", name, got)
		}
	}
}
