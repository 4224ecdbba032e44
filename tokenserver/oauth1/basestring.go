// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauth1

import (
	"cmp"
	"slices"
	"strings"
)

// Bounds of a request.
const (
	maxURL   = 16 << 10
	maxQuery = 512
)

// A Request is what is signed of an HTTP request (section 3.4.1). Path and Query are as they were sent, encoded.
type Request struct {
	// Method is the method, such as GET.
	Method string
	// Scheme is http or https.
	Scheme string
	// Host is what the header Host said, with the port if it had one.
	Host string
	// Path and Query are what the request line had before and behind the first question mark.
	Path, Query string
}

// baseString returns the signature base string (section 3.4.1.1) of a request and the parameters of its header. A request that is out of
// bounds, or whose query cannot be read, is one that nobody signed: it returns ErrSignature.
func baseString(r Request, header []parameter) (string, error) {
	if len(r.Path)+len(r.Query)+len(r.Host) > maxURL {
		return "", ErrSignature
	}
	query, ok := parseQuery(r.Query)
	if !ok {
		return "", ErrSignature
	}
	return encode(strings.ToUpper(r.Method)) + "&" + encode(baseURI(r)) + "&" + encode(normalize(append(query, header...))), nil
}

// baseURI returns the base string URI (section 3.4.1.2): without the query, and with the port only where it is not the scheme's own.
func baseURI(r Request) string {
	scheme, host, path := strings.ToLower(r.Scheme), strings.ToLower(r.Host), r.Path
	switch scheme {
	case "http":
		host = strings.TrimSuffix(host, ":80")
	case "https":
		host = strings.TrimSuffix(host, ":443")
	}
	if path == "" {
		path = "/"
	}
	return scheme + "://" + host + path
}

// parseQuery returns the parameters of a query, duplicates included (section 3.4.1.3.1).
func parseQuery(query string) ([]parameter, bool) {
	if query == "" {
		return nil, true
	}
	var parameters []parameter
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		if len(parameters) == maxQuery {
			return nil, false
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, nameOK := unescape(strings.ReplaceAll(rawName, "+", " "))
		value, valueOK := unescape(strings.ReplaceAll(rawValue, "+", " "))
		if !nameOK || !valueOK {
			return nil, false
		}
		parameters = append(parameters, parameter{name, value})
	}
	return parameters, true
}

// normalize writes parameters as section 3.4.1.3.2 says: encoded, and sorted by name and then by value.
func normalize(parameters []parameter) string {
	encoded := make([]parameter, 0, len(parameters))
	for _, p := range parameters {
		encoded = append(encoded, parameter{encode(p.name), encode(p.value)})
	}
	slices.SortFunc(encoded, func(a, b parameter) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.value, b.value))
	})
	pairs := make([]string, 0, len(encoded))
	for _, p := range encoded {
		pairs = append(pairs, p.name+"="+p.value)
	}
	return strings.Join(pairs, "&")
}
