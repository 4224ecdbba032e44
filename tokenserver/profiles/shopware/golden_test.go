// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package shopware

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/integration-operator/integration-operator/tokenserver/grants"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
)

// update writes the golden files anew: go test ./tokenserver/profiles/shopware -update. What git shows of it afterwards is what changed on the
// wire.
var update = flag.Bool("update", false, "write the golden files anew")

// golden compares a value with a golden file.
func golden(t *testing.T, name string, got any) {
	t.Helper()
	var rendered bytes.Buffer
	encoder := json.NewEncoder(&rendered)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(got); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, rendered.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), rendered.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// A wire is a reply as it goes out. The order of the members of its body is part of it.
type wire struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body"`
}

// wireOf returns what was written, and checks what holds for every reply.
func wireOf(t *testing.T, w *httptest.ResponseRecorder) *wire {
	t.Helper()
	reply := &wire{Status: w.Code, Headers: map[string]string{}, Body: w.Body.Bytes()}
	for name, values := range w.Header() {
		if len(values) != 1 {
			t.Errorf("the header %s is there %d times", name, len(values))
		}
		reply.Headers[name] = values[0]
	}
	delete(reply.Headers, "Content-Length")
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("got Cache-Control %q, want no-store", got)
	}
	if w.Code >= http.StatusBadRequest {
		wantJSONAPIError(t, w.Body.Bytes())
		if strings.Contains(w.Body.String(), "hush") {
			t.Errorf("the reply repeats a part of the request: %s", w.Body)
		}
	}
	return reply
}

// wantJSONAPIError checks that a body is one error, all of whose members are strings but for a detail that is null, and meta.
func wantJSONAPIError(t *testing.T, body []byte) {
	t.Helper()
	var document map[string][]map[string]any
	if err := json.Unmarshal(body, &document); err != nil || len(document) != 1 || len(document["errors"]) != 1 {
		t.Fatalf("got %s (%v), want one error and nothing else", body, err)
	}
	for _, member := range []string{"code", "status", "title", "detail"} {
		value, found := document["errors"][0][member]
		text, isText := value.(string)
		if !found || (text == "" || !isText) && (member != "detail" || value != nil) {
			t.Errorf("got %s %v in %s", member, value, body)
		}
	}
}

// A requestCase is a golden file in testdata/requests: a request, written by hand, and what becomes of it.
type requestCase struct {
	Request requestFile    `json:"request"`
	Parsed  *parsedRequest `json:"parsed,omitempty"`
	Reply   *wire          `json:"reply,omitempty"`
}

// A requestFile is a POST unless it has a method, with a body of JSON or of text.
type requestFile struct {
	Method        string          `json:"method,omitempty"`
	Query         string          `json:"query,omitempty"`
	ContentType   string          `json:"contentType,omitempty"`
	Authorization string          `json:"authorization,omitempty"`
	JSON          json.RawMessage `json:"json,omitempty"`
	Body          string          `json:"body,omitempty"`
}

// A parsedRequest is an oauth2.Request with its secrets.
type parsedRequest struct {
	GrantType    string        `json:"grantType"`
	Scope        string        `json:"scope"`
	Username     string        `json:"username"`
	Password     string        `json:"password"`
	RefreshToken string        `json:"refreshToken"`
	Method       oauth2.Method `json:"method"`
	ClientID     string        `json:"clientID"`
	Secret       string        `json:"secret"`
}

func (f *requestFile) request(t *testing.T) *http.Request {
	t.Helper()
	method, body := f.Method, f.Body
	if method == "" {
		method = http.MethodPost
	}
	if f.JSON != nil {
		var compact bytes.Buffer
		if err := json.Compact(&compact, f.JSON); err != nil {
			t.Fatal(err)
		}
		body = compact.String()
	}
	r := httptest.NewRequestWithContext(t.Context(), method, PathToken+"?"+f.Query, strings.NewReader(body))
	if f.ContentType != "" {
		r.Header.Set("Content-Type", f.ContentType)
	}
	if f.Authorization != "" {
		r.Header.Set("Authorization", f.Authorization)
	}
	return r
}

func TestRequests(t *testing.T) {
	paths, err := filepath.Glob("testdata/requests/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("found no requests: %v", err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		t.Run(name, func(t *testing.T) {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var file requestCase
			if err := json.Unmarshal(content, &file); err != nil {
				t.Fatal(err)
			}
			got := requestCase{Request: file.Request}
			r := file.Request.request(t)
			request, refused := Dialect{}.Parse(httptest.NewRecorder(), r)
			if refused != nil {
				w := httptest.NewRecorder()
				Dialect{}.WriteError(w, r, &grants.Refusal{Err: refused})
				got.Reply = wireOf(t, w)
			} else {
				c := request.Credentials
				got.Parsed = &parsedRequest{
					GrantType: request.GrantType, Scope: request.Scope, Username: request.Username, Password: request.Password.Reveal(),
					RefreshToken: request.RefreshToken.Reveal(), Method: c.Method, ClientID: c.ClientID, Secret: c.Secret.Reveal(),
				}
			}
			if (refused != nil) != strings.HasPrefix(name, "refused-") {
				t.Errorf("got %v, want the refusal that the name of the file tells of, or none", refused)
			}
			golden(t, "requests/"+name, got)
		})
	}
}
