// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"strings"
	"testing"
	"time"
)

// Floor and server must go on giving the replies that are measured.
func TestEveryRowIsMeasured(t *testing.T) {
	var out strings.Builder
	if err := run(&out, plan{rounds: 1, connections: 2, length: 20 * time.Millisecond}, ""); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range rows {
		names = append(names, r.name)
	}
	for _, r := range refusals {
		names = append(names, r.name)
	}
	for _, name := range names {
		if !strings.Contains(out.String(), name) {
			t.Errorf("the tables have no row %q:\n%s", name, out.String())
		}
	}
}

func TestReadReply(t *testing.T) {
	for _, tt := range []struct {
		name, reply string
		wantErr     bool
	}{
		{"the wanted status", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", false},
		{"another status", "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\n\r\n{}", true},
		{"no length", "HTTP/1.1 200 OK\r\n\r\n{}", true},
		{"a body that is cut off", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reader := bufio.NewReader(strings.NewReader(tt.reply))
			err := readReply(reader, []byte("HTTP/1.1 200 "))
			if (err != nil) != tt.wantErr {
				t.Fatalf("error: %v", err)
			}
			if err == nil && reader.Buffered() != 0 {
				t.Errorf("%d bytes of the reply are left for the next one", reader.Buffered())
			}
		})
	}
}
