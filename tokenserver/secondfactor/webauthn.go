// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package secondfactor

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
)

// maxAnswer bounds the answer of a security key.
const maxAnswer = 16 << 10

// Errors that tell a user what is missing, to be found by errors.Is.
var (
	// ErrNoRelyingParty says that the Integration names no site, so that its users can have no security keys.
	ErrNoRelyingParty = errors.New("the Integration takes no security keys: set spec.magento.securityKeys")
	// ErrNoSecurityKeys says that the user has registered none.
	ErrNoSecurityKeys = errors.New("the user has no security key")
)

// The library's own errors may quote what was presented, so they stop here.
var (
	errUnreadable = errors.New("the security key's answer is malformed or too long")
	errWrongKey   = errors.New("the security key's answer does not verify")
)

// An Entry is a registered security key as it stands in a user's Secret. It holds nothing secret.
type Entry struct {
	ID        string `json:"id"`
	PublicKey string `json:"publicKey"`
}

// BeginLogin returns what a browser needs to ask one of the user's security keys (WebAuthn section 5.5). It returns ErrNoRelyingParty,
// ErrNoSecurityKeys or tokens.ErrNoActiveKey.
func (v *Verifier) BeginLogin(c *clients.Client, u *clients.User) (*protocol.CredentialAssertion, error) {
	site, err := siteOf(c)
	if err != nil {
		return nil, err
	}
	if len(u.SecurityKeys) == 0 {
		return nil, ErrNoSecurityKeys
	}
	challenge, err := v.newChallenge(purposeLogin, c, u)
	if err != nil {
		return nil, err
	}
	options, _, err := site.BeginLogin(account{c, u}, func(o *protocol.PublicKeyCredentialRequestOptions) error {
		o.Challenge = challenge
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ask a security key of Integration %s/%s: %w", c.Namespace, c.Name, err)
	}
	return options, nil
}

// checkAnswer checks what a security key has answered to BeginLogin (WebAuthn section 7.2), and uses the challenge up.
func (v *Verifier) checkAnswer(ctx context.Context, c *clients.Client, u *clients.User, answer string) error {
	site, err := siteOf(c)
	if err != nil || len(u.SecurityKeys) == 0 {
		return wrong(errNotTheirs)
	}
	if len(answer) > maxAnswer {
		return wrong(errUnreadable)
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes([]byte(answer))
	if err != nil {
		return wrong(errUnreadable)
	}
	session, id, expires, err := v.resume(purposeLogin, c, u, parsed.Response.CollectedClientData.Challenge)
	if err != nil {
		return wrong(err)
	}
	// Whether a key may be backed up is not kept, so the answer is compared with what it says itself.
	user := account{c, u}
	backup := parsed.Response.AuthenticatorData.Flags.HasBackupEligible()
	if _, err := site.ValidateLogin(flagged{user, backup}, session, parsed); err != nil {
		return wrong(errWrongKey)
	}
	return v.spend(ctx, c, id, expires)
}

// BeginRegistration returns what a browser needs to have a security key make a credential for the user (WebAuthn section 5.4). It returns
// ErrNoRelyingParty or tokens.ErrNoActiveKey.
func (v *Verifier) BeginRegistration(c *clients.Client, u *clients.User) (*protocol.CredentialCreation, error) {
	site, err := siteOf(c)
	if err != nil {
		return nil, err
	}
	challenge, err := v.newChallenge(purposeRegistration, c, u)
	if err != nil {
		return nil, err
	}
	user := account{c, u}
	options, _, err := site.BeginRegistration(user, func(o *protocol.PublicKeyCredentialCreationOptions) error {
		o.Challenge, o.Parameters = challenge, algorithms()
		for _, credential := range user.WebAuthnCredentials() {
			o.CredentialExcludeList = append(o.CredentialExcludeList, credential.Descriptor())
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("begin a registration with Integration %s/%s: %w", c.Namespace, c.Name, err)
	}
	return options, nil
}

// Register checks the credential that a security key has made for BeginRegistration (WebAuthn section 7.1), uses the challenge up, and returns the
// entry that makes it the user's once it is in the user's Secret. It returns ErrNoRelyingParty, grants.ErrWrongFactor with the cause
// wrapped beside it, or sessions.ErrUnavailable.
func (v *Verifier) Register(ctx context.Context, c *clients.Client, u *clients.User, answer string) (*Entry, error) {
	site, err := siteOf(c)
	if err != nil {
		return nil, err
	}
	if len(answer) > maxAnswer {
		return nil, wrong(errUnreadable)
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes([]byte(answer))
	if err != nil {
		return nil, wrong(errUnreadable)
	}
	session, id, expires, err := v.resume(purposeRegistration, c, u, parsed.Response.CollectedClientData.Challenge)
	if err != nil {
		return nil, wrong(err)
	}
	session.CredParams = algorithms()
	credential, err := site.CreateCredential(account{c, u}, session, parsed)
	if err != nil {
		return nil, wrong(errWrongKey)
	}
	if err := v.spend(ctx, c, id, expires); err != nil {
		return nil, err
	}
	encoding := base64.RawURLEncoding
	return &Entry{ID: encoding.EncodeToString(credential.ID), PublicKey: encoding.EncodeToString(credential.PublicKey)}, nil
}

// JSON returns the entry as it stands in the Secret's list.
func (e *Entry) JSON() string {
	text, _ := json.Marshal(e) // Two strings always encode.
	return string(text)
}

// resume returns the state of a ceremony that its challenge stands for, what that is spent by and when it expires.
func (v *Verifier) resume(p purpose, c *clients.Client, u *clients.User, challenge string) (s webauthn.SessionData, id string, expires time.Time, err error) {
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(challenge)
	if err != nil {
		return s, "", expires, errNotOurs
	}
	if id, expires, err = v.openChallenge(p, c, u, decoded); err != nil {
		return s, "", expires, err
	}
	user := account{c, u}
	s = webauthn.SessionData{
		Challenge: challenge, RelyingPartyID: c.RelyingParty.ID, UserID: user.WebAuthnID(), UserVerification: protocol.VerificationPreferred,
	}
	if p == purposeLogin {
		for _, key := range u.SecurityKeys {
			s.AllowedCredentialIDs = append(s.AllowedCredentialIDs, key.ID)
		}
	}
	return s, id, expires, nil
}

// algorithms are what new security keys may sign with, those that are wanted most first.
func algorithms() []protocol.CredentialParameter {
	var parameters []protocol.CredentialParameter
	for _, algorithm := range []webauthncose.COSEAlgorithmIdentifier{webauthncose.AlgES256, webauthncose.AlgEdDSA, webauthncose.AlgRS256} {
		parameters = append(parameters, protocol.CredentialParameter{Type: protocol.PublicKeyCredentialType, Algorithm: algorithm})
	}
	return parameters
}

// siteOf returns the site that a client's users have security keys for. Nobody asks who made the keys.
func siteOf(c *clients.Client) (*webauthn.WebAuthn, error) {
	if c.RelyingParty == nil {
		return nil, ErrNoRelyingParty
	}
	timeout := webauthn.TimeoutConfig{Timeout: challengeLifetime, TimeoutUVD: challengeLifetime}
	site, err := webauthn.New(&webauthn.Config{
		RPID: c.RelyingParty.ID, RPDisplayName: c.RelyingParty.ID, RPOrigins: c.RelyingParty.Origins,
		AttestationPreference:  protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{UserVerification: protocol.VerificationPreferred},
		Timeouts:               webauthn.TimeoutsConfig{Login: timeout, Registration: timeout},
		// None is asked for, and what a client adds unasked means nothing here.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoRelyingParty, err)
	}
	return site, nil
}

// An account is a user as the library sees one.
type account struct {
	client *clients.Client
	user   *clients.User
}

// WebAuthnID returns the user handle, which must tell nobody who the user is (WebAuthn section 14.6.1).
func (a account) WebAuthnID() []byte {
	id := sha256.Sum256([]byte(a.client.UID + " " + a.user.Name))
	return id[:]
}

// WebAuthnName returns the user's name.
func (a account) WebAuthnName() string { return a.user.Name }

// WebAuthnDisplayName returns the user's name.
func (a account) WebAuthnDisplayName() string { return a.user.Name }

// WebAuthnCredentials returns the user's security keys.
func (a account) WebAuthnCredentials() []webauthn.Credential {
	credentials := make([]webauthn.Credential, 0, len(a.user.SecurityKeys))
	for _, key := range a.user.SecurityKeys {
		credentials = append(credentials, webauthn.Credential{ID: key.ID, PublicKey: key.PublicKey})
	}
	return credentials
}

// A flagged account has keys that may be backed up, or that may not.
type flagged struct {
	account
	backup bool
}

// WebAuthnCredentials returns the user's security keys.
func (f flagged) WebAuthnCredentials() []webauthn.Credential {
	credentials := f.account.WebAuthnCredentials()
	for i := range credentials {
		credentials[i].Flags.BackupEligible = f.backup
	}
	return credentials
}
