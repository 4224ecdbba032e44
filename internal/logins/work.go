// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package logins

import "slices"

// MaxSlowWorks is how many kinds of slow hashes the users of one Integration may have, such as bcrypt of cost 10 and of cost 12 while
// they move from one to the other.
const MaxSlowWorks = 2

// LeftOut returns those of an Integration's logins that do not count because their hashes are of a kind too many. It is given all that
// can be read and consent, in the order of spec.users: the first MaxSlowWorks kinds count, and a password that is not hashed always
// does. Kinds are what passwords.Password.Work tells apart.
//
// So checking one password costs no more than MaxSlowWorks hashes, as the token server computes one of each kind in order not to show
// which user there is; otherwise the users of one tenant could keep the logins of all others waiting.
func LeftOut(inOrder []*Login) []*Login {
	var kinds []string
	var leftOut []*Login
	for _, login := range inOrder {
		if !login.Password.Slow() {
			continue
		}
		work := login.Password.Work()
		switch {
		case slices.Contains(kinds, work):
		case len(kinds) < MaxSlowWorks:
			kinds = append(kinds, work)
		default:
			leftOut = append(leftOut, login)
		}
	}
	return leftOut
}
