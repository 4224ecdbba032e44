// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package magento

import (
	"cmp"
	"mime"
	"slices"
	"strconv"
	"strings"
)

// A format is how replies are written.
type format int

// The formats. JSON is what clients get that do not mind.
const (
	formatJSON format = iota
	formatXML
)

// maxAccept bounds the header Accept.
const maxAccept = 4 << 10

// mediaTypes are those that stand for each format.
var mediaTypes = map[format][]string{
	formatJSON: {"application/json"},
	formatXML:  {"application/xml", "text/xml"},
}

// A wish is how much a client wants a format (RFC 9110 section 12.5.1).
type wish struct {
	format  format
	quality float64
	// closeness tells a range that names the format (3) from one of its type (2), */* (1) and none (0). The closest one counts.
	closeness int
	// place is where in the header the range is.
	place int
}

// negotiate chooses the format by the headers Accept; false if the client takes neither. Of two that it wants alike it gets the one that it
// names, then the one that it names first.
func negotiate(accept []string) (format, bool) {
	header := strings.Join(accept, ",")
	if strings.TrimSpace(header) == "" {
		return formatJSON, true
	}
	if len(header) > maxAccept {
		return formatJSON, false
	}
	wishes := []wish{{format: formatJSON}, {format: formatXML}}
	place := 0
	for entry := range strings.SplitSeq(header, ",") {
		mediaRange, quality, ok := parseRange(entry)
		if !ok {
			continue
		}
		place++
		for i := range wishes {
			wishes[i].consider(mediaRange, quality, place)
		}
	}
	slices.SortStableFunc(wishes, func(a, b wish) int {
		return cmp.Or(cmp.Compare(b.quality, a.quality), cmp.Compare(b.closeness, a.closeness), cmp.Compare(a.place, b.place))
	})
	return wishes[0].format, wishes[0].quality > 0
}

// parseRange reads one range of the header; false if it means nothing.
func parseRange(entry string) (mediaRange string, quality float64, ok bool) {
	mediaRange, parameters, err := mime.ParseMediaType(entry)
	if err != nil {
		return "", 0, false
	}
	quality = 1
	if q, found := parameters["q"]; found {
		// What is no number compares with nothing.
		if quality, err = strconv.ParseFloat(q, 64); err != nil || !(quality >= 0 && quality <= 1) {
			return "", 0, false
		}
	}
	return mediaRange, quality, true
}

// consider takes a range into account, if it covers the format and does so more closely than those before. Of two that do so alike, such
// as the two names of XML, the better one counts.
func (w *wish) consider(mediaRange string, quality float64, place int) {
	closeness := 0
	for _, mediaType := range mediaTypes[w.format] {
		major, _, _ := strings.Cut(mediaType, "/")
		switch mediaRange {
		case mediaType:
			closeness = max(closeness, 3)
		case major + "/*":
			closeness = max(closeness, 2)
		case "*/*":
			closeness = max(closeness, 1)
		}
	}
	if closeness > w.closeness || closeness > 0 && closeness == w.closeness && quality > w.quality {
		w.quality, w.closeness, w.place = quality, closeness, place
	}
}
