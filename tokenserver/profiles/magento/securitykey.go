// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package magento

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"

	"github.com/integration-operator/integration-operator/tokenserver/secondfactor"
)

// An answer is what a security key has answered, as browsers write it (WebAuthn section 5.1), as far as it counts.
type answer struct {
	ID       string         `json:"id"`
	RawID    string         `json:"rawId"`
	Type     string         `json:"type"`
	Response answerResponse `json:"response"`
}

type answerResponse struct {
	ClientDataJSON    string `json:"clientDataJSON"`
	AuthenticatorData string `json:"authenticatorData,omitempty"`
	Signature         string `json:"signature,omitempty"`
	UserHandle        string `json:"userHandle,omitempty"`
	AttestationObject string `json:"attestationObject,omitempty"`
}

// standardAnswer returns an answer in the standard's form. The vendor's clients write base64 where the standard has base64url, the client data
// as they are, and no rawId. What cannot be read comes back as it is, and will not verify.
func standardAnswer(presented string) string {
	var a answer
	if json.Unmarshal([]byte(presented), &a) != nil {
		return presented
	}
	if strings.HasPrefix(a.Response.ClientDataJSON, "{") {
		a.Response.ClientDataJSON = base64.RawURLEncoding.EncodeToString([]byte(a.Response.ClientDataJSON))
	}
	if a.RawID == "" {
		a.RawID = a.ID
	}
	urlSafe := strings.NewReplacer("+", "-", "/", "_", "=", "")
	for _, encoded := range []*string{
		&a.ID, &a.RawID, &a.Response.ClientDataJSON, &a.Response.AuthenticatorData, &a.Response.Signature, &a.Response.UserHandle,
		&a.Response.AttestationObject,
	} {
		*encoded = urlSafe.Replace(*encoded)
	}
	standard, err := json.Marshal(a)
	if err != nil { // Cannot happen: strings always encode.
		return presented
	}
	return string(standard)
}

// octets are bytes as the vendor's clients read them, as a list of numbers.
type octets []byte

// MarshalJSON writes the list.
func (o octets) MarshalJSON() ([]byte, error) {
	numbers := make([]int, len(o))
	for i, b := range o {
		numbers[i] = int(b)
	}
	return json.Marshal(numbers)
}

// A credentialID names a security key to the vendor's clients.
type credentialID struct {
	Type string `json:"type"`
	ID   octets `json:"id"`
}

// requestOptions are what the vendor's clients ask a security key by.
type requestOptions struct {
	Challenge        octets         `json:"challenge"`
	Timeout          int            `json:"timeout"`
	AllowCredentials []credentialID `json:"allowCredentials"`
	UserVerification string         `json:"userVerification"`
	RelyingPartyID   string         `json:"rpId"`
}

// challengeOf returns the answer to a login that asks for a challenge. It has the vendor's member, and beside it the standard's, for
// PublicKeyCredential.parseRequestOptionsFromJSON.
func challengeOf(o *protocol.CredentialAssertion) value {
	vendor := requestOptions{
		Challenge: octets(o.Response.Challenge), Timeout: o.Response.Timeout, UserVerification: string(o.Response.UserVerification),
		RelyingPartyID: o.Response.RelyingPartyID, AllowCredentials: []credentialID{},
	}
	for _, credential := range o.Response.AllowedCredentials {
		vendor.AllowCredentials = append(vendor.AllowCredentials, credentialID{string(credential.Type), octets(credential.CredentialID)})
	}
	return optionsOf(struct {
		CredentialRequestOptions requestOptions                             `json:"credentialRequestOptions"`
		PublicKey                protocol.PublicKeyCredentialRequestOptions `json:"publicKey"`
	}{vendor, o.Response})
}

// registrationOf returns the answer to a user who begins to register a security key, for PublicKeyCredential.parseCreationOptionsFromJSON.
func registrationOf(o *protocol.CredentialCreation) value {
	return optionsOf(struct {
		PublicKey protocol.PublicKeyCredentialCreationOptions `json:"publicKey"`
	}{o.Response})
}

// optionsOf returns options as the vendor does: as a string of JSON.
func optionsOf(options any) value {
	written, err := json.Marshal(options)
	if err != nil { // Cannot happen: options always encode.
		return nil
	}
	return object{{"credential_request_options_json", text(written)}}
}

// entryOf returns a registered security key, which its user's Secret needs yet.
func entryOf(e *secondfactor.Entry) value {
	return object{{"id", text(e.ID)}, {"publicKey", text(e.PublicKey)}}
}
