// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Where sessions can be kept.
const (
	sessionStoreKubernetes = "kubernetes"
	sessionStoreValkey     = "valkey"
)

const (
	// defaultMaxSessions and maxMaxSessions bound what one Integration may put into etcd.
	defaultMaxSessions = 1000
	maxMaxSessions     = 100_000
	// maxRefreshTokenGrace is longer than any client waits before it tries again.
	maxRefreshTokenGrace = time.Minute
)

// sessionFlags adds the flags about logins.
func (o *Options) sessionFlags(fs *flag.FlagSet) {
	fs.StringVar(&o.SessionStore, "session-store", sessionStoreKubernetes,
		"The `store` of logins and revoked tokens: kubernetes, as objects that kubectl shows, or valkey, for many logins.")
	fs.StringVar(&o.Valkey.URL, "valkey-url", "",
		"The `URL` of the Valkey or Redis server, such as valkeys://user@valkey.example:6379/0; valkeys and rediss use TLS.")
	fs.StringVar(&o.Valkey.PasswordFile, "valkey-password-file", "", "A `file` with the password of the Valkey server.")
	fs.StringVar(&o.Valkey.CAFile, "valkey-ca-file", "",
		"A `file` with the PEM certificates to trust for the Valkey server; empty trusts the system's.")
	fs.DurationVar(&o.RefreshTokenGrace, "refresh-token-grace", 0,
		fmt.Sprintf("How long a client whose reply was lost may present a redeemed refresh token again, at most %s. 0s ends the login at once.",
			maxRefreshTokenGrace))
	fs.IntVar(&o.MaxSessions, "max-sessions", defaultMaxSessions,
		"How many logins one Integration may have at a time; beyond it those that expire first end.")
}

// validateSessions returns what is wrong about the options of logins.
func (o *Options) validateSessions() []error {
	var errs []error
	switch o.SessionStore {
	case sessionStoreKubernetes:
		if o.Valkey.URL != "" || o.Valkey.PasswordFile != "" || o.Valkey.CAFile != "" {
			errs = append(errs, errors.New("the --valkey flags need --session-store=valkey beside them: add it, or leave them out"))
		}
	case sessionStoreValkey:
		if err := o.Valkey.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("--session-store=valkey: %w", err))
		}
	default:
		errs = append(errs, fmt.Errorf("--session-store=%s is unknown: write kubernetes or valkey", o.SessionStore))
	}
	if o.RefreshTokenGrace < 0 || o.RefreshTokenGrace > maxRefreshTokenGrace {
		errs = append(errs, fmt.Errorf("--refresh-token-grace=%s is out of range: write 0s to %s", o.RefreshTokenGrace, maxRefreshTokenGrace))
	}
	if o.MaxSessions < 1 || o.MaxSessions > maxMaxSessions {
		errs = append(errs, fmt.Errorf("--max-sessions=%d is out of range: write 1 to %d", o.MaxSessions, maxMaxSessions))
	}
	return errs
}

// parsePrefixes reads a comma-separated list of networks and single addresses.
func parsePrefixes(list string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for entry := range strings.SplitSeq(list, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(entry)
		if addr, addrErr := netip.ParseAddr(entry); addrErr == nil {
			prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("%q in --trusted-proxies is no network: write for example 10.0.0.0/8 or 192.0.2.7", entry)
		}
		prefixes = append(prefixes, prefix.Masked())
	}
	return prefixes, nil
}
