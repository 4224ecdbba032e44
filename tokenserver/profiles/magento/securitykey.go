// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package magento

import (
	"encoding/json"
	"fmt"
	"maps"

	"github.com/integration-operator/integration-operator/tokenserver/secondfactor"
)

// challengeOf returns the answer to a user who asks for a challenge. It has the member that the vendor's clients read, and beside it the
// standard's, for PublicKeyCredential.parseRequestOptionsFromJSON.
func challengeOf(options []byte) (value, error) {
	vendor, err := secondfactor.ByteForm(options)
	if err != nil {
		return nil, err
	}
	both := map[string]json.RawMessage{}
	for _, form := range [][]byte{options, vendor} {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(form, &members); err != nil {
			return nil, fmt.Errorf("read the options of a challenge: %w", err)
		}
		maps.Copy(both, members)
	}
	written, err := json.Marshal(both)
	if err != nil {
		return nil, fmt.Errorf("write the options of a challenge: %w", err)
	}
	return optionsOf(written), nil
}

// optionsOf returns options as the vendor does: as a string of JSON. Those of a registration are for
// PublicKeyCredential.parseCreationOptionsFromJSON.
func optionsOf(options []byte) value {
	return object{{"credential_request_options_json", text(options)}}
}

// entryOf returns a registered security key, which its user's Secret needs yet.
func entryOf(entry []byte) (value, error) {
	var key struct {
		ID        string `json:"id"`
		PublicKey string `json:"publicKey"`
	}
	if err := json.Unmarshal(entry, &key); err != nil {
		return nil, fmt.Errorf("read a registered security key: %w", err)
	}
	return object{{"id", text(key.ID)}, {"publicKey", text(key.PublicKey)}}, nil
}
