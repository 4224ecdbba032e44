// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/types"
)

// profileFlags adds the flags about profiles; the lists are parsed by parseProfiles.
func (o *Options) profileFlags(fs *flag.FlagSet) (parse func() error) {
	var integrations, origins string
	fs.StringVar(&integrations, "default-integration", "",
		"A comma-separated `list` of Integrations, such as shop/storefront, of which each stands in for logins of its profile that name neither a "+
			"client nor an Integration; at most one for each profile. Empty lets an Integration do so that is the only one of its profile with users.")
	fs.StringVar(&origins, "cors-origins", "",
		"A comma-separated `list` of origins, such as https://shop.example, whose pages may ask for tokens of the profile OroCommerce.")
	return func() error {
		for entry := range listOf(integrations) {
			name, err := parseIntegration(entry)
			if err != nil {
				return err
			}
			o.DefaultIntegrations = append(o.DefaultIntegrations, name)
		}
		for entry := range listOf(origins) {
			if err := checkOrigin(entry); err != nil {
				return err
			}
			if !slices.Contains(o.CORSOrigins, entry) {
				o.CORSOrigins = append(o.CORSOrigins, entry)
			}
		}
		return nil
	}
}

// listOf returns the entries of a comma-separated list that are not empty.
func listOf(list string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for entry := range strings.SplitSeq(list, ",") {
			if entry = strings.TrimSpace(entry); entry != "" && !yield(entry) {
				return
			}
		}
	}
}

// parseIntegration reads namespace/name.
func parseIntegration(entry string) (types.NamespacedName, error) {
	namespace, name, found := strings.Cut(entry, "/")
	if !found || len(validation.ValidateNamespaceName(namespace, false)) > 0 || len(validation.NameIsDNSSubdomain(name, false)) > 0 {
		return types.NamespacedName{}, fmt.Errorf("%q in --default-integration is no Integration: write namespace/name", entry)
	}
	return types.NamespacedName{Namespace: namespace, Name: name}, nil
}

// checkOrigin returns an error unless an entry is an origin as browsers write it (RFC 6454 section 6.2).
func checkOrigin(entry string) error {
	u, err := url.Parse(entry)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || entry != strings.ToLower(u.Scheme+"://"+u.Host) {
		return fmt.Errorf("%q in --cors-origins is no origin: write scheme, host and a port that is not the scheme's own, such as https://shop.example", entry)
	}
	return nil
}
