// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clientauth

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/integration-operator/integration-operator/tokenserver/clientauth/jwks"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

const (
	// maxTries is how many keys an assertion is tried with.
	maxTries = 8
	// unavailableRetryAfter is when to try again while the client's keys or the session store cannot be reached.
	unavailableRetryAfter = 5 * time.Second
)

var errNoKeySource = errors.New("this server does not fetch keys")

// A KeySource gets the keys that clients publish.
type KeySource interface {
	// Keys returns the keys at a URL, as fresh as it takes to have one with keyID among them if there is one. Its error says why
	// they cannot be had, and holds nothing of the URL's query.
	Keys(ctx context.Context, url, keyID string) (*jose.JSONWebKeySet, error)
}

// A Spender remembers token IDs.
type Spender interface {
	// Spend records a token ID, as sessions.Store does: it returns sessions.ErrUsed for one that is recorded already, and any other
	// error if it cannot be recorded.
	Spend(ctx context.Context, spent sessions.Spent) error
}

// Assertions checks client assertions (RFC 7523). All its fields are needed but Keys.
type Assertions struct {
	// Audiences are what the aud of an assertion may be: the issuer, and the URLs of the endpoints.
	Audiences []string
	// Keys gets the keys of clients that publish them at a URL; without it such clients cannot authenticate.
	Keys KeySource
	// Spent remembers which assertions were used.
	Spent Spender
	// Now is the clock.
	Now func() time.Time
}

// byAssertion checks a client assertion.
func (a *Authenticator) byAssertion(ctx context.Context, source netip.Addr, place *Place, c oauth2.Credentials) (*Caller, *oauth2.Error) {
	x, refused := decode(c.Assertion.Reveal())
	if refused != nil {
		return nil, refused
	}
	if refused := x.check(c.ClientID, a.Assertions.Audiences, a.Now()); refused != nil {
		return nil, refused
	}
	client, found := a.Clients.Client(x.claims.Subject)
	why := a.whyNot(client, found, place, clients.MethodPrivateKeyJWT)
	var keys []jose.JSONWebKey
	if why == nil {
		var err error
		if keys, err = a.Assertions.keysOf(ctx, client, x); err != nil {
			return nil, unavailable(err)
		}
	}
	// Something is verified whatever is known by now, so that an unknown or suspended client takes no less time than one
	// with one key of the smallest size.
	if !x.verify(keys) && why == nil {
		why = errWrongSignature
	}
	if why == nil {
		if why = a.Assertions.spend(ctx, client, x); why != nil && !errors.Is(why, errReplayed) {
			return nil, unavailable(why)
		}
	}
	if why != nil {
		return nil, a.failed(ctx, source, x.claims.Subject, oauth2.ErrInvalidClient.WithCause(why))
	}
	return &Caller{client: client, method: c.Method}, nil
}

// unavailable is what a client gets that may well be who it claims to be.
func unavailable(cause error) *oauth2.Error {
	refused := oauth2.ErrTemporarilyUnavailable.WithCause(cause).WithRetryAfter(unavailableRetryAfter)
	if errors.Is(cause, sessions.ErrFull) {
		return refused.WithDescription("the client has used too many assertions lately: wait, or let each expire sooner")
	}
	return refused
}

// keysOf returns the keys of a client that an assertion may be signed with: those of its kid, or all if it has none.
func (a *Assertions) keysOf(ctx context.Context, c *clients.Client, x *assertion) ([]jose.JSONWebKey, error) {
	set := c.AssertionKeys
	if c.JWKSURI != "" {
		if a.Keys == nil {
			return nil, errNoKeySource
		}
		fetched, err := a.Keys.Keys(ctx, c.JWKSURI, x.keyID)
		if err != nil {
			return nil, err
		}
		set = fetched
	}
	if set == nil {
		return nil, nil
	}
	var keys []jose.JSONWebKey
	for _, key := range set.Keys {
		if (x.keyID == "" || x.keyID == key.KeyID) && jwks.Verifies(&key, x.algorithm) && len(keys) < maxTries {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// verify reports whether one of the keys made the signature. Without keys it does in vain what one key of the algorithm costs.
func (x *assertion) verify(keys []jose.JSONWebKey) bool {
	for _, key := range keys {
		if _, err := x.jws.Verify(key.Key); err == nil {
			return true
		}
	}
	if len(keys) == 0 {
		for _, key := range decoys() {
			if jwks.Verifies(&key, x.algorithm) {
				_, _ = x.jws.Verify(key.Key)
			}
		}
	}
	return false
}

// spend uses an assertion up.
func (a *Assertions) spend(ctx context.Context, c *clients.Client, x *assertion) error {
	err := a.Spent.Spend(ctx, sessions.Spent{
		Owner: sessions.OwnerOf(c), Kind: sessions.KindClientAssertion, TokenID: x.claims.ID, ExpiresAt: x.forgettable(),
	})
	switch {
	case errors.Is(err, sessions.ErrUsed):
		return errReplayed
	case err != nil:
		return fmt.Errorf("spend a client assertion of Integration %s/%s: %w", c.Namespace, c.Name, err)
	default:
		return nil
	}
}

// decoys returns keys that belong to nobody, one of each type, to spend time with. That anybody could find out their private keys does
// not matter, as what they verify counts for nothing.
var decoys = sync.OnceValue(func() []jose.JSONWebKey {
	one := append(make([]byte, 31), 1)
	keys := []jose.JSONWebKey{
		{Key: ed25519.NewKeyFromSeed(one).Public()},
		{Key: &rsa.PublicKey{N: new(big.Int).SetBytes(bytes.Repeat([]byte{0xff}, 256)), E: 65537}},
	}
	// The generator of the curve is the public key of the private key one.
	generator, err := ecdh.P256().NewPrivateKey(one)
	if err != nil {
		return keys
	}
	if public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), generator.PublicKey().Bytes()); err == nil {
		keys = append(keys, jose.JSONWebKey{Key: public})
	}
	return keys
})
