// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauth2

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	form = "application/x-www-form-urlencoded"
	js   = "application/json"
)

// newRequest returns a token request. Headers come in pairs of name and value.
func newRequest(t *testing.T, contentType, body string, headers ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/oauth2/token", strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for pair := range slices.Chunk(headers, 2) {
		r.Header.Add(pair[0], pair[1])
	}
	return r
}

func basic(credentials string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(credentials))
}

func TestParseRequestAccepts(t *testing.T) {
	none := Credentials{Method: MethodNone}
	assertion := Credentials{Method: MethodPrivateKeyJWT, Assertion: "aa.bb.cc"}
	post := Credentials{Method: MethodPost, ClientID: "shop.sync", Secret: "s3cret"}
	basicOf := func(id, secret string) Credentials {
		return Credentials{Method: MethodBasic, ClientID: id, Secret: Secret(secret)}
	}
	tests := []struct {
		name, contentType, body string
		headers                 []string
		want                    Request
	}{
		{
			name: "a form with credentials in the body", contentType: form,
			body: "grant_type=client_credentials&client_id=shop.sync&client_secret=s3cret&scope=a+b",
			want: Request{GrantType: "client_credentials", Scope: "a b", Credentials: post},
		},
		{
			name: "a JSON object with the same members", contentType: js,
			body: `{"grant_type":"client_credentials","client_id":"shop.sync","client_secret":"s3cret","scope":"a b"}`,
			want: Request{GrantType: "client_credentials", Scope: "a b", Credentials: post},
		},
		{
			name: "a charset of UTF-8 in any case", contentType: form + "; charset=UTF-8", body: "grant_type=x",
			want: Request{GrantType: "x", Credentials: none},
		},
		{
			name: "a JSON charset", contentType: js + ";charset=\"utf-8\"", body: `{"grant_type":"x"}`,
			want: Request{GrantType: "x", Credentials: none},
		},
		{
			name: "a media type in capitals", contentType: "Application/JSON", body: `{"grant_type":"x"}`,
			want: Request{GrantType: "x", Credentials: none},
		},
		{
			name: "credentials by Basic", contentType: form, body: "grant_type=x",
			headers: []string{"Authorization", basic("shop.sync:s3cret")},
			want:    Request{GrantType: "x", Credentials: basicOf("shop.sync", "s3cret")},
		},
		{
			name: "Basic in any case with form-encoded halves", contentType: form, body: "grant_type=x",
			headers: []string{"Authorization", "bAsIc" + strings.TrimPrefix(basic("a%3Ab:c+d%25%C3%A9:e"), "Basic")},
			want:    Request{GrantType: "x", Credentials: basicOf("a:b", "c d%é:e")},
		},
		{
			name: "Basic with the same client_id in the body", contentType: form, body: "grant_type=x&client_id=shop.sync",
			headers: []string{"Authorization", basic("shop.sync:s3cret")},
			want:    Request{GrantType: "x", Credentials: basicOf("shop.sync", "s3cret")},
		},
		{
			name: "an empty value as one that was left out", contentType: form,
			body:    "grant_type=x&client_secret=&client_id=&scope=&resource=&client_assertion&client_assertion_type=&password",
			headers: []string{"Authorization", basic("shop.sync:s3cret")},
			want:    Request{GrantType: "x", Credentials: basicOf("shop.sync", "s3cret")},
		},
		{
			name: "no credentials", contentType: form, body: "grant_type=x&client_id=shop.sync",
			want: Request{GrantType: "x", Credentials: Credentials{Method: MethodNone, ClientID: "shop.sync"}},
		},
		{
			name: "resource more than once", contentType: form, body: "resource=https%3A%2F%2Fa&grant_type=x&resource=urn:b",
			want: Request{GrantType: "x", Resources: []string{"https://a", "urn:b"}, Credentials: none},
		},
		{
			name: "resource as a JSON array", contentType: js, body: `{"resource":["https://a","urn:b"],"grant_type":"x"}`,
			want: Request{GrantType: "x", Resources: []string{"https://a", "urn:b"}, Credentials: none},
		},
		{
			name: "resource as a JSON string", contentType: js, body: `{"resource":"urn:b","grant_type":"x"}`,
			want: Request{GrantType: "x", Resources: []string{"urn:b"}, Credentials: none},
		},
		{
			name: "unknown parameters, which it ignores", contentType: form, body: "grant_type=x&flavour=sweet&=&&",
			want: Request{GrantType: "x", Credentials: none},
		},
		{
			name: "unknown members of any type, which it ignores", contentType: js,
			body: ` {"n":1e999,"o":{"a":[1,{"grant_type":"y"}]},"z":null,"Grant_Type":"y","grant_type":"x"} `,
			want: Request{GrantType: "x", Credentials: none},
		},
		{
			name: "escapes in JSON names and values", contentType: js, body: `{"grant\u005ftype":"x","scope":"\u0061"}`,
			want: Request{GrantType: "x", Scope: "a", Credentials: none},
		},
		{
			name: "a login, whose password may hold spaces and any letters", contentType: form,
			body: "grant_type=password&username=J%C3%BCrgen+B&password=+p%C3%A4ss+%2B%26%3D&client_id=shop.sync&client_secret=s3cret",
			want: Request{GrantType: "password", Username: "Jürgen B", Password: " päss +&=", Credentials: post},
		},
		{
			name: "a login in JSON", contentType: js, body: `{"grant_type":"password","username":"bob","password":" x "}`,
			want: Request{GrantType: "password", Username: "bob", Password: " x ", Credentials: none},
		},
		{
			name: "a refresh", contentType: form, body: "grant_type=refresh_token&refresh_token=aa.bb.cc",
			want: Request{GrantType: "refresh_token", RefreshToken: "aa.bb.cc", Credentials: none},
		},
		{
			name: "a client assertion", contentType: form,
			body: "grant_type=x&client_assertion=aa.bb.cc&client_assertion_type=" + url.QueryEscape(assertionTypeJWT),
			want: Request{GrantType: "x", Credentials: assertion},
		},
		{
			name: "a client assertion with a client_id", contentType: js,
			body: `{"grant_type":"x","client_id":"shop.sync","client_assertion":"aa.bb.cc","client_assertion_type":"` + assertionTypeJWT + `"}`,
			want: Request{GrantType: "x", Credentials: Credentials{Method: MethodPrivateKeyJWT, ClientID: "shop.sync", Assertion: "aa.bb.cc"}},
		},
		{
			name: "the longest values", contentType: form,
			body: "grant_type=x&username=" + strings.Repeat("u", 253) + "&password=" + strings.Repeat("p", 1024) +
				"&refresh_token=" + strings.Repeat("r", 4096),
			want: Request{
				GrantType: "x", Username: strings.Repeat("u", 253), Password: Secret(strings.Repeat("p", 1024)),
				RefreshToken: Secret(strings.Repeat("r", 4096)), Credentials: none,
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseRequest(httptest.NewRecorder(), newRequest(t, tt.contentType, tt.body, tt.headers...))
			if err != nil {
				t.Fatalf("ParseRequest: %v", err)
			}
			if diff := cmp.Diff(&tt.want, got); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseRequestRefusesBodies(t *testing.T) {
	many := strings.Repeat
	tests := []struct {
		name, contentType, body string
		wantStatus              int
		wantDescription         string
	}{
		{"no content type", "", "grant_type=x", 400, "Content-Type"},
		{"another content type", "text/plain", "grant_type=x", 400, "Content-Type"},
		{"a malformed content type", "application/json; =", `{"grant_type":"x"}`, 400, "Content-Type"},
		{"another charset", form + "; charset=latin1", "grant_type=x", 400, "UTF-8"},
		{"an empty form", form, "", 400, "grant_type is missing"},
		{"an empty grant_type", form, "grant_type=", 400, "grant_type is missing"},
		{"an empty JSON body", js, "", 400, "not valid JSON"},
		{"a body over 64 KiB", form, "grant_type=x&a=" + many("a", MaxBodyBytes), 413, "64 KiB"},
		{"a percent sign without digits", form, "grant_type=%zz", 400, "percent sign"},
		{"a percent sign at the end", form, "grant_type=x%2", 400, "percent sign"},
		{"a percent-encoded byte that is not UTF-8", form, "grant_type=%ff", 400, "UTF-8"},
		{"a bare byte that is not UTF-8", form, "grant_type=\xff", 400, "UTF-8"},
		{"JSON that is not UTF-8", js, "{\"grant_type\":\"\xff\"}", 400, "UTF-8"},
		{"a NUL", form, "grant_type=x&scope=%00", 400, "scope holds control characters"},
		{"a NUL in JSON", js, `{"grant_type":"x","scope":"\u0000"}`, 400, "scope holds control characters"},
		{"a line break in an unknown parameter", form, "grant_type=x&other=%0a", 400, "does not read holds control"},
		{"a control character in a name", form, "grant_type=x&%7f=1", 400, "name"},
		{"a long name", form, "grant_type=x&" + many("n", 129) + "=1", 400, "name"},
		{"a duplicate", form, "grant_type=x&grant_type=x", 400, "grant_type is there twice"},
		{"an empty duplicate", form, "grant_type=x&scope=&scope=a", 400, "scope is there twice"},
		{"an unknown duplicate, whose name it does not repeat", form, "grant_type=x&hush=1&hush=2", 400, "does not read is there twice"},
		{"a duplicate member", js, `{"grant_type":"x","grant_type":"x"}`, 400, "grant_type is there twice"},
		{"a duplicate resource member", js, `{"grant_type":"x","resource":"a","resource":"b"}`, 400, "resource is there twice"},
		{"a JSON array", js, `[]`, 400, "must be a JSON object, not an array"},
		{"a JSON string", js, `"grant_type"`, 400, "must be a JSON object, not a string"},
		{"JSON null", js, `null`, 400, "must be a JSON object, not null"},
		{"broken JSON", js, `{"grant_type":`, 400, "not valid JSON"},
		{"JSON that is not closed", js, `{"grant_type":"x"`, 400, "not valid JSON"},
		{"a comma too many", js, `{"grant_type":"x",}`, 400, "not valid JSON"},
		{"a member without value", js, `{"grant_type"}`, 400, "not valid JSON"},
		{"an array that is not closed", js, `{"resource":["a"`, 400, "not valid JSON"},
		{"an unknown member that is not closed", js, `{"a":{"b":`, 400, "not valid JSON"},
		{"an object after the object", js, `{"grant_type":"x"}{}`, 400, "nothing after it"},
		{"garbage after the object", js, `{"grant_type":"x"}garbage`, 400, "nothing after it"},
		{"a number for a string", js, `{"grant_type":1}`, 400, "grant_type must be a string, not a number"},
		{"a boolean for a string", js, `{"grant_type":"x","scope":true}`, 400, "scope must be a string, not a boolean"},
		{"an array for a string", js, `{"scope":["a"]}`, 400, "scope must be a string, not an array"},
		{"an object for a secret", js, `{"client_secret":{}}`, 400, "client_secret must be a string, not an object"},
		{"null for a string", js, `{"client_id":null}`, 400, "client_id must be a string, not null"},
		{"a number for a resource", js, `{"resource":1}`, 400, "resource must be a string or an array of strings, not a number"},
		{"a number in resource", js, `{"resource":["a",1]}`, 400, "resource must hold strings only, not a number"},
		{"deep nesting", js, `{"a":` + many("[", 17) + many("]", 17) + `}`, 400, "nested too deeply"},
		{"a long array that nobody reads", js, `{"a":[0` + many(",0", 2000) + `]}`, 400, "too much in members"},
		{"too many resources", form, "grant_type=x" + many("&resource=a", 17), 400, "too many resource"},
		{"too many resources in JSON", js, `{"resource":["a"` + many(`,"a"`, 16) + `]}`, 400, "too many resource"},
		{"too many parameters", form, manyParameters(65), 400, "too many parameters"},
		{"a long grant_type", form, "grant_type=" + many("x", 257), 400, "grant_type is too long"},
		{"a long client_id", form, "client_id=" + many("x", 254), 400, "client_id is too long"},
		{"a long client_secret", form, "client_secret=" + many("x", 1025), 400, "client_secret is too long"},
		{"a long scope", form, "scope=" + many("x", 256*129+1), 400, "scope is too long"},
		{"a long username", form, "username=" + many("x", 254), 400, "username is too long"},
		{"a long password", form, "password=" + many("x", 1025), 400, "password is too long"},
		{"a password with a line break", form, "password=hush%0A", 400, "password holds control characters"},
		{"a password that is no string", js, `{"password":{"hush":1}}`, 400, "password must be a string, not an object"},
		{"a long refresh_token", form, "refresh_token=" + many("x", 4097), 400, "refresh_token is too long"},
		{"a long token", form, "token=" + many("x", 60<<10+1), 400, "token is too long"},
		{"a long token_type_hint", form, "token_type_hint=" + many("x", 257), 400, "token_type_hint is too long"},
		{"a long client_assertion", form, "client_assertion=" + many("x", 16<<10+1), 400, "client_assertion is too long"},
		{"a long client_assertion_type", form, "client_assertion_type=" + many("x", 257), 400, "client_assertion_type is too long"},
		{"a duplicate password", form, "password=hush&password=hush", 400, "password is there twice"},
		{"a long resource", form, "resource=" + many("x", 513), 400, "resource is too long"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseRequest(httptest.NewRecorder(), newRequest(t, tt.contentType, tt.body))
			wantError(t, err, "invalid_request", tt.wantStatus, tt.wantDescription)
			if strings.Contains(err.Description(), "hush") {
				t.Errorf("the description repeats the request: %q", err.Description())
			}
		})
	}
}

// manyParameters returns a form with n parameters.
func manyParameters(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("&p" + strings.Repeat("p", i))
	}
	return b.String()
}

func TestParseRequestRefusesCredentials(t *testing.T) {
	const authorization = "Authorization"
	good := basic("shop.sync:s3cret")
	tests := []struct {
		name, body      string
		headers         []string
		wantCode        string
		wantStatus      int
		wantDescription string
	}{
		{"Basic and client_secret", "client_secret=x", []string{authorization, good}, "invalid_request", 400, "more than one way"},
		{"Basic and client_assertion", "client_assertion=x", []string{authorization, good}, "invalid_client", 401, "more than one way"},
		{
			"client_secret and client_assertion", "client_id=a&client_secret=x&client_assertion=y", nil,
			"invalid_client", 401, "more than one way",
		},
		{"Basic and another client_id", "client_id=other", []string{authorization, good}, "invalid_request", 400, "client_id is not"},
		{"Basic and client_assertion_type", "client_assertion_type=x", []string{authorization, good}, "invalid_client", 401, "more than one way"},
		{"client_assertion alone", "client_assertion=y", nil, "invalid_client", 401, "with the client_assertion_type urn:"},
		{"client_assertion_type alone", "client_id=a&client_assertion_type=y", nil, "invalid_client", 401, "without client_assertion"},
		{
			"a client assertion of another type",
			"client_assertion=y&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:saml2-bearer", nil,
			"invalid_client", 401, "with the client_assertion_type urn:",
		},
		{"client_secret alone", "client_secret=y", nil, "invalid_client", 401, "without client_id"},
		{"two Authorization headers", "", []string{authorization, good, authorization, good}, "invalid_client", 401, "more than one"},
		{"another scheme", "", []string{authorization, "Bearer abc"}, "invalid_client", 401, "scheme Basic"},
		{"an empty header", "", []string{authorization, ""}, "invalid_client", 401, "scheme Basic"},
		{"Basic with nothing", "", []string{authorization, "Basic "}, "invalid_client", 401, "base64"},
		{"Basic that is not base64", "", []string{authorization, "Basic !!!"}, "invalid_client", 401, "base64"},
		{"Basic without colon", "", []string{authorization, basic("shop.sync")}, "invalid_client", 401, "base64"},
		{"Basic without client", "", []string{authorization, basic(":s3cret")}, "invalid_client", 401, "base64"},
		{"Basic with a bare percent sign", "", []string{authorization, basic("a:100%")}, "invalid_client", 401, "base64"},
		{"Basic that is not UTF-8", "", []string{authorization, basic("a:\xff")}, "invalid_client", 401, "base64"},
		{"Basic with a control character", "", []string{authorization, basic("a:%00")}, "invalid_client", 401, "base64"},
		{"Basic with a long client", "", []string{authorization, basic(strings.Repeat("a", 254) + ":b")}, "invalid_client", 401, "base64"},
		{"Basic with a long secret", "", []string{authorization, basic("a:" + strings.Repeat("b", 1025))}, "invalid_client", 401, "base64"},
		{"Basic beyond all bounds", "", []string{authorization, basic(strings.Repeat("a", 9000))}, "invalid_client", 401, "base64"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseRequest(httptest.NewRecorder(), newRequest(t, form, "grant_type=x&"+tt.body, tt.headers...))
			wantError(t, err, tt.wantCode, tt.wantStatus, tt.wantDescription)
		})
	}
}

func TestParseTokenQuery(t *testing.T) {
	longest := strings.Repeat("t", MaxTokenLength)
	tests := []struct {
		name, contentType, body string
		want                    TokenQuery
		wantRefused             string
	}{
		{
			name: "a form", contentType: form, body: "token=aa.bb.cc&token_type_hint=access_token&client_id=a&client_secret=b",
			want: TokenQuery{Token: "aa.bb.cc", TypeHint: "access_token", Credentials: Credentials{Method: MethodPost, ClientID: "a", Secret: "b"}},
		},
		{
			name: "a JSON object", contentType: js, body: `{"token":"aa.bb.cc","client_id":"a"}`,
			want: TokenQuery{Token: "aa.bb.cc", Credentials: Credentials{Method: MethodNone, ClientID: "a"}},
		},
		{
			name: "the longest token", contentType: form, body: "token=" + longest,
			want: TokenQuery{Token: Secret(longest), Credentials: Credentials{Method: MethodNone}},
		},
		{name: "no token", contentType: form, body: "token_type_hint=access_token", wantRefused: "token is missing"},
		{name: "an empty token", contentType: js, body: `{"token":""}`, wantRefused: "token is missing"},
		{name: "a token twice", contentType: form, body: "token=a&token=b", wantRefused: "token is there twice"},
		{name: "a token that is no string", contentType: js, body: `{"token":["a"]}`, wantRefused: "must be a string"},
		{name: "a token with a control character", contentType: form, body: "token=a%00", wantRefused: "token holds control"},
		{name: "another content type", contentType: "text/plain", body: "token=a", wantRefused: "Content-Type"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseTokenQuery(httptest.NewRecorder(), newRequest(t, tt.contentType, tt.body))
			if tt.wantRefused != "" {
				wantError(t, err, "invalid_request", 400, tt.wantRefused)
				return
			}
			if err != nil {
				t.Fatalf("ParseTokenQuery: %v", err)
			}
			if diff := cmp.Diff(&tt.want, got); diff != "" {
				t.Errorf("query (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParsersRefuseMethodsAndQueries(t *testing.T) {
	parsers := map[string]func(*http.Request) *Error{
		"ParseRequest": func(r *http.Request) *Error {
			_, err := ParseRequest(httptest.NewRecorder(), r)
			return err
		},
		"ParseTokenQuery": func(r *http.Request) *Error {
			_, err := ParseTokenQuery(httptest.NewRecorder(), r)
			return err
		},
	}
	for name, parse := range parsers {
		t.Run(name+" a method that is not POST, even with credentials in the URL", func(t *testing.T) {
			r := newRequest(t, form, "grant_type=x&token=y")
			r.Method, r.URL.RawQuery = http.MethodGet, "client_secret=s3cret&token=y"
			wantError(t, parse(r), "invalid_request", 405, "use the method POST")
		})
		t.Run(name+" a query string", func(t *testing.T) {
			r := newRequest(t, form, "grant_type=x&token=y")
			r.URL.RawQuery = "client_secret=s3cret"
			wantError(t, parse(r), "invalid_request", 400, "no query string")
		})
		t.Run(name+" two content types", func(t *testing.T) {
			wantError(t, parse(newRequest(t, form, "grant_type=x&token=y", "Content-Type", js)), "invalid_request", 400, "Content-Type")
		})
	}
}

func wantError(t *testing.T, got *Error, wantCode string, wantStatus int, wantDescription string) {
	t.Helper()
	if got == nil {
		t.Fatalf("got no error, want %s", wantCode)
	}
	if got.Code() != wantCode || got.Status() != wantStatus || !strings.Contains(got.Description(), wantDescription) {
		t.Errorf("got %d %v, want %d %s with %q", got.Status(), got, wantStatus, wantCode, wantDescription)
	}
}
