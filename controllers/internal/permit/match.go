// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package permit

import (
	"strings"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// Match reports whether the pattern allows the value: * stands for any run of characters, also an empty one, and everything else for
// itself. What lies between two * is looked for from left to right and never looked for again, so that no pattern takes long.
func Match(pattern v1alpha1.Pattern, value string) bool {
	head, rest, found := strings.Cut(string(pattern), "*")
	if !found {
		return head == value
	}
	value, ok := strings.CutPrefix(value, head)
	if !ok {
		return false
	}
	for {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(value, part)
		}
		at := strings.Index(value, part)
		if at < 0 {
			return false
		}
		value, rest = value[at+len(part):], after
	}
}

// matchesAny reports whether one of the patterns allows the value.
func matchesAny(patterns []v1alpha1.Pattern, value string) bool {
	for _, pattern := range patterns {
		if Match(pattern, value) {
			return true
		}
	}
	return false
}
