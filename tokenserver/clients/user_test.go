// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"fmt"
	"maps"
	"regexp"
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

func TestUser(t *testing.T) {
	const visitor, taken = "visitor:0123456789abcdef0123", "visitor:ffffffffffffffffffff"
	c := withUsers(map[string]*passwords.Password{"anna": plain(t, "anna's"), taken: plain(t, "somebody's")})
	for _, u := range c.Users {
		u.Kind = KindCustomer
	}
	tests := []struct {
		name, user string
		noGuests   bool
		// wantKind is empty for no such user.
		wantKind string
	}{
		{name: "a configured user", user: "anna", wantKind: KindCustomer},
		{name: "a configured user where visitors may not log in", user: "anna", noGuests: true, wantKind: KindCustomer},
		{name: "a visitor", user: visitor, wantKind: KindVisitor},
		{name: "a new visitor", user: NewVisitor(), wantKind: KindVisitor},
		{name: "a visitor where visitors may not log in", user: visitor, noGuests: true},
		{name: "a configured user who is called like a visitor", user: taken, wantKind: KindCustomer},
		{name: "a configured user who is called like a visitor, where those may not log in", user: taken, noGuests: true, wantKind: KindCustomer},
		{name: "an unknown user", user: "eve"},
		{name: "no name"},
		{name: "a visitor without a number", user: "visitor:"},
		{name: "a visitor whose number is too short", user: visitor[:len(visitor)-1]},
		{name: "a visitor whose number is too long", user: visitor + "4"},
		{name: "a visitor in upper case", user: "visitor:0123456789ABCDEF0123"},
		{name: "a visitor whose number is none", user: "visitor:0123456789abcdef012g"},
		{name: "a visitor whose number has a gap", user: "visitor:0123456789 bcdef0123"},
		{name: "a visitor in other letters", user: "Visitor:0123456789abcdef0123"},
		{name: "a visitor with a space", user: " " + visitor},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c.Guests = !tt.noGuests
			got, ok := c.User(tt.user)
			if ok != (tt.wantKind != "") || (got != nil) != ok {
				t.Fatalf("got %v, %t; want one of kind %q", got, ok, tt.wantKind)
			}
			if ok && (got.Name != tt.user || got.Kind != tt.wantKind || got.NeedsSecondFactor()) {
				t.Errorf("got %q of kind %q, want %q of kind %q without second factors", got.Name, got.Kind, tt.user, tt.wantKind)
			}
		})
	}
}

func TestAVisitorHasNoPassword(t *testing.T) {
	c := withUsers(map[string]*passwords.Password{"anna": plain(t, "anna's")})
	c.Guests = true
	name := NewVisitor()
	first, _ := c.User(name)
	again, _ := (&Client{Guests: true}).User(name)
	if first.Password.Digest() != again.Password.Digest() {
		t.Error("the password of a visitor changes, which would end its sessions")
	}
	digest := first.Password.Digest()
	for _, password := range []string{"", name, "anna's", string(digest[:]), "[redacted]"} {
		if first.Password.Verify(password) {
			t.Errorf("%q is the password of a visitor", password)
		}
		if user, ok := c.AuthenticateUser(name, password); ok {
			t.Errorf("%v logs in by the password %q", user, password)
		}
	}
	if c.SlowUsers() || len(c.Users) != 1 {
		t.Error("visitors are among the client's own users")
	}
}

func TestNewVisitor(t *testing.T) {
	form, seen := regexp.MustCompile(`^visitor:[0-9a-f]{20}$`), map[string]bool{}
	for range 1000 {
		name := NewVisitor()
		if !form.MatchString(name) || seen[name] {
			t.Fatalf("got %q, want 20 hex digits that are like no others", name)
		}
		seen[name] = true
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
