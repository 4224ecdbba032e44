// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package passwords_test

import "testing"

func TestWork(t *testing.T) {
	for want, got := range map[string]string{
		"plain": newPassword(t, plain).Work(), "bcrypt 04": parse(t, bcrypt2a).Work(), "bcrypt 05": parse(t, bcrypt2b).Work(),
		"argon2id 1024 2 2 32": parse(t, argon2Two).Work(), "argon2id 64 1 1 16": parse(t, argon2Small).Work(),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if parse(t, bcrypt2y).Work() != parse(t, bcrypt2b).Work() {
		t.Error("the versions of bcrypt cost the same")
	}
}
