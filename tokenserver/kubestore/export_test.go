// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import "github.com/integration-operator/integration-operator/tokenserver/sessions"

// Knows reports whether Standing answers for a session without asking the API server.
func (s *Sessions) Knows(owner sessions.Owner, id string) bool {
	name, _ := sessionName(owner, id)
	_, known := s.sessions.get(name)
	return known
}

// RevocationName returns the name of the TokenRevocation for a token ID.
func RevocationName(owner sessions.Owner, kind, tokenID string) string {
	return revocationName(owner, kind, tokenID).Name
}

// Remembered returns of how many Integrations uses are remembered.
func (l *LastUse) Remembered() int { return l.len() }
