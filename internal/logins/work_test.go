// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package logins_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/integration-operator/integration-operator/internal/logins"
	"github.com/integration-operator/integration-operator/internal/passwords"
)

// The passwords of logins by how they are kept; the two last ones cost the same.
var kept = map[string]string{
	"bcrypt 4": hash, "bcrypt 5": "$2b$05" + hash[6:], "bcrypt 6": "$2y$06" + hash[6:],
	"argon2id":            "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzYWx0$c29tZXNhbHRzYWx0c29tZXNhbHRzYWx0",
	"argon2id, two lanes": "$argon2id$v=19$m=64,t=1,p=2$c29tZXNhbHRzYWx0$c29tZXNhbHRzYWx0c29tZXNhbHQ",
}

func loginsKept(t *testing.T, ways []string) []*logins.Login {
	t.Helper()
	var all []*logins.Login
	for _, way := range ways {
		parse, value := passwords.New, "correct horse"
		if way != "plain" {
			parse, value = passwords.Parse, kept[way]
		}
		password, err := parse([]byte(value))
		if err != nil {
			t.Fatalf("%s: %v", way, err)
		}
		all = append(all, &logins.Login{Username: way, Password: password})
	}
	return all
}

func TestLeftOut(t *testing.T) {
	tests := []struct {
		name     string
		inOrder  []string
		wantLeft []int
	}{
		{name: "no users"},
		{name: "plain passwords count however many there are", inOrder: []string{"plain", "plain", "plain"}},
		{name: "one kind of hash", inOrder: []string{"bcrypt 4", "bcrypt 4", "bcrypt 4"}},
		{name: "two kinds and plain passwords", inOrder: []string{"bcrypt 4", "plain", "bcrypt 5", "bcrypt 4", "plain"}},
		{name: "a third kind", inOrder: []string{"bcrypt 4", "bcrypt 5", "bcrypt 6"}, wantLeft: []int{2}},
		{
			name:    "all of the third and the fourth kind, wherever they are",
			inOrder: []string{"bcrypt 6", "argon2id", "bcrypt 4", "plain", "bcrypt 6", "bcrypt 5", "argon2id", "bcrypt 4"}, wantLeft: []int{2, 5, 7},
		},
		{name: "the order decides, not the cost", inOrder: []string{"bcrypt 6", "bcrypt 5", "bcrypt 4"}, wantLeft: []int{2}},
		{name: "lanes make a kind", inOrder: []string{"bcrypt 4", "argon2id", "argon2id, two lanes"}, wantLeft: []int{2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			all := loginsKept(t, tt.inOrder)
			before := slices.Clone(all)
			var got []int
			for _, login := range logins.LeftOut(all) {
				got = append(got, slices.Index(all, login))
			}
			if diff := cmp.Diff(tt.wantLeft, got); diff != "" {
				t.Errorf("left out (-want +got):\n%s", diff)
			}
			if !slices.Equal(before, all) {
				t.Error("LeftOut changed its input")
			}
		})
	}
}

// FuzzLeftOut checks on users of any kinds in any order that the rest has at most two slow kinds, that nobody is left out without need,
// and that whoever comes later does not matter to who comes before.
func FuzzLeftOut(f *testing.F) {
	for _, seed := range []string{"", "p", "0", "01", "012", "210", "0p1p2", "3401", "0123401234", strings.Repeat("012", 21)} {
		f.Add(seed)
	}
	names := []string{"bcrypt 4", "bcrypt 5", "bcrypt 6", "argon2id", "argon2id, two lanes"}
	f.Fuzz(func(t *testing.T, users string) {
		var ways []string
		for _, user := range users[:min(len(users), 64)] {
			if way := int(user - '0'); way >= 0 && way < len(names) {
				ways = append(ways, names[way])
			} else {
				ways = append(ways, "plain")
			}
		}
		all := loginsKept(t, ways)
		left := logins.LeftOut(all)
		counting := map[string]bool{}
		for i, login := range all {
			out := slices.Contains(left, login)
			if early := slices.Contains(logins.LeftOut(all[:i+1]), login); early != out {
				t.Errorf("user %d is left out: %t, and without those behind %t", i, out, early)
			}
			if !login.Password.Slow() {
				if out {
					t.Errorf("user %d is left out with a plain password", i)
				}
				continue
			}
			work := login.Password.Work()
			if out && (counting[work] || len(counting) < logins.MaxSlowWorks) {
				t.Errorf("user %d is left out without need", i)
			}
			if !out {
				counting[work] = true
			}
		}
		if len(counting) > logins.MaxSlowWorks {
			t.Errorf("got the kinds %v, want at most %d", counting, logins.MaxSlowWorks)
		}
	})
}
