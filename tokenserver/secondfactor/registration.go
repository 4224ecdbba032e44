// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package secondfactor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
)

var (
	errAttested   = errors.New("it has an attestation that was not asked for")
	errRegistered = errors.New("the user has registered the security key before")
)

// An entry is what the list securityKeys of a user's Secret has of each key.
type entry struct {
	ID        string `json:"id"`
	PublicKey string `json:"publicKey"`
}

// Registration returns the options with which a user's browser asks a security key to be registered, one that the user does not have yet: JSON
// with the member publicKey, a PublicKeyCredentialCreationOptionsJSON (WebAuthn section 5.1.9). The caller has checked the user's password. The errors are those of Challenge, but for ErrNoSecurityKeys.
func (c *Checker) Registration(client *clients.Client, user *clients.User) ([]byte, error) {
	party, err := relyingParty(client)
	if err != nil {
		return nil, err
	}
	challenge, err := c.newChallenge(forRegistration, client, user)
	if err != nil {
		return nil, err
	}
	holder := holderOf(client, user)
	options, _, err := party.BeginRegistration(holder, func(o *protocol.PublicKeyCredentialCreationOptions) error {
		o.Challenge = challenge
		o.Parameters = webauthn.CredentialParametersRecommendedL3()
		o.CredentialExcludeList = webauthn.Credentials(holder.keys).CredentialDescriptors()
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("make the options for a registration: %w", err)
	}
	return json.Marshal(options)
}

// Register checks the answer of a security key to Registration (WebAuthn section 7.1), uses its challenge up, and returns the entry for the list
// securityKeys of the user's Secret, as JSON. Until its owner adds it there, the key counts for nothing. The errors are those of Check.
func (c *Checker) Register(ctx context.Context, client *clients.Client, user *clients.User, presented []byte) ([]byte, error) {
	party, err := relyingParty(client)
	if err != nil {
		return nil, wrong(err)
	}
	standard, err := standardForm(presented)
	if err != nil {
		return nil, wrong(err)
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(standard)
	if err != nil {
		return nil, wrong(errUnreadable)
	}
	data := parsed.Response.CollectedClientData
	expires, err := c.checkClientData(forRegistration, client, user, data)
	if err != nil {
		return nil, wrong(err)
	}
	if err := checkRegistrable(user, parsed); err != nil {
		return nil, wrong(err)
	}
	holder := holderOf(client, user)
	made, err := party.CreateCredential(holder, webauthn.SessionData{
		Challenge: data.Challenge, RelyingPartyID: client.RelyingParty.ID, UserID: holder.handle, UserVerification: protocol.VerificationPreferred,
		CredParams: webauthn.CredentialParametersRecommendedL3(),
	}, parsed)
	if err != nil {
		return nil, wrong(refusal(err))
	}
	if err := c.spend(ctx, client, digestOf("used challenge", data.Challenge), expires); err != nil {
		return nil, err
	}
	return json.Marshal(entry{ID: encoding.EncodeToString(made.ID), PublicKey: encoding.EncodeToString(made.PublicKey)})
}

// checkClientData checks where a security key was asked, and by which challenge. It returns when that ends. That go-webauthn would find out about
// another origin too does not tell an operator which mistake it was.
func (c *Checker) checkClientData(
	p purpose, client *clients.Client, user *clients.User, data protocol.CollectedClientData,
) (expires time.Time, err error) {
	if !protocol.IsOriginInHaystack(data.Origin, client.RelyingParty.Origins) {
		return time.Time{}, errOrigin
	}
	return c.checkChallenge(p, client, user, data.Challenge)
}

// checkRegistrable checks what a key shows of itself before anything is computed with it.
func checkRegistrable(user *clients.User, parsed *protocol.ParsedCredentialCreationData) error {
	object := parsed.Response.AttestationObject
	// WebAuthn section 5.1.3 step 22: asked for none, a browser passes on no attestation but a key's own signature, which has no certificate.
	// Verifying another one would be by certificates, at a time that is not Checker.Now.
	_, certified := object.AttStatement["x5c"]
	if format := protocol.AttestationFormat(object.Format); certified ||
		format != protocol.AttestationFormatNone && format != protocol.AttestationFormatPacked {
		return errAttested
	}
	attested := object.AuthData.AttData
	if len(attested.CredentialID) == 0 {
		return errUnreadable
	}
	if slices.ContainsFunc(user.SecurityKeys, func(key clients.SecurityKey) bool { return bytes.Equal(key.ID, attested.CredentialID) }) {
		return errRegistered
	}
	return checkKey(attested.CredentialPublicKey)
}
