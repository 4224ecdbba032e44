// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package passwords_test

import (
	"strings"
	"testing"
)

func TestWork(t *testing.T) {
	for want, got := range map[string]string{
		"plain": newPassword(t, plain).Work(), "bcrypt 04": parse(t, bcrypt2a).Work(), "bcrypt 05": parse(t, bcrypt2b).Work(),
		"argon2id 1024 2 2": parse(t, argon2Two).Work(), "argon2id 64 1 1": parse(t, argon2Small).Work(),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if parse(t, bcrypt2y).Work() != parse(t, bcrypt2b).Work() {
		t.Error("the versions of bcrypt cost the same")
	}
	want := parse(t, argon2Two).Work()
	for name, hash := range map[string]string{
		"a shorter key": argon2Two[:len(argon2Two)-23] + "AA",
	} {
		if got := parse(t, hash).Work(); got != want {
			t.Errorf("%s: got %q, want %q as before", name, got, want)
		}
	}
	for name, hash := range map[string]string{
		"more memory": strings.Replace(argon2Two, "m=1024", "m=1025", 1), "more passes": strings.Replace(argon2Two, "t=2", "t=3", 1),
		"fewer lanes": strings.Replace(argon2Two, "p=2", "p=1", 1),
	} {
		if got := parse(t, hash).Work(); got == want {
			t.Errorf("%s: got %q, want another than before", name, got)
		}
	}
}
