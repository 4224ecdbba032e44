// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package jwks

import (
	"context"
	"errors"
	"net/netip"
	"syscall"
)

var errLocalAddress = errors.New("the address is of this host, this link or no host at all: keys are not fetched from there")

// What never leads to another host, or may not, beside what netip knows by name: "this network" (RFC 791), broadcast (RFC 919), and the
// local prefix of NAT64 (RFC 8215), whose owner chooses where in an address the IPv4 address is that it leads to.
var (
	thisNetwork = netip.MustParsePrefix("0.0.0.0/8")
	broadcast   = netip.MustParseAddr("255.255.255.255")
	localNAT64  = netip.MustParsePrefix("64:ff9b:1::/48")
)

// IPv6 networks whose addresses carry an IPv4 address, with the byte at which it begins: NAT64 (RFC 6052 section 2.1), 6to4 (RFC 3056),
// and the old IPv4-compatible form (RFC 4291 section 2.5.5.1).
var embedding = []struct {
	network netip.Prefix
	at      int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12},
	{netip.MustParsePrefix("2002::/16"), 2},
	{netip.MustParsePrefix("::/96"), 12},
}

// local reports whether an address leads, or may lead, to this host or this link, or to no single host.
func local(address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	if !address.IsValid() || address.IsUnspecified() || address.IsLoopback() || address.IsLinkLocalUnicast() || address.IsMulticast() ||
		thisNetwork.Contains(address) || address == broadcast || localNAT64.Contains(address) {
		return true
	}
	for _, e := range embedding {
		if e.network.Contains(address) {
			bytes := address.As16()
			return local(netip.AddrFrom4([4]byte(bytes[e.at : e.at+4])))
		}
	}
	return false
}

// refuseLocal is a net.Dialer's ControlContext. It is asked for the address that is about to be dialled, after the name was resolved:
// no name, and no name that resolves to something else the next time, gets past it.
func refuseLocal(_ context.Context, _, address string, _ syscall.RawConn) error {
	dialled, err := netip.ParseAddrPort(address)
	if err != nil || local(dialled.Addr()) {
		return errLocalAddress
	}
	return nil
}
