// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package jwks

import (
	"net/netip"
	"testing"
)

func TestLocal(t *testing.T) {
	tests := map[string]bool{
		"127.0.0.1": true, "127.255.255.254": true, "::1": true, "::ffff:127.0.0.1": true, "::127.0.0.1": true,
		"169.254.169.254": true, "169.254.0.1": true, "fe80::1": true, "fe80::1%eth0": true, "febf::1": true, "::ffff:169.254.169.254": true,
		"0.0.0.0": true, "0.1.2.3": true, "::": true, "::ffff:0.0.0.0": true, "255.255.255.255": true,
		"224.0.0.1": true, "239.1.2.3": true, "ff02::1": true, "ff0e::1": true, "::ffff:224.0.0.1": true,
		"64:ff9b::127.0.0.1": true, "64:ff9b::169.254.169.254": true, "64:ff9b::7f00:1": true, "64:ff9b:1::127.0.0.1": true,
		"64:ff9b:1::10.0.0.1": true, "64:ff9b:1:7f00:0:100::": true, "64:ff9b:1:ffff:ffff:ffff:ffff:ffff": true,
		"2002:7f00:1::": true, "2002:a9fe:a9fe::1": true,

		"192.0.2.1": false, "10.0.0.1": false, "172.16.0.1": false, "192.168.1.1": false, "169.253.1.1": false, "128.0.0.1": false,
		"::ffff:192.0.2.1": false, "2001:db8::1": false, "fd00::1": false, "64:ff9b::192.0.2.1": false, "64:ff9b:2::1": false, "64:ff9b:0:ffff::1": false,
		"2002:c000:201::1": false, "fec0::1": false,
	}
	for address, want := range tests {
		if got := local(netip.MustParseAddr(address)); got != want {
			t.Errorf("local(%s) = %t, want %t", address, got, want)
		}
	}
	if !local(netip.Addr{}) {
		t.Error("no address must not be dialled")
	}
}

func TestRefuseLocal(t *testing.T) {
	for address, want := range map[string]error{
		"192.0.2.1:443": nil, "[2001:db8::1]:443": nil, "127.0.0.1:443": errLocalAddress, "[::1]:443": errLocalAddress,
		"[fe80::1%eth0]:443": errLocalAddress, "localhost:443": errLocalAddress, "": errLocalAddress,
	} {
		if got := refuseLocal(t.Context(), "tcp", address, nil); got != want { //nolint:errorlint // it is returned as it is
			t.Errorf("%q: got %v, want %v", address, got, want)
		}
	}
}
