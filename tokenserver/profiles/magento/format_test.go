// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package magento

import (
	"strings"
	"testing"
)

func TestNegotiate(t *testing.T) {
	const none format = -1
	tests := []struct {
		name   string
		accept []string
		want   format
	}{
		{name: "no header", want: formatJSON},
		{name: "an empty header", accept: []string{""}, want: formatJSON},
		{name: "anything", accept: []string{"*/*"}, want: formatJSON},
		{name: "JSON", accept: []string{"application/json"}, want: formatJSON},
		{name: "XML", accept: []string{"application/xml"}, want: formatXML},
		{name: "XML in other letters", accept: []string{"Application/XML;charset=utf-8"}, want: formatXML},
		{name: "XML by its other name", accept: []string{"text/xml"}, want: formatXML},
		{name: "text", accept: []string{"text/*"}, want: formatXML},
		{name: "any application", accept: []string{"application/*"}, want: formatJSON},
		{name: "XML or anything", accept: []string{"application/xml, */*"}, want: formatXML},
		{name: "both, XML first", accept: []string{"application/xml,application/json"}, want: formatXML},
		{name: "both, JSON first", accept: []string{"application/json,application/xml"}, want: formatJSON},
		{name: "JSON wanted more", accept: []string{"application/xml;q=0.5, application/json;q=0.6"}, want: formatJSON},
		{name: "XML wanted more, in two headers", accept: []string{"application/json;q=0.5", "text/xml"}, want: formatXML},
		{name: "anything but JSON", accept: []string{"*/*, application/json;q=0"}, want: formatXML},
		{name: "anything but XML", accept: []string{"*/*;q=0.1, application/xml;q=0"}, want: formatJSON},
		{name: "a browser", accept: []string{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, want: formatXML},
		{name: "something else", accept: []string{"text/html"}, want: none},
		{name: "a part of a name", accept: []string{"application/jsonp"}, want: none},
		{name: "JSON not at all", accept: []string{"application/json;q=0"}, want: none},
		{name: "a quality that is none", accept: []string{"application/json;q=NaN"}, want: none},
		{name: "a quality beyond one", accept: []string{"application/json;q=2"}, want: none},
		{name: "nonsense", accept: []string{";;;"}, want: none},
		{name: "nonsense beside XML", accept: []string{";;;, application/xml"}, want: formatXML},
		{name: "a header that is too long", accept: []string{strings.Repeat("application/json,", 300)}, want: none},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := negotiate(tt.accept)
			if ok != (tt.want != none) || ok && got != tt.want {
				t.Errorf("got %v, %t; want %v", got, ok, tt.want)
			}
			if !ok && got != formatJSON {
				t.Error("the error must be written as JSON")
			}
		})
	}
}
