// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"crypto/sha256"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
)

// otherNames finds published clients by what requests have in place of a client ID. It is read without a lock; only clientIndex writes to
// it, under its own.
type otherNames struct {
	// logins maps a loginName, and tokens the digest of a lasting token, to a *clients.Client.
	logins, tokens sync.Map

	// withUsers has, for each profile, the Integrations whose users may log in.
	withUsers map[clients.Profile]map[types.NamespacedName]struct{}
	// holders has the clients with a lasting token, by its digest. There is one, but for two Integrations with one client secret.
	holders map[[sha256.Size]byte][]*clients.Client
}

// A loginName is what a login that names no client is for: by its route a profile, and by its URL an Integration, or none.
type loginName struct {
	profile     clients.Profile
	integration types.NamespacedName
}

func newOtherNames() *otherNames {
	return &otherNames{
		withUsers: map[clients.Profile]map[types.NamespacedName]struct{}{}, holders: map[[sha256.Size]byte][]*clients.Client{},
	}
}

func (o *otherNames) virtual(profile clients.Profile, integration types.NamespacedName) (*clients.Client, bool) {
	value, _ := o.logins.Load(loginName{profile, integration})
	c, ok := value.(*clients.Client)
	return c, ok
}

func (o *otherNames) lasting(token string) (*clients.Client, bool) {
	value, _ := o.tokens.Load(sha256.Sum256([]byte(token)))
	c, ok := value.(*clients.Client)
	return c, ok
}

// rename lets the other names of a client that is published no longer lead to the one that is now in its place. Before is what was
// published, if anything, and after is nil where nothing is. Users tells whether after's Integration is granted users.
func (x *clientIndex) rename(before any, after *clients.Client, users bool) {
	former, _ := before.(*clients.Client)
	x.other.login(former, after, users)
	x.other.hold(former, after)
	x.chooseDefaults()
}

// nameOf returns the name for logins to a client.
func nameOf(c *clients.Client) loginName {
	return loginName{c.Profile, types.NamespacedName{Namespace: c.Namespace, Name: c.Name}}
}

// login takes in that after is published instead of before; either may be nil.
func (o *otherNames) login(before, after *clients.Client, users bool) {
	if before != nil {
		delete(o.withUsers[before.Profile], nameOf(before).integration)
	}
	if after != nil && after.MayUse(string(v1alpha1.GrantTypePassword)) {
		name := nameOf(after)
		o.logins.Store(name, after)
		if users {
			if o.withUsers[name.profile] == nil {
				o.withUsers[name.profile] = map[types.NamespacedName]struct{}{}
			}
			o.withUsers[name.profile][name.integration] = struct{}{}
		}
	}
	if before != nil {
		o.logins.CompareAndDelete(nameOf(before), before) // Unless after is there by now.
	}
}

// hold takes in that after is published instead of before; either may be nil, and have no lasting token.
func (o *otherNames) hold(before, after *clients.Client) {
	var changed [][sha256.Size]byte
	if before != nil && before.Lasting != nil {
		hash := before.Lasting.Hash
		o.holders[hash] = slices.DeleteFunc(o.holders[hash], func(c *clients.Client) bool { return c == before })
		changed = append(changed, hash)
	}
	if after != nil && after.Lasting != nil {
		hash := after.Lasting.Hash
		o.holders[hash] = append(o.holders[hash], after)
		changed = append(changed, hash)
	}
	for _, hash := range changed {
		switch holders := o.holders[hash]; len(holders) {
		case 0:
			delete(o.holders, hash)
			o.tokens.Delete(hash)
		case 1:
			o.tokens.Store(hash, holders[0])
		default:
			// Whose it is cannot be told, so it is nobody's: no namespace acts for another.
			o.tokens.Delete(hash)
		}
	}
}

// chooseDefaults decides which clients stand in where a login names neither a client nor an Integration.
func (x *clientIndex) chooseDefaults() {
	for _, profile := range []clients.Profile{
		clients.ProfileOAuth2, clients.ProfileShopware, clients.ProfileOroCommerce, clients.ProfileMagento,
	} {
		if c, ok := x.defaultOf(profile); ok {
			x.other.logins.Store(loginName{profile: profile}, c)
		} else {
			x.other.logins.Delete(loginName{profile: profile})
		}
	}
}

// defaultOf returns the client that stands in for a profile. Where an Integration is named for it no other does, also while that one has no
// client: its users must not show their passwords to somebody else. Of what profile one is that is not there, maybe because it is about to be
// made anew, nobody can tell: until it is there, only those that are named stand in.
func (x *clientIndex) defaultOf(profile clients.Profile) (*clients.Client, bool) {
	missing := false
	for _, name := range x.defaults {
		r := x.records[name]
		if r == nil || r.integration == nil {
			missing = true
			continue
		}
		if profileOf(r.integration.Spec.Profile) == profile {
			return x.other.virtual(profile, name)
		}
	}
	if missing || len(x.other.withUsers[profile]) != 1 {
		return nil, false
	}
	for name := range x.other.withUsers[profile] {
		return x.other.virtual(profile, name)
	}
	return nil, false
}
