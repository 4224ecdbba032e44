// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package magento

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

const (
	typeJSON = "application/json"
	typeXML  = "application/xml"
)

// read reads a body, and checks what holds for every refusal.
func read(t *testing.T, contentType, body string) (fields, bool) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	got, err := readFields(httptest.NewRecorder(), r)
	if err == nil {
		return got, true
	}
	if got != nil || err.Status() < 400 || err.Status() >= 500 || strings.Contains(err.Error(), "hush") || err.Description() == "" {
		t.Errorf("got %v (%v), want nothing and a client error that does not repeat the body", got, err)
	}
	return nil, false
}

func TestReadFields(t *testing.T) {
	ada := fields{"username": "ada", "password": "hush <&> é"}
	escaped := "<username>ada</username><password>hush &lt;&amp;&#x3E; &#233;</password>"
	tests := []struct {
		name, contentType, body string
		want                    fields
	}{
		{name: "JSON", contentType: typeJSON, body: `{"username":"ada","password":"hush <&> é"}`, want: ada},
		{name: "JSON in UTF-8", contentType: `application/json;charset="UTF-8"`, body: `{"password":"hush <&> \u00e9","username":"ada"}`, want: ada},
		{name: "JSON with members that nobody reads", contentType: typeJSON, body: `{"username":"ada","password":"hush <&> é","a":{"b":[1]}}`, want: ada},
		{
			name: "all fields", contentType: typeJSON, body: `{"username":"a","password":"b","otp":"123456","publicKeyCredentialJson":"{\"id\":\"x\"}"}`,
			want: fields{"username": "a", "password": "b", "otp": "123456", "publicKeyCredentialJson": `{"id":"x"}`},
		},
		{name: "nothing in JSON", contentType: typeJSON, want: fields{}},
		{name: "null", contentType: typeJSON, body: `{"username":null}`, want: fields{}},

		{name: "XML as documented", contentType: typeXML, body: "<login>" + escaped + "</login>", want: ada},
		{name: "another root", contentType: "text/xml; charset=utf-8", body: "<r>" + escaped + "</r>", want: ada},
		{name: "a declaration", contentType: typeXML, body: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<login>" + escaped + "</login>\n", want: ada},
		{name: "a byte order mark", contentType: typeXML, body: "\ufeff<?xml version=\"1.0\"?><login>" + escaped + "</login>", want: ada},
		{name: "comments and white space", contentType: typeXML, body: "<!-- a --><login>\n <!-- b -->" + escaped + "\n</login> <!-- c -->", want: ada},
		{
			name: "character data", contentType: typeXML,
			body: "<login><username>ada</username><password><![CDATA[hush <&>]]> é</password></login>", want: ada,
		},
		{name: "elements that nobody reads", contentType: typeXML, body: `<login a="b"><x><y><username>eve</username></y></x>` + escaped + "<z/></login>", want: ada},
		{name: "namespaces", contentType: typeXML, body: `<n:login xmlns:n="urn:x"><n:username>ada</n:username><n:password/></n:login>`, want: fields{"username": "ada"}},
		{name: "no fields in XML", contentType: typeXML, body: "<login/>", want: fields{}},
		{name: "nothing in XML", contentType: typeXML, want: fields{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := read(t, tt.contentType, tt.body)
			for name, value := range got {
				if value == "" {
					delete(got, name)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || !ok {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadFieldsRefuses(t *testing.T) {
	const field = "<username>hush</username>"
	for name, body := range map[string]string{
		"not JSON":                     `{"username":"hush"`,
		"a list":                       `["hush"]`,
		"something after it":           `{"username":"hush"} {}`,
		"a member twice":               `{"username":"hush","username":"hush"}`,
		"a number":                     `{"username":5}`,
		"an object":                    `{"username":{"hush":"hush"}}`,
		"a list of strings":            `{"username":["hush"]}`,
		"a name that is too long":      `{"username":"` + strings.Repeat("a", 254) + `"}`,
		"a password that is too long":  `{"password":"` + strings.Repeat("a", 1025) + `"}`,
		"a code that is too long":      `{"otp":"` + strings.Repeat("1", 65) + `"}`,
		"an answer that is too long":   `{"publicKeyCredentialJson":"` + strings.Repeat("a", 16<<10+1) + `"}`,
		"a control character":          `{"username":"hush\u0000"}`,
		"a body that is too large":     `{"a":"` + strings.Repeat("a", 64<<10) + `"}`,
		"JSON that is nested too much": `{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			if got, ok := read(t, typeJSON, body); ok {
				t.Errorf("got %v", got)
			}
		})
	}
	for name, body := range map[string]string{
		"not XML":                        "hush",
		"an element that is left open":   "<login>" + field,
		"an end tag too many":            "<login></login></login>",
		"an end tag of another":          "<login><username>hush</login></username>",
		"an end tag in other letters":    "<login></Login>",
		"an end tag in another space":    "<a:login></b:login>",
		"two roots":                      "<login/><login/>",
		"text before the root":           "hush<login/>",
		"text behind the root":           "<login/>hush",
		"a comment alone":                "<!-- hush -->",
		"an element twice":               "<login>" + field + field + "</login>",
		"an element twice, once empty":   "<login><username/>" + field + "</login>",
		"an element in a field":          "<login><username>hush<b>hush</b></username></login>",
		"an element in a prefixed field": "<login><n:username>hush<b>hush</b></n:username></login>",
		"a document type":                `<!DOCTYPE login><login>` + field + "</login>",
		"an external entity":             `<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]><l><username>&x;</username></l>`,
		"a billion laughs":               `<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><l><username>&b;</username></l>`,
		"an unknown entity":              "<login><username>&hush;</username></login>",
		"another instruction":            `<?xml-stylesheet href="hush"?><login/>`,
		"a declaration within":           `<login><?xml version="1.0"?></login>`,
		"a late declaration":             ` <?xml version="1.0"?><login/>`,
		"another version":                `<?xml version="1.1"?><login/>`,
		"another encoding":               `<?xml version="1.0" encoding="ISO-8859-1"?><login/>`,
		"what is not UTF-8":              "<login><username>\xff</username></login>",
		"UTF-16":                         "\xfe\xff\x00<\x00l\x00/\x00>",
		"a control character":            "<login><username>hush\n</username></login>",
		"a field that is too long":       "<login><username>" + strings.Repeat("a", 254) + "</username></login>",
		"too deep":                       strings.Repeat("<a>", 9) + strings.Repeat("</a>", 9),
		"too many elements":              "<login>" + strings.Repeat("<a/>", 64) + "</login>",
		"too many attributes":            "<login>" + strings.Repeat(`<a b="c" d="e"/>`, 33) + "</login>",
		"a body that is too large":       "<login><a>" + strings.Repeat("a", 64<<10) + "</a></login>",
	} {
		t.Run(name, func(t *testing.T) {
			if got, ok := read(t, typeXML, body); ok {
				t.Errorf("got %v", got)
			}
		})
	}
	for _, contentType := range []string{
		"", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=iso-8859-1", "text/xml; charset=utf-16", "json", "application/json; a",
	} {
		if got, ok := read(t, contentType, `{"username":"hush"}`); ok {
			t.Errorf("the content type %q: got %v", contentType, got)
		}
	}
	if _, ok := read(t, typeXML, strings.Repeat("<a>", 8)+strings.Repeat("</a>", 8)); !ok {
		t.Error("as deep as may be is refused")
	}
}

// FuzzParseXML feeds the parser any body, and checks that what it lets through holds only what a request may hold, and is there again when it is
// written anew.
func FuzzParseXML(f *testing.F) {
	for _, body := range []string{
		"<login><username>ada</username><password>a &lt; b</password></login>", "<?xml version=\"1.0\"?><a><otp>1</otp><x><y/></x></a>",
		`<!DOCTYPE l [<!ENTITY a "b">]><l><username>&a;</username></l>`, "<a><b:username c='d'/></a>", "<a><![CDATA[]]></a>", "<a", "&", "<a></b>", "<?xml?>",
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, err := parseXML(body)
		if err != nil {
			if got != nil || err.Status() != http.StatusBadRequest {
				t.Fatalf("got %v (%v), want nothing and 400", got, err)
			}
			return
		}
		again := object{}
		for name, value := range got {
			if maxLengths[name] == 0 || len(value) > maxLengths[name] || !utf8.ValidString(value) || strings.ContainsAny(value, "\x00\n\x7f") {
				t.Fatalf("got %s %q", name, value)
			}
			again = append(again, member{name, text(value)})
		}
		w := httptest.NewRecorder()
		formatXML.write(w, http.StatusOK, again)
		back, err := parseXML(w.Body.String())
		if diff := cmp.Diff(got, back); err != nil || diff != "" {
			t.Errorf("%q came back as %q (%v):\n%s", body, w.Body, err, diff)
		}
	})
}
