// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"crypto/sha256"
	"regexp"
	"strings"
)

// shopwareClientIDPrefix begins the access keys of Shopware's integrations, by which Shopware tells them from those of users.
const shopwareClientIDPrefix = "SWIA"

// DerivedClientID returns the client ID that the Integration has when spec.clientID is empty. For OAuth2 it is <namespace>.<name>: a
// namespace holds no dot, so the first one separates and two Integrations never derive the same ID. Clients of the other profiles take
// only what their systems make: 26 or 32 characters, of which a SHA-256 over profile, namespace and name stands in for chance. They hold
// 110 bits or more, so nobody finds a name that derives another's ID, and they have no dot.
func (i *Integration) DerivedClientID() string {
	digest := sha256.Sum256([]byte(string(i.Spec.Profile) + "/" + i.Namespace + "/" + i.Name))
	switch i.Spec.Profile {
	case ProfileShopware:
		return shopwareClientIDPrefix + spell(digest[:], base32, 22)
	case ProfileOroCommerce:
		return spell(digest[:], base62, 32)
	case ProfileMagento:
		return spell(digest[:], base36, 32)
	default:
		return i.Namespace + "." + i.Name
	}
}

// WantedClientID returns the client ID that the Integration asks for: spec.clientID, or else the derived one.
func (i *Integration) WantedClientID() string {
	if i.Spec.ClientID != "" {
		return i.Spec.ClientID
	}
	return i.DerivedClientID()
}

// ReservedClientID reports whether the client ID that the Integration claims has the form that an Integration of another namespace
// derives. Nobody may claim those, whether or not there is such a namespace: APIs know a client by its ID, and tokens outlive the
// day on which the rightful owner appears. What the profiles but OAuth2 derive cannot be told from the IDs that their systems gave to
// clients long ago, which are what claims are for; those are claimed as policies allow, and lost to whoever derives them.
func (i *Integration) ReservedClientID() bool {
	namespace, name, dotted := strings.Cut(i.WantedClientID(), ".")
	return dotted && namespace != i.Namespace && dnsLabel.MatchString(namespace) && dnsSubdomain.MatchString(name)
}

var (
	dnsLabel     = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	dnsSubdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
)

// PrecedesForClientID reports whether i rather than other owns a client ID that both want. Who derives it beats who claims
// it, so that nobody can squat on another namespace's ID; among claims the older wins, and of two made in the same second the
// one with the lower UID. The controller and every replica of the token server decide by this one rule.
func (i *Integration) PrecedesForClientID(other *Integration) bool {
	derives := i.WantedClientID() == i.DerivedClientID()
	if otherDerives := other.WantedClientID() == other.DerivedClientID(); derives != otherDerives {
		return derives
	}
	if !i.CreationTimestamp.Equal(&other.CreationTimestamp) {
		return i.CreationTimestamp.Before(&other.CreationTimestamp)
	}
	return i.UID < other.UID
}
