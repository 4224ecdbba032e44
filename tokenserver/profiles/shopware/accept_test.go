// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package shopware

import (
	"strings"
	"testing"
)

func TestNegotiate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		accept []string
		want   format
	}{
		{"no header", nil, formatJSONAPI},
		{"an empty header", []string{""}, formatJSONAPI},
		{"anything", []string{"*/*"}, formatJSONAPI},
		{"any application type", []string{"application/*"}, formatJSONAPI},
		{"JSON:API", []string{"application/vnd.api+json"}, formatJSONAPI},
		{"JSON", []string{"application/json"}, formatJSON},
		{"JSON with parameters and in capitals", []string{"Application/JSON; charset=utf-8"}, formatJSON},
		{"JSON, as browsers' libraries ask for it", []string{"application/json, text/plain, */*"}, formatJSON},
		{"JSON in a header of its own", []string{"text/html", "application/json"}, formatJSON},
		{"both alike", []string{"application/json, application/vnd.api+json"}, formatJSONAPI},
		{"both, JSON rather", []string{"application/vnd.api+json;q=0.5, application/json;q=0.8"}, formatJSON},
		{"anything rather than JSON", []string{"application/json;q=0.1, */*;q=0.9"}, formatJSONAPI},
		{"anything but JSON:API", []string{"application/vnd.api+json;q=0, */*"}, formatJSON},
		{"JSON beside what nobody understands", []string{"nonsense/;;, application/json;q=x, application/json"}, formatJSON},
		{"neither", []string{"text/html"}, ""},
		{"both refused", []string{"application/json;q=0, application/vnd.api+json;q=0.0, */*"}, ""},
		{"nothing that can be read", []string{";;;"}, ""},
		{"an impossible quality", []string{"application/json;q=2, application/vnd.api+json;q=NaN"}, ""},
		{"without end", []string{strings.Repeat("text/html,", 1000) + "*/*"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := negotiate(tt.accept); got != tt.want || ok != (tt.want != "") {
				t.Errorf("got %q, %t, want %q", got, ok, tt.want)
			}
		})
	}
}
