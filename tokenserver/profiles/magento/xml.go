// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package magento

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
)

// Bounds of a document, beside its bytes.
const (
	maxDepth      = 8
	maxElements   = 64
	maxAttributes = 64
)

// A document is what has been read of one.
type document struct {
	fields fields
	// path are the elements that are open.
	path                 []string
	elements, attributes int
	// begun says that something but white space came, and over that the root was closed.
	begun, over bool
	text        strings.Builder
}

// parseXML reads a document whose root, of whatever name, holds one element for each field. Elements that are no fields are ignored.
func parseXML(body string) (fields, *oauth2.Error) {
	// Some clients begin with the mark that UTF-8 has no use for.
	d := xml.NewDecoder(strings.NewReader(strings.TrimPrefix(body, "\ufeff")))
	read := &document{fields: fields{}}
	for {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) && read.over {
			return read.fields, nil
		}
		if err != nil {
			// The decoder's own error may quote the body.
			return nil, malformed("the body is not well-formed XML in UTF-8 of one root element, or has an entity that is not predefined")
		}
		if refused := read.token(token); refused != nil {
			return nil, refused
		}
	}
}

func (r *document) token(token xml.Token) *oauth2.Error {
	switch t := token.(type) {
	case xml.StartElement:
		return r.open(t)
	case xml.EndElement:
		return r.close(t)
	case xml.CharData:
		if len(r.path) == 0 && strings.TrimSpace(string(t)) != "" {
			return malformed("there is text outside of the root element")
		}
		r.text.Write(t)
	case xml.ProcInst:
		if t.Target != "xml" || r.begun {
			return malformed("the body has a processing instruction that is not the declaration")
		}
	case xml.Directive:
		return malformed("the body has a document type or another directive: send elements only")
	}
	r.begun = true
	return nil
}

// open begins an element.
func (r *document) open(t xml.StartElement) *oauth2.Error {
	r.begun = true
	r.elements++
	r.attributes += len(t.Attr)
	switch {
	case r.over:
		return malformed("the body has more than one root element")
	case len(r.path) == maxDepth || r.elements > maxElements || r.attributes > maxAttributes:
		return malformed("the body has too many elements or attributes, or is nested too deeply")
	case len(r.path) == 2 && maxLengths[localOf(r.path[1])] > 0:
		return malformed("the element " + localOf(r.path[1]) + " must hold text only")
	}
	if len(r.path) == 1 {
		if r.fields.has(t.Name.Local) {
			return malformed("an element is there twice")
		}
		r.text.Reset()
	}
	r.path = append(r.path, qualified(t.Name))
	return nil
}

// close ends an element. RawToken leaves it to its caller to see that it is the one that was opened last.
func (r *document) close(t xml.EndElement) *oauth2.Error {
	depth := len(r.path)
	if depth == 0 || r.path[depth-1] != qualified(t.Name) {
		return malformed("the body has an end tag without its start tag")
	}
	r.path = r.path[:depth-1]
	if depth == 1 {
		r.over = true
	}
	if depth == 2 {
		return r.fields.set(t.Name.Local, r.text.String())
	}
	return nil
}

// qualified returns a name as it was written.
func qualified(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + ":" + n.Local
}

// localOf returns a qualified name without its prefix.
func localOf(name string) string {
	return name[strings.LastIndexByte(name, ':')+1:]
}
