// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package magento

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strconv"
)

// A value is what a reply consists of: text, truth, an object or a list.
type value interface {
	json(b *bytes.Buffer)
	xml(b *bytes.Buffer)
}

type (
	text  string
	truth bool
	// An object has its members in the order in which clients are used to them.
	object []member
	member struct {
		name  string
		value value
	}
	list []value
)

func (t text) json(b *bytes.Buffer) {
	encoder := json.NewEncoder(b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(string(t)) // A string always encodes.
	b.Truncate(b.Len() - 1)       // The encoder ends with a line break.
}

func (t text) xml(b *bytes.Buffer) {
	_ = xml.EscapeText(b, []byte(t)) // A buffer takes everything.
}

func (t truth) json(b *bytes.Buffer) { b.WriteString(strconv.FormatBool(bool(t))) }

func (t truth) xml(b *bytes.Buffer) { b.WriteString(strconv.FormatBool(bool(t))) }

func (o object) json(b *bytes.Buffer) {
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		text(m.name).json(b)
		b.WriteByte(':')
		m.value.json(b)
	}
	b.WriteByte('}')
}

func (o object) xml(b *bytes.Buffer) {
	for _, m := range o {
		element(b, m.name, m.value)
	}
}

func (l list) json(b *bytes.Buffer) {
	b.WriteByte('[')
	for i, v := range l {
		if i > 0 {
			b.WriteByte(',')
		}
		v.json(b)
	}
	b.WriteByte(']')
}

// xml writes the entries under the name that the vendor gives to what has none.
func (l list) xml(b *bytes.Buffer) {
	for _, v := range l {
		element(b, "item", v)
	}
}

// element writes a value as an element. The names come from the code.
func element(b *bytes.Buffer, name string, v value) {
	b.WriteString("<" + name + ">")
	v.xml(b)
	b.WriteString("</" + name + ">")
}

// write writes a value as a reply that nobody may store.
func (f format) write(w http.ResponseWriter, status int, v value) {
	var body bytes.Buffer
	contentType := "application/json; charset=utf-8"
	if f == formatXML {
		contentType = "application/xml; charset=utf-8"
		body.WriteString("<?xml version=\"1.0\"?>\n")
		element(&body, "response", v)
		body.WriteByte('\n')
	} else {
		v.json(&body)
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	// A failed write means that the client has gone, and then there is nobody left to tell.
	_, _ = w.Write(body.Bytes())
}
