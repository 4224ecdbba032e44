// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package magento

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/clientauth"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/forwardauth"
	"github.com/integration-operator/integration-operator/tokenserver/introspection"
	"github.com/integration-operator/integration-operator/tokenserver/oauth1"
	"github.com/integration-operator/integration-operator/tokenserver/secondfactor"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// What stands where resources do, and is none of a module.
const (
	// resourceAll has all resources.
	resourceAll = "Magento_Backend::all"
	// resourceSelf is what customers may do with what is theirs, and resourceAnonymous what everybody may.
	resourceSelf      = "self"
	resourceAnonymous = "anonymous"
)

// Why signed requests do not count, beside the errors of oauth1.
var (
	errNoConsumer = errors.New("the oauth_consumer_key is nobody's, or its token is another one")
	errReplayed   = errors.New("the oauth_nonce was used before")
)

// A Verification is how APIs behind /verify are asked. All its fields are needed.
type Verification struct {
	// Checker decides whether tokens count.
	Checker *introspection.Checker
	// Clients finds the clients that requests are signed by.
	Clients clientauth.Clients
	// Nonces remembers which nonces were used.
	Nonces secondfactor.Spender
	// Now is the clock.
	Now func() time.Time
}

// Dialect returns it as a dialect of /verify.
func (v *Verification) Dialect() forwardauth.Dialect {
	return forwardauth.Dialect{
		Profile: clients.ProfileMagento, Authenticate: v.authenticate, Allows: allows, WriteRefusal: writeRefusal,
	}
}

// authenticate returns the token that a request presents or is signed with. Who presents something that is neither is a guest, to whom only
// that is open that is open to everybody.
func (v *Verification) authenticate(ctx context.Context, r *http.Request) (*introspection.Token, error) {
	if headers := r.Header["Authorization"]; len(headers) == 1 && oauth1.IsOAuth(headers[0]) {
		return v.signed(ctx, r.Header, headers[0])
	}
	presented, err := forwardauth.Bearer(r.Header)
	if err != nil || presented == "" {
		return nil, nil //nolint:nilerr,nilnil // a guest has no token, and that is no error
	}
	return v.Checker.Check(ctx, presented)
}

// signed returns the token that a request is signed with, once. Everything about the signature is judged before the nonce is looked at, so that
// nobody but the client uses nonces up.
func (v *Verification) signed(ctx context.Context, h http.Header, header string) (*introspection.Token, error) {
	authorization, err := oauth1.Parse(header)
	if err != nil {
		return nil, inactive(err)
	}
	original, err := originalOf(h)
	if err != nil {
		return nil, inactive(err)
	}
	client, consumerSecret, tokenSecret := v.consumer(authorization)
	if err := authorization.Verify(original, consumerSecret, tokenSecret, v.Now()); err != nil {
		return nil, inactive(err)
	}
	if client == nil {
		return nil, inactive(errNoConsumer)
	}
	token, err := v.Checker.LastingToken(client)
	if err != nil {
		return nil, err
	}
	err = v.Nonces.Spend(ctx, sessions.Spent{
		Owner: sessions.OwnerOf(client), Kind: sessions.KindNonce, TokenID: authorization.Nonce,
		ExpiresAt: authorization.Forgettable(v.Now()).Add(tokens.ClockDrift),
	})
	switch {
	case errors.Is(err, sessions.ErrUsed):
		return nil, inactive(errReplayed)
	case errors.Is(err, sessions.ErrFull):
		return nil, fmt.Errorf("%w: %w", sessions.ErrUnavailable, err)
	case err != nil:
		return nil, fmt.Errorf("spend a nonce of Integration %s/%s: %w", client.Namespace, client.Name, err)
	}
	return token, nil
}

// consumer returns the client that a request claims to be signed by, with its secrets; nil and secrets that are nobody's if there is none, so
// that it costs the same.
func (v *Verification) consumer(a *oauth1.Authorization) (client *clients.Client, consumerSecret, tokenSecret string) {
	token := sha256.Sum256([]byte(a.Token))
	nobody := "00000000000000000000000000000000"
	client, found := v.Clients.Client(a.ConsumerKey)
	if !found || client.Profile != clients.ProfileMagento || client.Lasting == nil {
		return nil, nobody, nobody
	}
	if subtle.ConstantTimeCompare(token[:], client.Lasting.Hash[:]) != 1 {
		return nil, nobody, nobody
	}
	return client, client.Lasting.ConsumerSecret(), client.Lasting.TokenSecret()
}

// inactive says why a token does not count.
func inactive(cause error) error {
	return fmt.Errorf("%w: %w", introspection.ErrInactive, cause)
}

// allows reports whether a token, nil for a guest, may use a resource.
func allows(token *introspection.Token, resource string) bool {
	if resource == resourceAnonymous {
		return true
	}
	if token == nil {
		return false
	}
	granted, kind := strings.Fields(token.Claims.Scope), token.Claims.Integration.Kind
	switch {
	case resource == resourceSelf:
		return kind == clients.KindCustomer && slices.Contains(granted, resourceSelf)
	case token.Claims.Integration.Username != "" && kind != clients.KindAdmin:
		return false
	default:
		return slices.Contains(granted, resource) || slices.Contains(granted, resourceAll)
	}
}
