// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/integration-operator/integration-operator/internal/passwords"
)

// The form of visitors' names: the prefix, and as many random bytes in lower-case hex.
const (
	visitorPrefix = "visitor:"
	visitorBytes  = 10
)

// NewVisitor returns the name of a new visitor, which is like no other.
func NewVisitor() string {
	random := make([]byte, visitorBytes)
	_, _ = rand.Read(random) // It never returns an error.
	return visitorPrefix + hex.EncodeToString(random)
}

// isVisitor reports whether a name is one of NewVisitor's.
func isVisitor(name string) bool {
	digits, prefixed := strings.CutPrefix(name, visitorPrefix)
	if !prefixed || len(digits) != hex.EncodedLen(visitorBytes) {
		return false
	}
	return strings.Trim(digits, "0123456789abcdef") == ""
}

// User returns the user that a session of that name belongs to: one of Users or, where visitors may log in, a visitor. A visitor has a
// password that nobody knows, as AuthenticateUser accepts none of theirs, gets the client's default scopes at most, and a name that a configured user has is never a visitor's.
func (c *Client) User(name string) (*User, bool) {
	if user, ok := c.Users[name]; ok {
		return user, true
	}
	if !c.Guests || !isVisitor(name) {
		return nil, false
	}
	// The zero Password is always the same one, so a visitor's sessions count for as long as visitors may log in.
	return &User{Name: name, Kind: KindVisitor, Limited: true, Scopes: c.DefaultScopes, Password: &passwords.Password{}}, true
}

// AuthenticateUser returns the user of that name if the password is the user's. A visitor has none.
//
// What it computes tells nothing of the name: for each way in which the client's users keep their passwords, plain or hashed at some
// cost, one is computed, the user's own among them if there is such a user. So every name costs at least what the slowest user costs.
// Which way is the user's shows nowhere either. kubestore lets at most two kinds of slow hashes among a client's users, so a login
// computes no more than two of them.
func (c *Client) AuthenticateUser(name, password string) (*User, bool) {
	user, exists := c.Users[name]
	matched := exists && user.Password.Verify(password)
	for _, decoy := range c.decoys(user) {
		// Knowing somebody else's password is of no use.
		_ = decoy.Verify(password)
	}
	if !matched {
		return nil, false
	}
	return user, true
}

// decoys returns one password for each amount of work that there is among the client's users but for that of user, who may be nil.
func (c *Client) decoys(user *User) map[string]*passwords.Password {
	byWork := map[string]*passwords.Password{}
	for _, other := range c.Users {
		byWork[other.Password.Work()] = other.Password
	}
	if user != nil {
		delete(byWork, user.Password.Work())
	}
	return byWork
}

// SlowUsers reports whether AuthenticateUser computes slow hashes, of which only a few should be computed at once.
func (c *Client) SlowUsers() bool {
	for _, user := range c.Users {
		if user.Password.Slow() {
			return true
		}
	}
	return false
}

// PolicyFor returns what the client may get when it acts for a user: what it may get itself, and of that only what the user may have.
func (c *Client) PolicyFor(u *User) Policy {
	if !u.Limited && !c.keepsResources(u) {
		return c.Policy()
	}
	policy := Policy{Access: make([]Access, 0, len(c.Access)), DefaultScopes: c.among(u, c.DefaultScopes)}
	for _, access := range c.Access {
		policy.Access = append(policy.Access, Access{Audience: access.Audience, Scopes: c.among(u, access.Scopes)})
	}
	return policy
}

// among returns those of scopes that a user may have, in their order.
func (c *Client) among(u *User, scopes []string) []string {
	var allowed []string
	for _, s := range scopes {
		if (!u.Limited || slices.Contains(u.Scopes, s)) && (!c.keepsResources(u) || !IsResource(s)) {
			allowed = append(allowed, s)
		}
	}
	return allowed
}

// keepsResources reports whether a user never gets resources, whatever the scopes say: Magento's are those of administrators.
func (c *Client) keepsResources(u *User) bool {
	return c.Profile == ProfileMagento && u.Kind != KindAdmin
}

// IsResource reports whether a scope of ProfileMagento is a resource of a module, such as Magento_Catalog::products.
func IsResource(scope string) bool { return strings.Contains(scope, "::") }
