// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package shopware

import (
	"mime"
	"strconv"
	"strings"
)

// The media types of resources.
const (
	mediaTypeJSONAPI = "application/vnd.api+json"
	mediaTypeJSON    = "application/json"
)

// A format is how a resource is written, by its media type.
type format string

// The formats.
const (
	formatJSONAPI format = mediaTypeJSONAPI
	formatJSON    format = mediaTypeJSON
)

// maxAccept bounds the header Accept.
const maxAccept = 4 << 10

// A wish is how much a client wants a format (RFC 9110 section 12.5.1).
type wish struct {
	quality float64
	// closeness tells a range that names the format (3) from application/* (2), */* (1) and none (0). The closest one counts.
	closeness int
}

// negotiate chooses the format by the headers Accept; false if the client takes neither. Without the header, and where the client does not mind,
// it is JSON:API. Of two formats that it wants alike it gets the one that it names: clients that name JSON take anything else as well, by */*.
func negotiate(accept []string) (format, bool) {
	header := strings.Join(accept, ",")
	if strings.TrimSpace(header) == "" {
		return formatJSONAPI, true
	}
	if len(header) > maxAccept {
		return "", false
	}
	var jsonAPI, json wish
	for entry := range strings.SplitSeq(header, ",") {
		mediaType, parameters, err := mime.ParseMediaType(entry)
		if err != nil {
			continue
		}
		quality := 1.0
		if q, found := parameters["q"]; found {
			// What is no number compares with nothing.
			if quality, err = strconv.ParseFloat(q, 64); err != nil || !(quality >= 0 && quality <= 1) {
				continue
			}
		}
		jsonAPI.consider(mediaType, mediaTypeJSONAPI, quality)
		json.consider(mediaType, mediaTypeJSON, quality)
	}
	switch {
	case json.quality > 0 && json.beats(jsonAPI):
		return formatJSON, true
	case jsonAPI.quality > 0:
		return formatJSONAPI, true
	default:
		return "", false
	}
}

// consider takes a range of the header into account, if it covers the format and does so more closely than those before.
func (w *wish) consider(mediaRange, mediaType string, quality float64) {
	closeness := 0
	switch mediaRange {
	case mediaType:
		closeness = 3
	case "application/*":
		closeness = 2
	case "*/*":
		closeness = 1
	}
	if closeness > w.closeness {
		*w = wish{quality: quality, closeness: closeness}
	}
}

// beats reports whether the client wants this one rather than the other.
func (w *wish) beats(other wish) bool {
	if w.quality != other.quality {
		return w.quality > other.quality
	}
	return w.closeness > other.closeness
}
