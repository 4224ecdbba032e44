// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package shopware

import (
	"net/http"
	"testing"
)

func TestPresented(t *testing.T) {
	for _, tt := range []struct {
		name    string
		headers []string
		want    string
		wantErr bool
	}{
		{name: "no header"},
		{name: "a bearer token", headers: []string{"Bearer a.b.c"}, want: "a.b.c"},
		{name: "the scheme in other letters", headers: []string{"bearer  a.b.c "}, want: "a.b.c"},
		{name: "a signed token alone", headers: []string{"a.b.c"}, want: "a.b.c"},
		{name: "an encrypted token alone", headers: []string{" a.b.c.d.e"}, want: "a.b.c.d.e"},
		{name: "what cannot be a token alone", headers: []string{"hush"}},
		{name: "another scheme", headers: []string{"Basic eDp5"}},
		{name: "an empty header", headers: []string{""}},
		{name: "the scheme alone", headers: []string{"Bearer"}, wantErr: true},
		{name: "no token", headers: []string{"Bearer  "}, wantErr: true},
		{name: "two tokens", headers: []string{"Bearer a.b.c d.e.f"}, wantErr: true},
		{name: "a list", headers: []string{"Bearer a.b.c,d.e.f"}, wantErr: true},
		{name: "two lists of one", headers: []string{"a.b.c,"}, wantErr: true},
		{name: "two headers", headers: []string{"Bearer a.b.c", "Bearer a.b.c"}, wantErr: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := presented(http.Header{"Authorization": tt.headers})
			if got != tt.want || (err != nil) != tt.wantErr {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}
