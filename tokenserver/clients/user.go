// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"slices"

	"github.com/integration-operator/integration-operator/internal/passwords"
)

// AuthenticateUser returns the user of that name if the password is the user's.
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

// PolicyFor returns what the client may get when it acts for a user: what it may get itself, and of that only the user's scopes if
// those are limited.
func (c *Client) PolicyFor(u *User) Policy {
	if !u.Limited {
		return c.Policy()
	}
	policy := Policy{Access: make([]Access, 0, len(c.Access)), DefaultScopes: u.among(c.DefaultScopes)}
	for _, access := range c.Access {
		policy.Access = append(policy.Access, Access{Audience: access.Audience, Scopes: u.among(access.Scopes)})
	}
	return policy
}

// among returns those of scopes that a limited user may have, in their order.
func (u *User) among(scopes []string) []string {
	var allowed []string
	for _, s := range scopes {
		if slices.Contains(u.Scopes, s) {
			allowed = append(allowed, s)
		}
	}
	return allowed
}
