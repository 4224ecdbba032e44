// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package limits

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// maxHops bounds how many addresses of X-Forwarded-For are looked at, and maxForwarded how long a line of it may be. More than that
// is nobody's real path.
const (
	maxHops      = 32
	maxForwarded = 4096
)

// Sources tells where requests come from.
type Sources struct {
	// Trusted are the networks of proxies that append to X-Forwarded-For. What others write there is not believed.
	Trusted []netip.Prefix
}

// Of returns the address that a request comes from: the peer's, or if that is a trusted proxy, the last address in X-Forwarded-For that
// is not. If a trusted proxy names no address, it is the source itself. It returns the zero Addr if the peer has no address.
func (s Sources) Of(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	source := normal(peer.Addr())
	if len(s.Trusted) == 0 || !s.trusts(source) {
		return source
	}
	hops := maxHops
	// Each proxy appends, so the line and the address that were written last come last.
	for _, line := range slices.Backward(r.Header.Values("X-Forwarded-For")) {
		if len(line) > maxForwarded {
			return source
		}
		for more := true; more; hops-- {
			var hop string
			line, hop, more = cutLast(line)
			address, ok := parseHop(hop)
			if !ok || hops == 0 {
				return source
			}
			source = address
			if !s.trusts(source) {
				return source
			}
		}
	}
	return source
}

// trusts reports whether an address is a trusted proxy's.
func (s Sources) trusts(address netip.Addr) bool {
	return slices.ContainsFunc(s.Trusted, func(p netip.Prefix) bool { return p.Contains(address) })
}

// cutLast cuts the part behind the last comma off a line.
func cutLast(line string) (rest, last string, more bool) {
	if i := strings.LastIndexByte(line, ','); i >= 0 {
		return line[:i], line[i+1:], true
	}
	return "", line, false
}

// parseHop reads an address, which some proxies write with a port or in brackets.
func parseHop(hop string) (netip.Addr, bool) {
	hop = strings.TrimSpace(hop)
	if address, err := netip.ParseAddr(strings.Trim(hop, "[]")); err == nil {
		return normal(address), true
	}
	withPort, err := netip.ParseAddrPort(hop)
	return normal(withPort.Addr()), err == nil
}

// normal returns the one form of an address in which it is compared and counted.
func normal(address netip.Addr) netip.Addr {
	return address.Unmap().WithZone("")
}
