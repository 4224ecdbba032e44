// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package secondfactor

import (
	"encoding/json"
	"errors"
	"fmt"
)

var errNoOptions = errors.New("they are none of Challenge or Registration")

// ByteForm returns the options of Challenge or Registration in the form that clients know who were written for Magento before there was one in
// JSON: what is bytes is a list of numbers, and the options of a login are the member credentialRequestOptions. Those of a registration are
// the member publicKey in either form.
func ByteForm(options []byte) ([]byte, error) {
	var in struct {
		PublicKey map[string]any `json:"publicKey"`
	}
	if err := json.Unmarshal(options, &in); err != nil || in.PublicKey == nil {
		return nil, fmt.Errorf("write options as lists of bytes: %w", errNoOptions)
	}
	name, bytesIn := "credentialRequestOptions", []member{{in.PublicKey, "challenge"}}
	if user, ok := in.PublicKey["user"].(map[string]any); ok {
		name, bytesIn = "publicKey", append(bytesIn, member{user, "id"})
	}
	for _, list := range []string{"allowCredentials", "excludeCredentials"} {
		credentials, _ := in.PublicKey[list].([]any)
		for _, credential := range credentials {
			object, _ := credential.(map[string]any)
			bytesIn = append(bytesIn, member{object, "id"})
		}
	}
	for _, m := range bytesIn {
		if err := m.toNumbers(); err != nil {
			return nil, fmt.Errorf("write options as lists of bytes: %w", err)
		}
	}
	return json.Marshal(map[string]any{name: in.PublicKey})
}

// A member is one of a JSON object.
type member struct {
	object map[string]any
	name   string
}

// toNumbers makes a list of numbers of base64url.
func (m member) toNumbers() error {
	text, ok := m.object[m.name].(string)
	decoded, err := encoding.DecodeString(text)
	if !ok || err != nil {
		return errNoOptions
	}
	// As a list of bytes it would be base64 again.
	numbers := make([]int, len(decoded))
	for i, b := range decoded {
		numbers[i] = int(b)
	}
	m.object[m.name] = numbers
	return nil
}
