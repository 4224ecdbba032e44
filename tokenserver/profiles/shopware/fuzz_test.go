// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package shopware

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
)

// FuzzParse feeds the parser any body and header. What it lets through is within the table of grants and clients; what it refuses is an error
// that clients can read.
func FuzzParse(f *testing.F) {
	basic := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, body := range []string{
		`{"grant_type":"client_credentials","client_id":"SWIA","client_secret":"s","scope":"a b","scopes":["c"]}`,
		`{"grant_type":"password","client_id":"administration","username":"u","password":"p","scopes":"write"}`,
		`{"grant_type":"refresh_token","client_id":"administration","refresh_token":["x"]}`,
		`{"grant_type":"client_credentials","client_id":{"a":[1]},"scope":5}`, `{"a":"\ud800"}`, `[[[[`,
	} {
		f.Add("application/json", "", body)
		f.Add("application/json", basic("SWIA:s"), body)
	}
	for _, body := range []string{
		"grant_type=client_credentials&scopes[]=a&scopes[1]=b&scope=c", "grant_type=password&client_id=administration&scope=%20", "grant_type=%zz",
	} {
		f.Add("application/x-www-form-urlencoded", basic("administration:"), body)
		f.Add("application/x-www-form-urlencoded; charset=utf-8", "Bearer a.b.c", body)
	}
	f.Fuzz(func(t *testing.T, contentType, authorization, body string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, PathToken, strings.NewReader(body))
		r.Header["Content-Type"] = []string{contentType}
		if authorization != "" {
			r.Header["Authorization"] = []string{authorization}
		}
		w := httptest.NewRecorder()
		got, err := Dialect{}.Parse(w, r)
		if err != nil {
			writeError(w, r, err, "")
			if w.Code < 400 || w.Code >= 500 {
				t.Errorf("got the status %d for %v", w.Code, err)
			}
			// Beside an error there is nothing but whose login it would be.
			if got != nil && !reflect.DeepEqual(got, &oauth2.Request{Username: got.Username, Credentials: oauth2.Credentials{
				Method: oauth2.MethodVirtual, ClientID: loginClient,
			}}) {
				t.Errorf("got %v for %v", got, err)
			}
			wantJSONAPIError(t, w.Body.Bytes())
			return
		}
		c := got.Credentials
		login := got.GrantType == grantPassword || got.GrantType == grantRefreshToken
		if !login && got.GrantType != grantClientCredentials || login != (c.ClientID == loginClient) || login != (c.Method == oauth2.MethodVirtual) {
			t.Errorf("the client %q comes by %q with the grant %q", c.ClientID, c.Method, got.GrantType)
		}
		if c.ClientID == "" || login && c.Secret != "" || !login && c.Method != oauth2.MethodBasic && c.Method != oauth2.MethodPost {
			t.Errorf("the client %q comes by %q", c.ClientID, c.Method)
		}
		if strings.ContainsFunc(got.Scope, func(r rune) bool { return r < ' ' || r == 0x7f }) || strings.Contains(got.Scope, "  ") {
			t.Errorf("the scope is %q", got.Scope)
		}
	})
}
