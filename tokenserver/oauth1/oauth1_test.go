// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauth1

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	client "github.com/dghubble/oauth1"
)

// TestBaseString has the example of RFC 5849 section 3.4.1.1. The parameters that its body has stand in the query here, which makes no
// difference to the base string.
func TestBaseString(t *testing.T) {
	header, err := parseHeader(`OAuth realm="Example", oauth_consumer_key="9djdj82h48djs9d2", oauth_token="kkk9d7dh3k39sjv7", ` +
		`oauth_signature_method="HMAC-SHA1", oauth_timestamp="137131201", oauth_nonce="7d8f3e4a"`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := baseString(Request{
		Method: "post", Scheme: "HTTP", Host: "EXAMPLE.COM:80", Path: "/request", Query: "b5=%3D%253D&a3=a&c%40=&a2=r%20b&c2&a3=2+q",
	}, header[1:])
	if err != nil {
		t.Fatal(err)
	}
	want := "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D%26c2%3D%26" +
		"oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1%26" +
		"oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestBaseURI has the examples of RFC 5849 section 3.4.1.2.
func TestBaseURI(t *testing.T) {
	tests := []struct {
		name string
		r    Request
		want string
	}{
		{"the port of the scheme is left out", Request{Scheme: "http", Host: "EXAMPLE.COM:80", Path: "/r%20v/X"}, "http://example.com/r%20v/X"},
		{"another port stays", Request{Scheme: "https", Host: "www.example.net:8080", Path: "/"}, "https://www.example.net:8080/"},
		{"the port of another scheme stays", Request{Scheme: "https", Host: "example.net:80", Path: "/"}, "https://example.net:80/"},
		{"no path is the root", Request{Scheme: "https", Host: "example.net:443"}, "https://example.net/"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := baseURI(tt.r); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestClient sends requests that an independent client signs to a server that verifies them.
func TestClient(t *testing.T) {
	const consumerSecret, tokenSecret = "a consumer's &secret", "a+token/secret"
	verified := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, err := Parse(r.Header.Get("Authorization"))
		if err == nil && (a.ConsumerKey != "the consumer" || a.Token != "the token" || a.Nonce == "") {
			err = errors.New("the keys are not the client's")
		}
		if err == nil {
			err = a.Verify(Request{
				Method: r.Method, Scheme: "http", Host: r.Host, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery,
			}, consumerSecret, tokenSecret, time.Now())
		}
		verified <- err
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(server.Close)
	config := client.Config{
		ConsumerKey: "the consumer", Realm: "shop, the realm", Signer: &client.HMAC256Signer{ConsumerSecret: consumerSecret},
	}
	signing := config.Client(t.Context(), client.NewToken("the token", tokenSecret))
	for _, tt := range []struct{ name, method, target, contentType, body string }{
		{name: "a path", method: http.MethodGet, target: "/rest/V1/products"},
		{name: "the root", method: http.MethodGet, target: "/"},
		{name: "a path with encoded letters", method: http.MethodGet, target: "/rest/V1/products/a%20b%2Fc+d%C3%A9"},
		{
			name: "a query as Magento has it", method: http.MethodGet,
			target: "/rest/V1/products?searchCriteria%5BpageSize%5D=20&searchCriteria[filter_groups][0][filters][0][field]=name",
		},
		{name: "a query with spaces and signs", method: http.MethodDelete, target: "/rest?b=1+2&a=%2B%25%26%3D~*'()&c&%C3%A9=%E2%82%AC"},
		{name: "a JSON body", method: http.MethodPost, target: "/rest/V1/products", contentType: "application/json", body: `{"a":"b"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), tt.method, server.URL+tt.target, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", tt.contentType)
			reply, err := signing.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, reply.Body)
			_ = reply.Body.Close()
			if err := <-verified; err != nil {
				t.Errorf("the request does not verify: %v", err)
			}
		})
	}
}

// signed is a request and its header.
type signed struct {
	request Request
	header  string
}

// sign signs GET https://shop.example/rest/V1/products?a=1 by the independent client's signer.
func sign(t *testing.T, at time.Time) signed {
	t.Helper()
	timestamp := strconv.FormatInt(at.Unix(), 10)
	base := "GET&https%3A%2F%2Fshop.example%2Frest%2FV1%2Fproducts&a%3D1%26oauth_consumer_key%3Dkey%26oauth_nonce%3Dnonce%26" +
		"oauth_signature_method%3DHMAC-SHA256%26oauth_timestamp%3D" + timestamp + "%26oauth_token%3Dtoken"
	signature, err := (&client.HMAC256Signer{ConsumerSecret: "consumer secret"}).Sign("token secret", base)
	if err != nil {
		t.Fatal(err)
	}
	return signed{
		request: Request{Method: "GET", Scheme: "https", Host: "shop.example", Path: "/rest/V1/products", Query: "a=1"},
		header: `OAuth oauth_consumer_key="key",oauth_token="token",oauth_signature_method="HMAC-SHA256",oauth_timestamp="` + timestamp +
			`",oauth_nonce="nonce",oauth_signature="` + url.QueryEscape(signature) + `"`,
	}
}

func TestVerify(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	tests := []struct {
		name   string
		change func(*signed)
		secret string
		token  string
		now    time.Duration
		want   error
	}{
		{name: "the request that was signed"},
		{name: "the method in lower case", change: func(s *signed) { s.request.Method = "get" }},
		{name: "a host in upper case, with the port of the scheme", change: func(s *signed) { s.request.Host = "SHOP.example:443" }},
		{name: "another method", change: func(s *signed) { s.request.Method = "PUT" }, want: ErrSignature},
		{name: "another scheme", change: func(s *signed) { s.request.Scheme = "http" }, want: ErrSignature},
		{name: "another host", change: func(s *signed) { s.request.Host = "shop2.example" }, want: ErrSignature},
		{name: "another port", change: func(s *signed) { s.request.Host = "shop.example:8443" }, want: ErrSignature},
		{name: "another path", change: func(s *signed) { s.request.Path = "/rest/V1/Products" }, want: ErrSignature},
		{name: "one parameter more", change: func(s *signed) { s.request.Query += "&b=2" }, want: ErrSignature},
		{name: "one parameter less", change: func(s *signed) { s.request.Query = "" }, want: ErrSignature},
		{name: "a query that cannot be read", change: func(s *signed) { s.request.Query = "a=%zz" }, want: ErrSignature},
		{name: "a query of too many parameters", change: func(s *signed) { s.request.Query = strings.Repeat("a=1&", 513) }, want: ErrSignature},
		{name: "a URL that is too long", change: func(s *signed) { s.request.Path = strings.Repeat("/", 16<<10) }, want: ErrSignature},
		{name: "another nonce", change: func(s *signed) { s.header = strings.Replace(s.header, `"nonce"`, `"other"`, 1) }, want: ErrSignature},
		{name: "another token", change: func(s *signed) { s.header = strings.Replace(s.header, `"token"`, `"other"`, 1) }, want: ErrSignature},
		{name: "one parameter more in the header", change: func(s *signed) { s.header += `,oauth_version="1.0"` }, want: ErrSignature},
		{name: "a realm", change: func(s *signed) { s.header = `oauth  realm="a, \" b=" , ` + s.header[6:] }},
		{name: "another consumer secret", secret: "other", want: ErrSignature},
		{name: "another token secret", token: "other", want: ErrSignature},
		{name: "the last second of a clock that is behind", now: -600 * time.Second},
		{name: "a clock that is too far behind", now: -601 * time.Second, want: ErrTimestamp},
		{name: "the last second of a clock that is ahead", now: 600 * time.Second},
		{name: "a clock that is too far ahead", now: 601 * time.Second, want: ErrTimestamp},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := sign(t, at)
			if tt.change != nil {
				tt.change(&s)
			}
			a, err := Parse(s.header)
			if err != nil {
				t.Fatal(err)
			}
			secret, token := "consumer secret", "token secret"
			if tt.secret != "" {
				secret = tt.secret
			}
			if tt.token != "" {
				token = tt.token
			}
			now := at.Add(tt.now)
			err = a.Verify(s.request, secret, token, now)
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if err == nil && !a.Forgettable(now).After(now) {
				t.Errorf("the nonce of a request that counts may be forgotten at %v, which is not after %v", a.Forgettable(now), now)
			}
			if err := a.Verify(s.request, secret, token, a.Forgettable(now)); err == nil {
				t.Error("the request counts still when its nonce is forgotten")
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	good := sign(t, time.Unix(1_800_000_000, 0)).header
	tests := []struct {
		name, header string
		want         error
	}{
		{name: "nothing"},
		{name: "the scheme alone", header: "OAuth"},
		{name: "another scheme", header: "Bearer " + good[6:]},
		{name: "no parameters", header: "OAuth "},
		{name: "a parameter of the query", header: good + `,filter="x"`},
		{name: "no quotes", header: "OAuth oauth_consumer_key=key"},
		{name: "no closing quote", header: good[:len(good)-1]},
		{name: "no comma", header: strings.Replace(good, ",", " ", 1)},
		{name: "a comma at the end", header: good + ","},
		{name: "a name without value", header: good + ",a"},
		{name: "an empty name", header: good + `,="a"`},
		{name: "a parameter twice", header: good + `,oauth_nonce="nonce"`},
		{name: "a parameter twice, once encoded", header: good + `,oauth%5Fnonce="nonce"`},
		{name: "a realm twice", header: good + `,realm="a",realm="b"`},
		{name: "a percent sign alone", header: good + `,a="%"`},
		{name: "a percent sign and one digit", header: good + `,a="%4"`},
		{name: "a percent sign and other letters", header: good + `,a="%4g"`},
		{name: "a line break", header: good + `,a="%0A"`},
		{name: "letters beyond ASCII", header: good + `,a="%C3%A9"`},
		{name: "a value that is too long", header: good + `,a="` + strings.Repeat("a", 1025) + `"`},
		{name: "a header that is too long", header: good + `,realm="` + strings.Repeat("a", 8<<10) + `"`},
		{name: "too many parameters", header: good + manyParameters(27)},
		{name: "another version", header: good + `,oauth_version="2.0"`},
		{name: "a timestamp of zero", header: replaceParameter(good, "oauth_timestamp", "0")},
		{name: "a negative timestamp", header: replaceParameter(good, "oauth_timestamp", "-1")},
		{name: "a timestamp with a fraction", header: replaceParameter(good, "oauth_timestamp", "1.5")},
		{name: "a timestamp that is too long", header: replaceParameter(good, "oauth_timestamp", "1800000000000")},
		{name: "a signature that is no base64", header: replaceParameter(good, "oauth_signature", "*")},
		{name: "a signature that is too short", header: replaceParameter(good, "oauth_signature", "AAAA")},
		{name: "a signature by SHA-1", header: replaceParameter(good, "oauth_signature_method", "HMAC-SHA1"), want: ErrMethod},
		{name: "no signature but the secrets", header: replaceParameter(good, "oauth_signature_method", "PLAINTEXT"), want: ErrMethod},
		{name: "no consumer key", header: replaceParameter(good, "oauth_consumer_key", "")},
		{name: "no token", header: replaceParameter(good, "oauth_token", "")},
		{name: "no nonce", header: replaceParameter(good, "oauth_nonce", "")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.want == nil {
				tt.want = ErrMalformed
			}
			if a, err := Parse(tt.header); a != nil || !errors.Is(err, tt.want) {
				t.Errorf("got %v (%v), want %v", a, err, tt.want)
			}
		})
	}
	if _, err := Parse(good + manyParameters(26)); err != nil {
		t.Errorf("as many parameters as there may be: %v", err)
	}
}

func manyParameters(n int) string {
	var s strings.Builder
	for i := range n {
		s.WriteString(",oauth_a" + strconv.Itoa(i) + `="b"`)
	}
	return s.String()
}

// replaceParameter returns the header with another value of a parameter.
func replaceParameter(header, name, value string) string {
	before, rest, _ := strings.Cut(header, name+`="`)
	_, after, _ := strings.Cut(rest, `"`)
	return before + name + `="` + value + `"` + after
}

// FuzzParse feeds the parser any header, and checks that what it lets through is in bounds and comes back the same when it is written as
// the RFC has it.
func FuzzParse(f *testing.F) {
	for _, header := range []string{
		`OAuth oauth_consumer_key="k", oauth_token="t", oauth_signature_method="HMAC-SHA256", oauth_timestamp="1800000000", oauth_nonce="n", ` +
			`oauth_signature="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%3D", realm="a \" b", oauth_version="1.0", a%3Db="c%2C%22d"`,
		`OAuth realm="`, `OAuth a="b",,`, `OAuth a="b" c="d"`, `oauth	a="%41"`, `OAuth =""`, "OAuth \x00=\"\xff\"",
	} {
		f.Add(header, "a=b&a=c&%41=+%20")
	}
	f.Fuzz(func(t *testing.T, header, query string) {
		a, err := Parse(header)
		if err != nil {
			if a != nil || !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrMethod) {
				t.Fatalf("got %v (%v), want nothing and a known error", a, err)
			}
			return
		}
		if a.ConsumerKey == "" || a.Token == "" || a.Nonce == "" || len(header) > maxHeader || len(a.signed) > maxParameters {
			t.Fatalf("got %+v, which is out of bounds", a)
		}
		again := "OAuth "
		for _, p := range a.signed {
			again += encode(p.name) + `="` + encode(p.value) + `", `
		}
		again += `oauth_signature="` + encode(base64.StdEncoding.EncodeToString(a.signature)) + `"`
		if len(again) > maxHeader {
			return
		}
		b, err := Parse(again)
		if err != nil {
			t.Fatalf("%q came back as %v", header, err)
		}
		r := Request{Method: "GET", Scheme: "https", Host: "h", Path: "/", Query: query}
		first, firstErr := baseString(r, a.signed)
		second, secondErr := baseString(r, b.signed)
		if first != second || !errors.Is(firstErr, secondErr) {
			t.Errorf("the base string of %q is %q, and then %q", header, first, second)
		}
	})
}
