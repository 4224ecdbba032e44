// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/bcrypt"

	"github.com/integration-operator/integration-operator/internal/passwords"
)

func plain(tb testing.TB, password string) *passwords.Password {
	tb.Helper()
	p, err := passwords.New([]byte(password))
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func hashed(tb testing.TB, password string, cost int) *passwords.Password {
	tb.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		tb.Fatal(err)
	}
	p, err := passwords.Parse(hash)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// withUsers returns a client with a user for each password; a user's name is "user of " and the password's.
func withUsers(users map[string]*passwords.Password) *Client {
	c := &Client{Users: map[string]*User{}}
	for name, password := range users {
		c.Users[name] = &User{Name: name, Password: password}
	}
	return c
}

func TestAuthenticateUser(t *testing.T) {
	c := withUsers(map[string]*passwords.Password{
		"anna": plain(t, "anna's"), "bob": hashed(t, "bob's", 4), "carl": hashed(t, "carl's", 5), "dora": hashed(t, "dora's", 4),
	})
	tests := []struct {
		name, user, password, want string
	}{
		{"a plain password", "anna", "anna's", "anna"},
		{"a hashed password", "bob", "bob's", "bob"},
		{"a password hashed at another cost", "carl", "carl's", "carl"},
		{"a second user of the same cost", "dora", "dora's", "dora"},
		{"a wrong password", "anna", "wrong", ""},
		{"a wrong password for a hash", "bob", "wrong", ""},
		{"another user's plain password", "bob", "anna's", ""},
		{"another user's hashed password", "anna", "bob's", ""},
		{"the password of a user of the same cost", "bob", "dora's", ""},
		{"an unknown user with a plain password", "eve", "anna's", ""},
		{"an unknown user with a hashed password", "eve", "bob's", ""},
		{"a name in other letters", "Anna", "anna's", ""},
		{"no name", "", "anna's", ""},
		{"no password", "anna", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := c.AuthenticateUser(tt.user, tt.password)
			if ok != (tt.want != "") || (got != nil) != ok {
				t.Fatalf("got %v, %t; want %q", got, ok, tt.want)
			}
			if ok && got.Name != tt.want {
				t.Errorf("got %q, want %q", got.Name, tt.want)
			}
		})
	}
	if _, ok := (&Client{}).AuthenticateUser("anna", "anna's"); ok {
		t.Error("a client without users must let nobody in")
	}
}

// argon2id returns a password of nobody that is hashed with so many lanes.
func argon2id(tb testing.TB, lanes int) *passwords.Password {
	tb.Helper()
	hash := fmt.Sprintf("$argon2id$v=19$m=64,t=1,p=%d$c29tZXNhbHRzYWx0$c29tZXNhbHRzYWx0c29tZXNhbHRzYWx0", lanes)
	p, err := passwords.Parse([]byte(hash))
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// Whichever name is tried, one password is computed for each amount of work: however many users there are, of two kinds of hashes no
// more than two.
func TestAuthenticateUserCostsTheSame(t *testing.T) {
	users := map[string]*passwords.Password{"anna": plain(t, "anna's"), "bob": hashed(t, "bob's", 4)}
	for i := range 60 {
		users[fmt.Sprint("of bob's kind ", i)] = users["bob"]
		users[fmt.Sprint("of another kind ", i)] = argon2id(t, 1)
	}
	c := withUsers(users)
	want := []string{"argon2id 64 1 1", "bcrypt 04", "plain"}
	for _, name := range append(slices.Sorted(maps.Keys(users)), "unknown", "") {
		var got []string
		user := c.Users[name]
		if user != nil {
			got = append(got, user.Password.Work())
		}
		for _, decoy := range c.decoys(user) {
			got = append(got, decoy.Work())
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("what %q costs (-want +got):\n%s", name, diff)
		}
	}
}

// BenchmarkAuthenticateUser shows that the time tells nothing of the name, and does not grow with the users: all lines should be alike.
func BenchmarkAuthenticateUser(b *testing.B) {
	for _, more := range []int{0, 61} {
		users := map[string]*passwords.Password{"anna": plain(b, "anna's"), "bob": hashed(b, "bob's", 4), "carl": hashed(b, "carl's", 6)}
		for i := range more {
			users[fmt.Sprint("user ", i)] = users[[]string{"anna", "bob", "carl"}[i%3]]
		}
		c := withUsers(users)
		for _, name := range []string{"anna", "bob", "carl", "unknown"} {
			b.Run(fmt.Sprintf("users=%d/%s", len(users), name), func(b *testing.B) {
				for b.Loop() {
					c.AuthenticateUser(name, "wrong")
				}
			})
		}
	}
}

func TestSlowUsers(t *testing.T) {
	if (&Client{}).SlowUsers() || withUsers(map[string]*passwords.Password{"anna": plain(t, "x")}).SlowUsers() {
		t.Error("plain passwords are not slow")
	}
	if !withUsers(map[string]*passwords.Password{"anna": plain(t, "x"), "bob": hashed(t, "x", 4)}).SlowUsers() {
		t.Error("one hashed password makes every login slow")
	}
}

func TestPolicyFor(t *testing.T) {
	c := &Client{Access: policy.Access, DefaultScopes: policy.DefaultScopes}
	tests := []struct {
		name string
		user User
		want Policy
	}{
		{name: "a user without limit", want: policy},
		{
			name: "a limited user", user: User{Limited: true, Scopes: []string{"write", "read", "other"}},
			want: Policy{
				Access: []Access{
					{Audience: "https://orders", Scopes: []string{"read", "write"}},
					{Audience: "https://stock", Scopes: []string{"read", "write"}},
					{Audience: "https://mail"},
				},
				DefaultScopes: []string{"read"},
			},
		},
		{
			name: "a user limited to nothing", user: User{Limited: true},
			want: Policy{Access: []Access{{Audience: "https://orders"}, {Audience: "https://stock"}, {Audience: "https://mail"}}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, c.PolicyFor(&tt.user)); diff != "" {
				t.Errorf("policy (-want +got):\n%s", diff)
			}
		})
	}
	if diff := cmp.Diff(policy, c.Policy()); diff != "" {
		t.Errorf("the client's own policy has changed (-want +got):\n%s", diff)
	}
}

func TestAcceptsStoppedRevoked(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	tests := []struct {
		name                     string
		client                   Client
		wantStopped, wantRevoked bool
	}{
		{"an ordinary client", Client{}, false, false},
		{"a suspended client", Client{Suspended: true}, true, false},
		{"all that was issued before now is revoked", Client{RevokedBefore: at}, false, false},
		{"all that was issued a while ago is revoked", Client{RevokedBefore: at.Add(-time.Second)}, false, false},
		{"all that will be issued within a second is revoked", Client{RevokedBefore: at.Add(time.Second)}, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.client.Stopped(at); got != tt.wantStopped {
				t.Errorf("Stopped = %t, want %t", got, tt.wantStopped)
			}
			if got := tt.client.Revoked(at); got != tt.wantRevoked {
				t.Errorf("Revoked = %t, want %t", got, tt.wantRevoked)
			}
		})
	}
	c := Client{Methods: []Method{MethodClientSecret, MethodNone}}
	if !c.Accepts(MethodClientSecret) || !c.Accepts(MethodNone) || c.Accepts(MethodPrivateKeyJWT) || (&Client{}).Accepts(MethodNone) {
		t.Error("a client accepts its own methods and no others")
	}
}
