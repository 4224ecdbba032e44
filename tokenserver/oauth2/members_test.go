// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauth2_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
)

func readMembers(t *testing.T, contentType, body string) (oauth2.Members, *oauth2.Error) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/oauth/token", strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return oauth2.ReadMembers(httptest.NewRecorder(), r)
}

func TestMembersHaveTheTypesThatTheyCameIn(t *testing.T) {
	for name, body := range map[string]struct{ contentType, body string }{
		"JSON": {"application/json; charset=utf-8", `{"a":"x","b":["y","z"],"c":5,"d":null,"e":["y",5],"f":{"a":["x"]},"g":[]}`},
		"form": {"application/x-www-form-urlencoded", `a=x&b%5B%5D=y&b%5B%5D=z&c[x]=5`},
	} {
		t.Run(name, func(t *testing.T) {
			members, err := readMembers(t, body.contentType, body.body)
			if err != nil {
				t.Fatal(err)
			}
			if text, ok := members.Text("a"); text != "x" || !ok {
				t.Errorf("a is %q, %t", text, ok)
			}
			if list, ok := members.List("b"); !ok || cmp.Diff([]string{"y", "z"}, list) != "" {
				t.Errorf("b is %q, %t", list, ok)
			}
			if members.Has("d") {
				t.Error("null is there")
			}
			for _, other := range []string{"b", "c", "d", "e", "f", "g", "h"} {
				if text, ok := members.Text(other); ok {
					t.Errorf("%s is the string %q", other, text)
				}
			}
			for _, other := range []string{"a", "c", "d", "e", "f", "h"} {
				if list, ok := members.List(other); ok {
					t.Errorf("%s is the list %q", other, list)
				}
			}
		})
	}
	if members, err := readMembers(t, "", ""); err != nil || len(members) != 0 {
		t.Errorf("an empty body has %v and the error %v", members, err)
	}
}

func TestMembersThatCannotBeRead(t *testing.T) {
	long := strings.Repeat("x", 65<<10)
	for _, tt := range []struct {
		name, contentType, body string
		wantStatus              int
		wantCause               error
	}{
		{"another content type", "text/plain", "a=b", 400, oauth2.ErrCauseContentType},
		{"no content type", "", "a=b", 400, oauth2.ErrCauseContentType},
		{"another charset", "application/json; charset=latin1", "{}", 400, oauth2.ErrCauseContentType},
		{"half of an object", "application/json", `{"a":"x"`, 400, oauth2.ErrCauseMalformed},
		{"an array", "application/json", `[]`, 400, oauth2.ErrCauseMalformed},
		{"two objects", "application/json", `{}{}`, 400, oauth2.ErrCauseMalformed},
		{"half of a list", "application/json", `{"a":["x"`, 400, oauth2.ErrCauseMalformed},
		{"no UTF-8", "application/json", "{\"a\":\"\xff\"}", 400, oauth2.ErrCauseMalformed},
		{"a broken escape", "application/x-www-form-urlencoded", "a=%zz", 400, oauth2.ErrCauseMalformed},
		{"nesting without end", "application/json", `{"a":` + strings.Repeat("[", 1000), 400, oauth2.ErrCauseMalformed},
		{"a member twice", "application/json", `{"a":"x","a":"y"}`, 400, nil},
		{"a field twice", "application/x-www-form-urlencoded", "a=x&a=y", 400, nil},
		{"a field that is a list as well", "application/x-www-form-urlencoded", "a=x&a[]=y", 400, nil},
		{"a list without end", "application/x-www-form-urlencoded", strings.Repeat("a[]=x&", 300), 400, nil},
		{"an entry that is too long", "application/json", `{"a":["` + strings.Repeat("x", 300) + `"]}`, 400, nil},
		{"a control character", "application/json", `{"a":"\u0000"}`, 400, nil},
		{"too much", "application/json", long, 413, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			members, err := readMembers(t, tt.contentType, tt.body)
			if err == nil || err.Status() != tt.wantStatus || tt.wantCause != nil && !errors.Is(err, tt.wantCause) {
				t.Errorf("got %v and the error %v with status and cause %v", members, err, errors.Unwrap(err))
			}
		})
	}
}

func TestMembersComeByPostAndInTheBody(t *testing.T) {
	get := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/oauth/token", http.NoBody)
	if _, err := oauth2.ReadMembers(httptest.NewRecorder(), get); err == nil || err.Status() != http.StatusMethodNotAllowed || err.Allow() != "POST" {
		t.Errorf("GET: %v", err)
	}
	query := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/oauth/token?a=b", http.NoBody)
	if _, err := oauth2.ReadMembers(httptest.NewRecorder(), query); err == nil {
		t.Error("a query is taken")
	}
}

func TestRawBasicDecodesNothing(t *testing.T) {
	encode := base64.StdEncoding.EncodeToString
	for _, tt := range []struct {
		name         string
		headers      []string
		wantName     string
		wantPassword oauth2.Secret
		wantFound    bool
		wantErr      bool
	}{
		{name: "no header"},
		{name: "an expired bearer token", headers: []string{"Bearer x.y.z"}},
		{name: "what looks encoded stays", headers: []string{"Basic " + encode([]byte("a%20b:c+d:e"))}, wantName: "a%20b", wantPassword: "c+d:e", wantFound: true},
		{name: "an empty password", headers: []string{"basic " + encode([]byte("administration:"))}, wantName: "administration", wantFound: true},
		{name: "no base64", headers: []string{"Basic ?"}, wantErr: true},
		{name: "no colon", headers: []string{"Basic " + encode([]byte("a"))}, wantErr: true},
		{name: "two", headers: []string{"Basic " + encode([]byte("a:b")), "Basic " + encode([]byte("a:b"))}, wantErr: true},
		{name: "too long", headers: []string{"Basic " + encode([]byte("a:"+strings.Repeat("b", 2000)))}, wantErr: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", http.NoBody)
			r.Header["Authorization"] = tt.headers
			name, password, found, err := oauth2.RawBasic(r)
			if name != tt.wantName || password != tt.wantPassword || found != tt.wantFound || (err != nil) != tt.wantErr {
				t.Errorf("got %q, %q, %t, %v", name, password.Reveal(), found, err)
			}
		})
	}
}

func FuzzReadMembers(f *testing.F) {
	for _, body := range []string{`{"a":"x","b":["y"],"c":{"d":[1]}}`, `a=x&b[]=y&b[1]=z`, `{`, `a=%`, `{"a":[["x"]]}`} {
		f.Add("application/json", body)
		f.Add("application/x-www-form-urlencoded", body)
	}
	f.Fuzz(func(t *testing.T, contentType, body string) {
		members, err := readMembers(t, contentType, body)
		if err == nil {
			for name := range members {
				_, isText := members.Text(name)
				if _, isList := members.List(name); isText && isList {
					t.Errorf("%q is a string and a list", name)
				}
			}
		} else if err.Status() >= 500 {
			t.Errorf("got %v", err)
		}
	})
}
