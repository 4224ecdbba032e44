// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package shopware

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/forwardauth"
	"github.com/integration-operator/integration-operator/tokenserver/introspection/introspectiontest"
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
		{name: "a signed token alone between spaces", headers: []string{" a.b.c "}, want: "a.b.c"},
		{name: "what cannot be a token alone", headers: []string{"hush"}},
		{name: "another scheme", headers: []string{"Basic eDp5"}},
		{name: "an empty header", headers: []string{""}},
		{name: "the scheme alone", headers: []string{"Bearer"}, wantErr: true},
		{name: "no token", headers: []string{"Bearer  "}, wantErr: true},
		{name: "two tokens", headers: []string{"Bearer a.b.c d.e.f"}, wantErr: true},
		{name: "a list", headers: []string{"Bearer a.b.c,d.e.f"}, wantErr: true},
		{name: "a list alone", headers: []string{"a.b.c,d.e.f"}},
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

func TestVerify(t *testing.T) {
	w := introspectiontest.New(t)
	w.Change(introspectiontest.Signed, func(c *clients.Client) { c.Profile = clients.ProfileShopware })
	handler := &forwardauth.Handler{
		Checker: w.Checker(), Issuer: introspectiontest.Issuer, Now: w.Now, Dialects: []forwardauth.Dialect{Verify(w.Checker())},
	}
	good := w.AccessToken(t, introspectiontest.Signed, nil).Token
	foreign := w.AccessToken(t, introspectiontest.Stranger, nil).Token
	ask := func(t *testing.T, query string, headers ...string) *httptest.ResponseRecorder {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/verify?profile=Shopware"+query, http.NoBody)
		for _, value := range headers {
			r.Header.Add("Authorization", value)
		}
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, r)
		return recorder
	}
	const here = "&audience=" + introspectiontest.Audience
	for name, header := range map[string]string{"a bearer token": "Bearer " + good, "a token without Bearer before it": good} {
		t.Run(name, func(t *testing.T) {
			got := ask(t, here+"&scope=read&kind=Client", header)
			if got.Code != http.StatusNoContent || got.Header().Get("X-Auth-Client-Id") != introspectiontest.Signed {
				t.Errorf("got %d with %v", got.Code, got.Header())
			}
		})
	}
	for _, tt := range []struct {
		name, golden, query string
		headers             []string
	}{
		{"no token", "no-token", here, nil},
		{"another scheme", "no-token", here, []string{"Basic aHVzaA=="}},
		{"nonsense", "bad-token", here, []string{"Bearer hush"}},
		{"nonsense without Bearer before it", "bad-token", here, []string{"hush.hush.hush"}},
		{"two tokens", "malformed", here, []string{"Bearer " + good, "Bearer " + good}},
		{"a token of another profile", "other-profile", here, []string{"Bearer " + foreign}},
		{"a token for another API", "other-audience", "&audience=https://other.example", []string{"Bearer " + good}},
		{"a token without the scope", "no-scope", here + "&scope=admin", []string{"Bearer " + good}},
		{"a token of another kind", "other-kind", here + "&kind=Admin", []string{"Bearer " + good}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			golden(t, "verify/"+tt.golden, wireOf(t, ask(t, tt.query, tt.headers...)))
		})
	}
	t.Run("an expired token", func(t *testing.T) {
		w.Move(10 * time.Minute)
		golden(t, "verify/expired-token", wireOf(t, ask(t, here, "Bearer "+good)))
	})
}
