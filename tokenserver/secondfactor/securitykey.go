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

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
)

// Errors of Challenge and Registration, to be found by errors.Is. Where they stand in the way of Check or Register, they are the cause of
// grants.ErrWrongFactor.
var (
	// ErrNoRelyingParty says that the Integration names no site for security keys, or one that is none.
	ErrNoRelyingParty = errors.New("the Integration names no relying party for security keys")
	// ErrNoSecurityKeys says that the user has no security key.
	ErrNoSecurityKeys = errors.New("the user has no security key")
)

// Why the answer of a security key does not count. None of them holds anything of it.
var (
	errUnreadable   = errors.New("it cannot be read")
	errOrigin       = errors.New("it was made at another origin than those of the Integration's relying party")
	errUnregistered = errors.New("the user has no security key of its ID")
	errKey          = errors.New("its public key is no ES256, EdDSA or RS256 key of sufficient size")
	errRefused      = errors.New("it does not verify")
)

const (
	// maxPublicKey is that of the entries that logins are read from.
	maxPublicKey = 2 << 10
	// minModulus is that of RSA keys.
	minModulus = 2048 / 8
)

// Challenge returns the options with which a user's browser asks a security key of the user's to log in: JSON with the member publicKey, a
// PublicKeyCredentialRequestOptionsJSON (WebAuthn section 5.1.10). The caller has checked the user's password. The errors are those above, and
// tokens.ErrNoActiveKey.
func (c *Checker) Challenge(client *clients.Client, user *clients.User) ([]byte, error) {
	party, err := relyingParty(client)
	if err != nil {
		return nil, err
	}
	if len(user.SecurityKeys) == 0 {
		return nil, ErrNoSecurityKeys
	}
	challenge, err := c.newChallenge(forLogin, client, user)
	if err != nil {
		return nil, err
	}
	options, _, err := party.BeginLogin(holderOf(client, user), func(o *protocol.PublicKeyCredentialRequestOptions) error {
		o.Challenge = challenge
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("make the options for a login: %w", err)
	}
	return json.Marshal(options)
}

// checkAssertion checks the answer of a security key (WebAuthn section 7.2), and uses its challenge up. The errors are those of Check.
func (c *Checker) checkAssertion(ctx context.Context, client *clients.Client, user *clients.User, presented string) error {
	party, err := relyingParty(client)
	if err != nil {
		return wrong(err)
	}
	if len(user.SecurityKeys) == 0 {
		return wrong(ErrNoSecurityKeys)
	}
	standard, err := standardForm([]byte(presented))
	if err != nil {
		return wrong(err)
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(standard)
	if err != nil {
		return wrong(errUnreadable)
	}
	data := parsed.Response.CollectedClientData
	expires, err := c.checkClientData(forLogin, client, user, data)
	if err != nil {
		return wrong(err)
	}
	holder := holderOf(client, user)
	i := slices.IndexFunc(holder.keys, func(key webauthn.Credential) bool { return bytes.Equal(key.ID, parsed.RawID) })
	if i < 0 {
		return wrong(errUnregistered)
	}
	if err := checkKey(holder.keys[i].PublicKey); err != nil {
		return wrong(err)
	}
	// What the key said of backups at its registration is not kept, and go-webauthn compares it.
	holder.keys[i].Flags.BackupEligible = parsed.Response.AuthenticatorData.Flags.HasBackupEligible()
	if _, err := party.ValidateLogin(holder, webauthn.SessionData{
		Challenge: data.Challenge, RelyingPartyID: client.RelyingParty.ID, UserID: holder.handle, UserVerification: protocol.VerificationPreferred,
	}, parsed); err != nil {
		return wrong(refusal(err))
	}
	return c.spend(ctx, client, digestOf("used challenge", data.Challenge), expires)
}

// refusal returns why go-webauthn refused an answer: the type of its error, which is one of a few words. The rest may quote the answer.
func refusal(err error) error {
	if e, ok := errors.AsType[*protocol.Error](err); ok {
		return fmt.Errorf("%w: %s", errRefused, e.Type)
	}
	return errRefused
}

// relyingParty returns what security keys are registered with.
func relyingParty(client *clients.Client) (*webauthn.WebAuthn, error) {
	if client.RelyingParty == nil {
		return nil, ErrNoRelyingParty
	}
	// Browsers are told how long a challenge is good for. That go-webauthn enforces it too would be by another clock.
	timeout := webauthn.TimeoutConfig{Timeout: ChallengeLifetime, TimeoutUVD: ChallengeLifetime}
	party, err := webauthn.New(&webauthn.Config{
		RPID: client.RelyingParty.ID, RPDisplayName: client.RelyingParty.ID, RPOrigins: client.RelyingParty.Origins,
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			// Users say who they are, so a key need not know.
			RequireResidentKey: protocol.ResidentKeyNotRequired(), ResidentKey: protocol.ResidentKeyRequirementDiscouraged,
			UserVerification: protocol.VerificationPreferred,
		},
		Timeouts: webauthn.TimeoutsConfig{Login: timeout, Registration: timeout},
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoRelyingParty, err)
	}
	return party, nil
}

// A holder is a user as go-webauthn sees one.
type holder struct {
	handle []byte
	name   string
	keys   []webauthn.Credential
}

var _ webauthn.User = (*holder)(nil)

// holderOf returns a user with the security keys that are in the user's Secret.
func holderOf(client *clients.Client, user *clients.User) *holder {
	// A key may keep the handle and show it at each login. So it follows from what stays when the Integration is made anew, as the keys in the
	// Secret do, and says nothing of the user by itself (WebAuthn section 14.6.1).
	handle := digestOf("user handle", client.Namespace, user.Kind, user.Name)
	h := &holder{handle: handle[:], name: user.Name, keys: make([]webauthn.Credential, len(user.SecurityKeys))}
	for i, key := range user.SecurityKeys {
		h.keys[i] = webauthn.Credential{ID: key.ID, PublicKey: key.PublicKey}
	}
	return h
}

// WebAuthnID returns the user handle.
func (h *holder) WebAuthnID() []byte { return h.handle }

// WebAuthnName returns the user's name.
func (h *holder) WebAuthnName() string { return h.name }

// WebAuthnDisplayName returns the user's name too, as there is no other.
func (h *holder) WebAuthnDisplayName() string { return h.name }

// WebAuthnCredentials returns the user's security keys.
func (h *holder) WebAuthnCredentials() []webauthn.Credential { return h.keys }

// checkKey returns nil for a public key of an algorithm that counts, which are those that WebAuthn section 5.4 asks relying parties to
// support.
func checkKey(publicKey []byte) error {
	if len(publicKey) > maxPublicKey {
		return errKey
	}
	parsed, err := webauthncose.ParsePublicKey(publicKey)
	if err != nil {
		return errKey
	}
	var counts bool
	switch key := parsed.(type) {
	case webauthncose.EC2PublicKeyData:
		counts = key.Algorithm == int64(webauthncose.AlgES256)
	case webauthncose.OKPPublicKeyData:
		counts = key.Algorithm == int64(webauthncose.AlgEdDSA)
	case webauthncose.RSAPublicKeyData:
		counts = key.Algorithm == int64(webauthncose.AlgRS256) && len(bytes.TrimLeft(key.Modulus, "\x00")) >= minModulus
	}
	if !counts {
		return errKey
	}
	return nil
}
