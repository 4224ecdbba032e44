// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package valkey

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestURLs(t *testing.T) {
	tests := []struct {
		url  string
		want target
	}{
		{"valkey://localhost", target{address: "localhost:6379", host: "localhost"}},
		{"valkey://localhost/", target{address: "localhost:6379", host: "localhost"}},
		{"redis://127.0.0.1:7000/15", target{address: "127.0.0.1:7000", host: "127.0.0.1", database: 15}},
		{"valkeys://valkey.example:6380/0", target{address: "valkey.example:6380", host: "valkey.example", tls: true}},
		{"rediss://alice@valkey.example", target{address: "valkey.example:6379", host: "valkey.example", username: "alice", tls: true}},
		{"valkeys://[::1]:7000/1", target{address: "[::1]:7000", host: "::1", database: 1, tls: true}},
	}
	for _, tt := range tests {
		got, err := parseURL(tt.url)
		if err != nil {
			t.Errorf("%s: %v", tt.url, err)
		}
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(target{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.url, diff)
		}
	}
}

func TestOptionsThatCannotWork(t *testing.T) {
	const secret = "s3cret"
	tests := []struct {
		name, want string
		options    Options
	}{
		{"no URL", "missing", Options{}},
		{"a password in the URL", "into a file", Options{URL: "valkey://alice:" + secret + "@localhost"}},
		{"a password without a user in the URL", "into a file", Options{URL: "valkey://:" + secret + "@localhost"}},
		{"an empty password in the URL", "into a file", Options{URL: "valkey://alice:@localhost"}},
		{"a password with a wrong escape", "malformed", Options{URL: "valkey://alice:" + secret + "%zz@localhost"}},
		{"a password with a slash", "malformed", Options{URL: "valkey://alice:" + secret + "/x@localhost"}},
		{"another scheme", "scheme", Options{URL: "https://localhost"}},
		{"a socket", "scheme", Options{URL: "unix:///run/valkey.sock"}},
		{"no scheme", "malformed", Options{URL: "127.0.0.1:6379"}},
		{"a scheme that is none", "scheme", Options{URL: "localhost:6379"}},
		{"no host", "no host", Options{URL: "valkey:///0"}},
		{"a query", "more than host", Options{URL: "valkey://localhost?password=" + secret}},
		{"a fragment", "more than host", Options{URL: "valkey://localhost#x"}},
		{"a port that is out of range", "port", Options{URL: "valkey://localhost:65536"}},
		{"port 0", "port", Options{URL: "valkey://localhost:0"}},
		{"a database that is no number", "database number", Options{URL: "valkey://localhost/sessions"}},
		{"a negative database", "database number", Options{URL: "valkey://localhost/-1"}},
		{"a path behind the database", "database number", Options{URL: "valkey://localhost/0/" + secret}},
		{"a user without a password file", "needs a password", Options{URL: "valkey://alice@localhost"}},
		{"a CA without TLS", "TLS", Options{URL: "valkey://localhost", CAFile: "ca.crt"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.options.Validate()
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "alice") {
				t.Errorf("got %v, want %q and nothing of the URL", err, tt.want)
			}
			if store, err := New(t.Context(), tt.options); err == nil || store != nil {
				t.Errorf("New returned %v (%v), want an error", store, err)
			}
		})
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	missing, empty := filepath.Join(dir, "missing"), write("empty", "\r\n")
	text, huge := write("text", "s3cret"), write("huge", strings.Repeat("x", maxFileBytes+1))
	for name, tt := range map[string]struct {
		options Options
		want    string
	}{
		"a password file that is missing": {Options{URL: "valkey://localhost", PasswordFile: missing}, missing},
		"an empty password file":          {Options{URL: "valkey://localhost", PasswordFile: empty}, "empty"},
		"a huge password file":            {Options{URL: "valkey://localhost", PasswordFile: huge}, "bytes"},
		"a folder for a password file":    {Options{URL: "valkey://localhost", PasswordFile: dir}, "directory"},
		"a CA file that is missing":       {Options{URL: "valkeys://localhost", CAFile: missing}, missing},
		"a CA file without certificates":  {Options{URL: "valkeys://localhost", CAFile: text}, "no certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			store, err := New(t.Context(), tt.options)
			if err == nil || store != nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("got %v, want %q and nothing of the file", err, tt.want)
			}
		})
	}
	if password, err := (Options{PasswordFile: write("password", " a b \n")}).password(); password != " a b " || err != nil {
		t.Errorf("got %q (%v), want the password without the line break", password, err)
	}
}
