// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"regexp"
	"strings"
)

// DerivedClientID returns the client ID that the Integration has when spec.clientID is empty: <namespace>.<name>. A
// namespace holds no dot, so the first one separates and two Integrations never derive the same ID.
func (i *Integration) DerivedClientID() string {
	return i.Namespace + "." + i.Name
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
// day on which the rightful owner appears.
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
