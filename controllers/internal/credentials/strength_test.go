// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package credentials_test

import (
	"strings"
	"testing"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/credentials"
)

func TestWeak(t *testing.T) {
	const hexadecimal = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
	const clientID = "legacy-order-sync-client-7"
	tests := []struct {
		name, secret string
		wantWeak     bool
	}{
		{"A generated one.", string(credentials.GenerateClientSecret(v1alpha1.ProfileOAuth2)), false},
		{"22 characters of base64.", "q7Jx-0pLrT_3zVbNw8Yk2A", false},
		{"21 characters of base64.", "q7Jx-0pLrT_3zVbNw8Yk2", true},
		{"32 hexadecimal digits.", hexadecimal, false},
		{"32 hexadecimal digits in upper case.", strings.ToUpper(hexadecimal), false},
		{"31 hexadecimal digits.", hexadecimal[:31], true},
		{"25 letters and digits of one case.", "k3j9x0q8w7e6r5t4y3u2i1o0p", false},
		{"24 letters and digits of one case.", "k3j9x0q8w7e6r5t4y3u2i1o0", true},
		{"39 digits.", "314159265358979323846264338327950288419", false},
		{"38 digits.", "31415926535897932384626433832795028841", true},
		{"One character again and again.", strings.Repeat("A", 64), true},
		{"Seven characters again and again.", strings.Repeat("aB3_xYz", 8), true},
		{"Eight characters again and again.", strings.Repeat("aB3_xYzQ", 8), false},
		{"Nothing.", "", true},
		{"With a line break.", hexadecimal + "\n", true},
		{"With an umlaut.", hexadecimal + "ü", true},
		{"As long as may be.", strings.Repeat(hexadecimal, 32), false},
		{"The client ID.", clientID, true},
		{"Longer.", strings.Repeat(hexadecimal, 32) + "0", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := credentials.Weak([]byte(tt.secret), clientID)
			if (err != nil) != tt.wantWeak {
				t.Errorf("want weak %t, got %v", tt.wantWeak, err)
			}
			if err != nil && len(tt.secret) > 1 && strings.Contains(err.Error(), tt.secret) {
				t.Errorf("the error quotes the secret: %v", err)
			}
		})
	}
}
