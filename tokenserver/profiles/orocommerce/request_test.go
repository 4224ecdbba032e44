// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package orocommerce

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
)

const (
	js   = "application/json"
	form = "application/x-www-form-urlencoded"
)

// basic returns an Authorization header, whose parts stand as they are.
func basic(credentials string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(credentials))
}

// newRequest returns a token request. Empty headers are left out.
func newRequest(t *testing.T, contentType, authorization, body string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, PathToken, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return r
}

func TestParse(t *testing.T) {
	post := oauth2.Credentials{Method: oauth2.MethodPost, ClientID: "app", Secret: "hush"}
	login := &oauth2.Request{GrantType: grantPassword, Scope: "read write", Username: "alice", Password: "hush+%", Credentials: post}
	for _, tt := range []struct {
		name, contentType, authorization, body string
		want                                   *oauth2.Request
	}{
		{
			name: "a login as JSON", contentType: js, want: login,
			body: `{"grant_type":"password","client_id":"app","client_secret":"hush","username":"alice","password":"hush+%","scope":"read write"}`,
		},
		{
			name: "a login as a form", contentType: form, want: login,
			body: "grant_type=password&client_id=app&client_secret=hush&username=alice&password=hush%2B%25&scope=read+write",
		},
		{
			name: "scopes with more than one space", contentType: js, want: login,
			body: `{"grant_type":"password","client_id":"app","client_secret":"hush","username":"alice","password":"hush+%","scope":" read  write "}`,
		},
		{
			name: "a client for itself", contentType: js,
			body: `{"grant_type":"client_credentials","client_id":"app","client_secret":"hush","scope":null}`,
			want: &oauth2.Request{GrantType: grantClientCredentials, Credentials: post},
		},
		{
			name: "a refresh", contentType: form, body: "grant_type=refresh_token&client_id=app&client_secret=hush&refresh_token=a.b.c",
			want: &oauth2.Request{GrantType: grantRefreshToken, RefreshToken: "a.b.c", Credentials: post},
		},
		{
			name: "members that are not known are ignored", contentType: js,
			body: `{"grant_type":"client_credentials","client_id":"app","client_secret":"hush","resource":["x"],"client_assertion":5,"a":{"b":[]}}`,
			want: &oauth2.Request{GrantType: grantClientCredentials, Credentials: post},
		},
		{
			name: "a member of the grant that is no string is left for the grant to miss", contentType: js,
			body: `{"grant_type":"password","client_id":"app","client_secret":"hush","username":5,"password":["hush"],"refresh_token":{}}`,
			want: &oauth2.Request{GrantType: grantPassword, Credentials: post},
		},
		{
			name: "a guest", contentType: form, body: "grant_type=password&client_id=app&client_secret=hush&username=guest&password=guest",
			want: &oauth2.Request{GrantType: grantPassword, Username: "guest", Password: "guest", Credentials: post},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Dialect{}.Parse(httptest.NewRecorder(), newRequest(t, tt.contentType, tt.authorization, tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestBodyBeatsBasicMemberByMember(t *testing.T) {
	for _, tt := range []struct {
		name, authorization, body string
		want                      oauth2.Credentials
	}{
		{
			"all of it in the header, which is not form-encoded", basic("app:hush+%20:é"), "",
			oauth2.Credentials{Method: oauth2.MethodBasic, ClientID: "app", Secret: "hush+%20:é"},
		},
		{
			"all of it in both", basic("other:other"), "&client_id=app&client_secret=hush",
			oauth2.Credentials{Method: oauth2.MethodPost, ClientID: "app", Secret: "hush"},
		},
		{
			"the client in the body, the secret in the header", basic("other:hush"), "&client_id=app",
			oauth2.Credentials{Method: oauth2.MethodBasic, ClientID: "app", Secret: "hush"},
		},
		{
			"the client in the header, the secret in the body", basic("app:other"), "&client_secret=hush",
			oauth2.Credentials{Method: oauth2.MethodPost, ClientID: "app", Secret: "hush"},
		},
		{
			"empty members count as left out", basic("app:hush"), "&client_id=&client_secret=",
			oauth2.Credentials{Method: oauth2.MethodBasic, ClientID: "app", Secret: "hush"},
		},
		{
			"an expired bearer token in the header", "Bearer a.b.c", "&client_id=app&client_secret=hush",
			oauth2.Credentials{Method: oauth2.MethodPost, ClientID: "app", Secret: "hush"},
		},
		{
			"a header that cannot be read", "Basic ?", "&client_id=app&client_secret=hush",
			oauth2.Credentials{Method: oauth2.MethodPost, ClientID: "app", Secret: "hush"},
		},
		{"no secret", "", "&client_id=app", oauth2.Credentials{Method: oauth2.MethodNone, ClientID: "app"}},
		{"no secret in the header", basic("app:"), "", oauth2.Credentials{Method: oauth2.MethodNone, ClientID: "app"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Dialect{}.Parse(httptest.NewRecorder(), newRequest(t, form, tt.authorization, "grant_type=client_credentials"+tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got.Credentials); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, contentType, authorization, body string
		wantStatus                             int
		want                                   *oauth2.Error
		wantParameter                          string
	}{
		{"no body", "", "", "", 400, oauth2.ErrUnsupportedGrantType, ""},
		{"no grant_type", form, "", "client_id=app", 400, oauth2.ErrUnsupportedGrantType, ""},
		{"an empty grant_type", form, "", "grant_type=", 400, oauth2.ErrUnsupportedGrantType, ""},
		{"a grant_type that is no string", js, "", `{"grant_type":["password"]}`, 400, oauth2.ErrUnsupportedGrantType, ""},
		{"a grant_type that there is not", form, "", "grant_type=authorization_code&client_id=app", 400, oauth2.ErrUnsupportedGrantType, ""},
		{"a grant_type in other letters", form, "", "grant_type=Password&client_id=app", 400, oauth2.ErrUnsupportedGrantType, ""},
		{"another content type", "text/plain", "", "grant_type=password&client_id=app", 400, oauth2.ErrUnsupportedGrantType, ""},
		{"a multipart form", "multipart/form-data; boundary=x", "", "--x--", 400, oauth2.ErrUnsupportedGrantType, ""},
		{"no content type", "", "", "grant_type=password&client_id=app", 400, oauth2.ErrUnsupportedGrantType, ""},
		{"a form that says it is JSON", js, "", "grant_type=password&client_id=app", 400, oauth2.ErrUnsupportedGrantType, ""},
		{"half of an object", js, "", `{"grant_type":"password"`, 400, oauth2.ErrUnsupportedGrantType, ""},
		{"no client_id", form, "", "grant_type=password&client_secret=hush", 400, oauth2.ErrInvalidRequest, "client_id"},
		{"no client_id in a header that cannot be read", form, "Basic ?", "grant_type=password", 400, oauth2.ErrInvalidRequest, "client_id"},
		{"an empty client_id in the header", form, basic(":hush"), "grant_type=password", 400, oauth2.ErrInvalidRequest, "client_id"},
		{"a client_id that is no string", js, basic("app:hush"), `{"grant_type":"password","client_id":5}`, 400, oauth2.ErrInvalidRequest, "client_id"},
		{"a client_secret that is no string", js, basic("app:hush"), `{"grant_type":"password","client_secret":5}`, 400, oauth2.ErrInvalidRequest, "client_secret"},
		{"a scope that is a list", js, basic("app:hush"), `{"grant_type":"password","scope":["read"]}`, 400, oauth2.ErrInvalidRequest, "scope"},
		{"a member twice", form, "", "grant_type=password&grant_type=password", 400, oauth2.ErrInvalidRequest, ""},
		{"a username without end", form, basic("app:hush"), "grant_type=password&username=" + strings.Repeat("a", 300), 400, oauth2.ErrInvalidRequest, "username"},
		{"too much", form, "", strings.Repeat("a", 65<<10), 413, oauth2.ErrInvalidRequest, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Dialect{}.Parse(httptest.NewRecorder(), newRequest(t, tt.contentType, tt.authorization, tt.body))
			if got != nil || err == nil || err.Code() != tt.want.Code() || err.Status() != tt.wantStatus || err.Parameter() != tt.wantParameter {
				t.Fatalf("got %v, %v with the parameter %q", got, err, err.Parameter())
			}
			if strings.Contains(err.Error(), "hush") {
				t.Errorf("the error holds a secret: %v", err)
			}
		})
	}
	t.Run("another method", func(t *testing.T) {
		_, err := Dialect{}.Parse(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, PathToken, http.NoBody))
		if err == nil || err.Status() != http.StatusMethodNotAllowed {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a query", func(t *testing.T) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, PathToken+"?grant_type=password", http.NoBody)
		if _, err := (Dialect{}).Parse(httptest.NewRecorder(), r); err == nil || err.Code() != oauth2.ErrInvalidRequest.Code() {
			t.Errorf("got %v", err)
		}
	})
}

// Whatever a request holds, it is refused as the client's mistake, or it is one of a grant that there is, by a client that has a name.
func FuzzParse(f *testing.F) {
	for _, body := range []string{
		"grant_type=password&client_id=app&client_secret=hush&username=guest&password=guest&scope=a+b",
		"grant_type=refresh_token&refresh_token=a.b.c", "grant_type=client_credentials&client_id[]=a", "grant_type=%zz", "=&;&%00=%ff",
	} {
		f.Add(form, basic("app:hush"), body)
	}
	for _, body := range []string{
		`{"grant_type":"password","client_id":"app","username":5,"password":{"a":[null]},"scope":"  a  b "}`,
		`{"grant_type":"client_credentials","client_id":null,"client_secret":["x"]}`, `[[[[`, `{"a":"\ud800"}`, `{} {}`,
	} {
		f.Add(js, "Bearer a.b.c", body)
	}
	f.Fuzz(func(t *testing.T, contentType, authorization, body string) {
		got, err := Dialect{}.Parse(httptest.NewRecorder(), newRequest(t, contentType, authorization, body))
		if err != nil {
			if got != nil || err.Status() < 400 || err.Status() >= 500 {
				t.Errorf("got %v with %d %v, want nothing and a client error", got, err.Status(), err)
			}
			return
		}
		if !slices.Contains([]string{grantPassword, grantClientCredentials, grantRefreshToken}, got.GrantType) || got.Credentials.ClientID == "" ||
			(got.Credentials.Method == oauth2.MethodNone) != (got.Credentials.Secret == "") {
			t.Errorf("got %+v", got)
		}
		if got.UserKind != "" || len(got.Resources) > 0 || strings.Contains(got.Scope, "  ") || strings.HasPrefix(got.Scope, " ") {
			t.Errorf("got %+v", got)
		}
	})
}
