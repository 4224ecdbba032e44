// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package permit_test

import (
	"regexp"
	"strings"
	"testing"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/permit"
)

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		pattern v1alpha1.Pattern
		value   string
		want    bool
	}{
		{"orders.read", "orders.read", true},
		{"orders.read", "orders.readx", false},
		{"orders.read", "xorders.read", false},
		{"orders.read", "ordersXread", false}, // A dot is a dot.
		{"orders.read", "Orders.Read", false},
		{"orders.read", "", false},
		{"*", "", true},
		{"*", "anything at all\n", true},
		{"**", "", true},
		{"orders.*", "orders.read", true},
		{"orders.*", "orders.", true},
		{"orders.*", "orders", false},
		{"orders.*", "my.orders.read", false},
		{"*.read", "orders.read", true},
		{"*.read", ".read", true},
		{"*.read", "orders.read.all", false},
		{"a*b*c", "abc", true},
		{"a*b*c", "a-b-b-c", true},
		{"a*b*c", "acb", false},
		{"a*a", "a", false}, // One letter does not stand for two.
		{"a*a", "aa", true},
		{"ab*ba", "aba", false},
		{"*ab*ab", "xab", false},
		{"*ab*ab", "xabab", true},
		{"*aab*", "aaab", true},
		{"https://*.shop.example", "https://orders.shop.example", true},
		{"https://*.shop.example", "https://shop.example", false},
		{"https://*.shop.example", "https://elsewhere.example/x.shop.example", true}, // Any run: docs/policy.md warns of it.
		{"[a-z]+", "a", false},
		{"[a-z]+", "[a-z]+", true},
		{"a?c", "abc", false},
		{`\*`, "*", false}, // There is no escape.
		{`\*`, `\x`, true},
		{"", "", true}, // The schema has no empty pattern.
		{"", "a", false},
		{"gr*e", "größe", true},
	} {
		if got := permit.Match(tt.pattern, tt.value); got != tt.want {
			t.Errorf("Match(%q, %q): got %v, want %v", tt.pattern, tt.value, got, tt.want)
		}
	}
}

func TestNoPatternTakesLong(t *testing.T) {
	// With backtracking these would take longer than the universe is old, and the test its deadline.
	value := strings.Repeat("a", 512)
	for _, pattern := range []string{
		strings.Repeat("a*", 256) + "b", strings.Repeat("*a", 255) + "*b", strings.Repeat("*", 512), strings.Repeat("*aa", 170) + "b",
	} {
		want := !strings.HasSuffix(pattern, "b")
		if got := permit.Match(v1alpha1.Pattern(pattern), value); got != want {
			t.Errorf("Match(%.20q..., a...): got %v, want %v", pattern, got, want)
		}
	}
}

// FuzzMatch compares Match with a regular expression that says the same.
func FuzzMatch(f *testing.F) {
	for _, seed := range [][2]string{
		{"*", ""},
		{"orders.*", "orders.read"},
		{"a*b*c", "a-b-b-c"},
		{"*ab*ab", "xabab"},
		{"a*a", "a"},
		{"**a**", "bab"},
		{"https://*.shop.example", "https://orders.shop.example"},
		{`\*.+`, "*"},
		{"x*\n", "xy\n"},
		{"\xff*", "\xff\xfe"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, value string) {
		if len(pattern) > 512 || len(value) > 2048 {
			return // The schema has none.
		}
		parts := strings.Split(pattern, "*")
		if strings.ToValidUTF8(pattern, "") == pattern && strings.ToValidUTF8(value, "") == value {
			for i := range parts {
				parts[i] = regexp.QuoteMeta(parts[i])
			}
			oracle, err := regexp.Compile(`(?s)\A` + strings.Join(parts, ".*") + `\z`)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := permit.Match(v1alpha1.Pattern(pattern), value), oracle.MatchString(value); got != want {
				t.Errorf("Match(%q, %q): got %v, want %v", pattern, value, got, want)
			}
		}
		// A pattern allows itself, and what it allows is still allowed with more in place of a *.
		if !permit.Match(v1alpha1.Pattern(pattern), pattern) {
			t.Errorf("pattern %q does not match itself", pattern)
		}
		if filled := strings.ReplaceAll(pattern, "*", value); !permit.Match(v1alpha1.Pattern(pattern), filled) {
			t.Errorf("pattern %q does not match %q", pattern, filled)
		}
	})
}
