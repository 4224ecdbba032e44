// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package secondfactor

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Bounds of what a security key answers, in bytes.
const (
	// MaxAnswer is how long an answer may be as JSON.
	MaxAnswer = 16 << 10

	// maxCredentialID and maxUserHandle are those of WebAuthn sections 4 and 5.4.3.
	maxCredentialID      = 1023
	maxUserHandle        = 64
	maxClientData        = 4 << 10
	maxAuthenticatorData = 4 << 10
	maxSignature         = 1 << 10
	maxAttestation       = 8 << 10
)

const typePublicKey = "public-key"

// What is wrong with an answer's form.
var (
	errLongAnswer = fmt.Errorf("it has more than %d bytes", MaxAnswer)
	errNoAnswer   = errors.New("it is not the JSON of a public key credential")
	errTwoIDs     = errors.New("its id and rawId differ")
)

// An answer is a PublicKeyCredential as JSON (WebAuthn section 5.1), as far as it matters here.
type answer struct {
	ID       string         `json:"id"`
	RawID    string         `json:"rawId"`
	Type     string         `json:"type"`
	Response answerResponse `json:"response"`
}

// An answerResponse has a signature or an attestation object. All of its members are base64.
type answerResponse struct {
	ClientDataJSON    string `json:"clientDataJSON"`
	AuthenticatorData string `json:"authenticatorData,omitempty"`
	Signature         string `json:"signature,omitempty"`
	UserHandle        string `json:"userHandle,omitempty"`
	AttestationObject string `json:"attestationObject,omitempty"`
}

// standardForm returns an answer in the form of the specification and nothing but its members that matter, each within its bounds.
//
// Clients that were written for Magento send another form. It has base64 in place of base64url, no rawId, and clientDataJSON as it is rather
// than in base64. Either is taken: what is signed does not depend on it. Extensions are left out, as none is asked for (section 9.3: a
// relying party may ignore what it did not ask for).
func standardForm(presented []byte) ([]byte, error) {
	if len(presented) > MaxAnswer {
		return nil, errLongAnswer
	}
	var a answer
	if err := json.Unmarshal(presented, &a); err != nil {
		// The decoder's own error may quote what was presented.
		return nil, errNoAnswer
	}
	if strings.HasPrefix(a.Response.ClientDataJSON, "{") {
		a.Response.ClientDataJSON = encoding.EncodeToString([]byte(a.Response.ClientDataJSON))
	}
	if a.RawID == "" {
		a.RawID = a.ID
	}
	for _, member := range []struct {
		value *string
		most  int
	}{
		{&a.ID, maxCredentialID},
		{&a.RawID, maxCredentialID},
		{&a.Response.ClientDataJSON, maxClientData},
		{&a.Response.AuthenticatorData, maxAuthenticatorData},
		{&a.Response.Signature, maxSignature},
		{&a.Response.UserHandle, maxUserHandle},
		{&a.Response.AttestationObject, maxAttestation},
	} {
		standard, err := standardBase64(*member.value, member.most)
		if err != nil {
			return nil, err
		}
		*member.value = standard
	}
	switch {
	case a.ID == "" || a.Type != typePublicKey:
		return nil, errNoAnswer
	case a.RawID != a.ID:
		return nil, errTwoIDs
	}
	return json.Marshal(a)
}

// toURLAlphabet turns base64 into base64url.
var toURLAlphabet = strings.NewReplacer("+", "-", "/", "_")

// standardBase64 returns base64 of either alphabet, with padding or without, as base64url without. It stands for most bytes at most.
func standardBase64(value string, most int) (string, error) {
	value = toURLAlphabet.Replace(strings.TrimRight(value, "="))
	decoded, err := encoding.DecodeString(value)
	if err != nil || len(decoded) > most || strings.ContainsAny(value, "\r\n") {
		return "", errNoAnswer
	}
	return value, nil
}
