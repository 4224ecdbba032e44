// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package limits

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

func TestSourcesOf(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:aa::/48")}
	tests := []struct {
		name, peer string
		trusted    []netip.Prefix
		forwarded  []string
		want       string
	}{
		{name: "no proxy", peer: "198.51.100.7:4321", trusted: trusted, want: "198.51.100.7"},
		{
			name: "no proxy, and a header that lies", peer: "198.51.100.7:4321", trusted: trusted,
			forwarded: []string{"192.0.2.1"}, want: "198.51.100.7",
		},
		{name: "nobody is trusted", peer: "10.0.0.1:4321", forwarded: []string{"192.0.2.1"}, want: "10.0.0.1"},
		{name: "a trusted proxy", peer: "10.0.0.1:4321", trusted: trusted, forwarded: []string{"192.0.2.1"}, want: "192.0.2.1"},
		{name: "a trusted proxy that says nothing", peer: "10.0.0.1:4321", trusted: trusted, want: "10.0.0.1"},
		{
			name: "what the client wrote itself stands before what the proxy saw", peer: "10.0.0.1:4321", trusted: trusted,
			forwarded: []string{"203.0.113.9, 192.0.2.1"}, want: "192.0.2.1",
		},
		{
			name: "several trusted proxies", peer: "10.0.0.1:4321", trusted: trusted,
			forwarded: []string{"203.0.113.9,192.0.2.1 , 10.1.1.1,\t10.2.2.2"}, want: "192.0.2.1",
		},
		{
			name: "several lines, of which the last was written last", peer: "10.0.0.1:4321", trusted: trusted,
			forwarded: []string{"203.0.113.9", "192.0.2.1, 10.1.1.1"}, want: "192.0.2.1",
		},
		{
			name: "proxies only", peer: "10.0.0.1:4321", trusted: trusted, forwarded: []string{"10.3.3.3, 10.2.2.2"},
			want: "10.3.3.3",
		},
		{
			name: "something that is no address ends the search", peer: "10.0.0.1:4321", trusted: trusted,
			forwarded: []string{"192.0.2.1, unknown, 10.2.2.2"}, want: "10.2.2.2",
		},
		{name: "an empty line", peer: "10.0.0.1:4321", trusted: trusted, forwarded: []string{"192.0.2.1", ""}, want: "10.0.0.1"},
		{
			name: "an address with a port", peer: "10.0.0.1:4321", trusted: trusted,
			forwarded: []string{"192.0.2.1:555"}, want: "192.0.2.1",
		},
		{name: "IPv6", peer: "[2001:db8:aa::1]:4321", trusted: trusted, forwarded: []string{"2001:db8:bb::1"}, want: "2001:db8:bb::1"},
		{
			name: "IPv6 in brackets", peer: "[2001:db8:aa::1]:4321", trusted: trusted,
			forwarded: []string{"[2001:db8:bb::1]"}, want: "2001:db8:bb::1",
		},
		{
			name: "IPv6 with a port", peer: "[2001:db8:aa::1]:4321", trusted: trusted,
			forwarded: []string{"[2001:db8:bb::1]:55"}, want: "2001:db8:bb::1",
		},
		{
			name: "a trusted proxy as IPv4 in IPv6", peer: "[::ffff:10.0.0.1]:4321", trusted: trusted,
			forwarded: []string{"::ffff:192.0.2.1"}, want: "192.0.2.1",
		},
		{
			name: "more hops than anybody has", peer: "10.0.0.1:4321", trusted: trusted,
			forwarded: []string{"192.0.2.1" + strings.Repeat(",10.0.0.9", 40)}, want: "10.0.0.9",
		},
		{
			name: "a line that is too long", peer: "10.0.0.1:4321", trusted: trusted,
			forwarded: []string{"192.0.2.1" + strings.Repeat(",10.0.0.9", 1000)}, want: "10.0.0.1",
		},
		{name: "a peer that has no address", peer: "@", trusted: trusted, forwarded: []string{"192.0.2.1"}, want: "invalid IP"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: tt.peer, Header: http.Header{}}
			for _, line := range tt.forwarded {
				r.Header.Add("X-Forwarded-For", line)
			}
			if got := (Sources{Trusted: tt.trusted}).Of(r).String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
