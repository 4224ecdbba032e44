// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauth2

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"unicode/utf8"
)

// FuzzParseRequest feeds the parser any body and header, and checks what it promises of every request that it lets through.
func FuzzParseRequest(f *testing.F) {
	for _, body := range []string{
		"grant_type=client_credentials&client_id=a&client_secret=b&scope=c+d&resource=e&resource=f",
		"grant_type=password&username=a&password=b+c", "grant_type=refresh_token&refresh_token=a.b.c",
		"grant_type=x&client_assertion=a.b.c&client_assertion_type=" + url.QueryEscape(assertionTypeJWT),
		"grant_type=%zz", "grant_type=x&grant_type=x", "=&;&%00=%ff", "grant_type",
	} {
		f.Add(false, body, basic("a:b"))
	}
	for _, body := range []string{
		`{"grant_type":"x","resource":["a","b"],"o":{"p":[null]}}`, `{"grant_type":1}`, `[[[[`, `{"a":"\ud800"}`, `{} {}`,
	} {
		f.Add(true, body, "")
	}
	f.Fuzz(func(t *testing.T, asJSON bool, body, authorization string) {
		contentType := form
		if asJSON {
			contentType = js
		}
		r := newRequest(t, contentType, body)
		if authorization != "" {
			r.Header["Authorization"] = []string{authorization}
		}
		w := httptest.NewRecorder()
		got, err := ParseRequest(w, r)
		if err != nil {
			if got != nil || err.Status() < 400 || err.Status() >= 500 {
				t.Errorf("got %v with %d %v, want nothing and a client error", got, err.Status(), err)
			}
			return
		}
		if got.GrantType == "" || len(got.Resources) > maxResources {
			t.Errorf("the request is out of bounds: %+v", got)
		}
		wantClean(t, got.Credentials, authorization, append(got.Resources, got.GrantType, got.Scope, got.Username,
			got.Password.Reveal(), got.RefreshToken.Reveal())...)
	})
}

// FuzzParseTokenQuery does the same for requests about tokens.
func FuzzParseTokenQuery(f *testing.F) {
	for _, body := range []string{"token=a.b.c&token_type_hint=refresh_token&client_id=a&client_secret=b", "token=%zz", "token=a&token=a"} {
		f.Add(false, body, basic("a:b"))
	}
	for _, body := range []string{`{"token":"a.b.c","o":{"p":[null]}}`, `{"token":1}`, `{"token":"\ud800"}`, `{} {}`} {
		f.Add(true, body, "")
	}
	f.Fuzz(func(t *testing.T, asJSON bool, body, authorization string) {
		contentType := form
		if asJSON {
			contentType = js
		}
		r := newRequest(t, contentType, body)
		if authorization != "" {
			r.Header["Authorization"] = []string{authorization}
		}
		got, err := ParseTokenQuery(httptest.NewRecorder(), r)
		if err != nil {
			if got != nil || err.Status() < 400 || err.Status() >= 500 {
				t.Errorf("got %v with %d %v, want nothing and a client error", got, err.Status(), err)
			}
			return
		}
		if got.Token == "" || len(got.Token) > MaxTokenLength {
			t.Errorf("the token has %d bytes", len(got.Token))
		}
		wantClean(t, got.Credentials, authorization, got.Token.Reveal(), got.TypeHint)
	})
}

// wantClean checks credentials, and that they and other values hold only what a request may hold.
func wantClean(t *testing.T, c Credentials, authorization string, others ...string) {
	t.Helper()
	for _, s := range append(others, c.ClientID, c.Secret.Reveal(), c.Assertion.Reveal()) {
		if !utf8.ValidString(s) || hasControl(s) {
			t.Errorf("the request holds %q", s)
		}
	}
	var ok bool
	switch c.Method {
	case MethodNone:
		ok = c.Secret == "" && c.Assertion == "" && authorization == ""
	case MethodBasic:
		ok = c.Assertion == "" && c.ClientID != "" && authorization != ""
	case MethodPost:
		ok = c.Secret != "" && c.Assertion == "" && c.ClientID != "" && authorization == ""
	case MethodPrivateKeyJWT:
		ok = c.Secret == "" && c.Assertion != "" && authorization == ""
	}
	if !ok {
		t.Errorf("the method %q does not go with the credentials", c.Method)
	}
}

// FuzzDecodeBasic checks that whatever decodes can be encoded as RFC 6749 section 2.3.1 says and decodes to the same again, and
// that the standard library agrees on the base64.
func FuzzDecodeBasic(f *testing.F) {
	for _, s := range []string{"a:b", "a%3Ab:c+d", ":", "a", "a:%", "a:\xff", "a:b:c"} {
		f.Add(base64.StdEncoding.EncodeToString([]byte(s)))
	}
	f.Add("!!!")
	f.Fuzz(func(t *testing.T, encoded string) {
		id, secret, ok := decodeBasic(encoded)
		if !ok {
			return
		}
		r := http.Request{Header: http.Header{"Authorization": {"Basic " + encoded}}}
		if _, _, standard := r.BasicAuth(); !standard {
			t.Errorf("net/http refuses %q", encoded)
		}
		again := base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id) + ":" + url.QueryEscape(secret)))
		gotID, gotSecret, gotOK := decodeBasic(again)
		if gotID != id || gotSecret != secret || !gotOK {
			t.Errorf("%q:%q came back as %q:%q", id, secret, gotID, gotSecret)
		}
	})
}
