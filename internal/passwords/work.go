// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package passwords

import "fmt"

// Work names what Verify computes: two Passwords with the same Work take the same CPU time for any candidate. Whoever hides which user
// there is makes up the difference by it. It is "plain" for a password that is known as it is, and holds nothing secret.
//
// Of an argon2id hash that is the memory, the passes and the lanes, as idle CPUs share the lanes among them. The length of its key adds
// next to nothing.
func (p *Password) Work() string {
	switch h := p.hash.(type) {
	case bcryptHash:
		// The two digits of the cost stand behind $2b$.
		return "bcrypt " + string(h[4:6])
	case *argon2Hash:
		return fmt.Sprintf("argon2id %d %d %d", h.memory, h.time, h.threads)
	default:
		return "plain"
	}
}
