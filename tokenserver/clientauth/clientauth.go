// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clientauth

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/limits"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
)

// Why clients are refused, for the log. None of them holds anything from the request.
var (
	errNoCredentials  = errors.New("the client presented no credentials")
	errUnknownClient  = errors.New("the client is unknown")
	errWrongSecret    = errors.New("the client secret is wrong")
	errWrongMethod    = errors.New("the client may not authenticate in this way")
	errStopped        = errors.New("the client is suspended, or all that it might get is revoked")
	errWrongSignature = errors.New("the client assertion is signed by none of the client's keys that fit it")
	errReplayed       = errors.New("the client assertion was used before")
)

const (
	describeNoCredentials   = "send the client's credentials by HTTP Basic, or as client_id and client_secret in the body"
	describeTooManyFailures = "client authentication failed too many times: try again later"
)

// Clients finds clients. It is asked on every request and answers from memory.
type Clients interface {
	// Client returns the client with an ID; false if there is none.
	Client(id string) (*clients.Client, bool)
}

// A Caller is a client that has proven who it is, or a public client, which cannot. Only Authenticator makes one.
type Caller struct {
	client *clients.Client
	method oauth2.Method
	// previous says that it has proven so by a secret that another has taken the place of.
	previous bool
	// login is the name that a login went by which named no client.
	login string
}

// Client returns the client.
func (c *Caller) Client() *clients.Client { return c.client }

// Public reports whether the client has proven nothing: anybody may say that they are it.
func (c *Caller) Public() bool {
	return c.method == oauth2.MethodNone || c.method == oauth2.MethodVirtual
}

// Login returns the name that the login went by if it named no client; empty otherwise, or if it has no name.
func (c *Caller) Login() string { return c.login }

// An Authenticator checks who a client is. All its fields are needed but PreviousUsed and Virtual.
type Authenticator struct {
	// Clients finds the clients.
	Clients Clients
	// Virtual finds the clients of logins that name none; without it there are none.
	Virtual VirtualClients
	// Limits counts failures.
	Limits limits.Limiter
	// Assertions checks client assertions.
	Assertions *Assertions
	// PreviousUsed is told of each client that has got in by its previous secret, on the request's path: it must not block. Nil is not
	// told.
	PreviousUsed func(*clients.Client)
	// Now is the clock.
	Now func() time.Time
}

// Authenticate checks the credentials that came from a source address. An unknown client, a wrong secret and a suspended client look
// alike from outside in the reply; the package comment says how far they do in the time that it takes. It returns invalid_client, invalid_client with status 429 and
// Retry-After after too many failures, or temporarily_unavailable when what it takes to decide cannot be reached.
func (a *Authenticator) Authenticate(ctx context.Context, source netip.Addr, c oauth2.Credentials) (*Caller, *oauth2.Error) {
	return a.authenticate(ctx, source, nil, c)
}

// authenticate checks credentials at a place; nil is anywhere.
func (a *Authenticator) authenticate(ctx context.Context, source netip.Addr, place *Place, c oauth2.Credentials) (*Caller, *oauth2.Error) {
	switch c.Method {
	case oauth2.MethodBasic, oauth2.MethodPost:
		return a.bySecret(ctx, source, place, c)
	case oauth2.MethodPrivateKeyJWT:
		return a.byAssertion(ctx, source, place, c)
	default:
		return a.public(ctx, source, place, c)
	}
}

// bySecret checks a client ID and a secret (RFC 6749 section 2.3.1). What it does for the right secret is on the hot path.
func (a *Authenticator) bySecret(ctx context.Context, source netip.Addr, place *Place, c oauth2.Credentials) (*Caller, *oauth2.Error) {
	client, found := a.Clients.Client(c.ClientID)
	why := a.whyNot(client, found, place, clients.MethodClientSecret)
	// The secret is compared whatever is known by now, so that an unknown or suspended client takes no less time than a wrong secret.
	previous := false
	if !found {
		clients.AuthenticateUnknown(c.Secret.Reveal())
	} else {
		var ok bool
		if ok, previous = client.Authenticate(c.Secret.Reveal(), a.Now()); !ok {
			why = errWrongSecret
		}
	}
	if why != nil {
		return nil, a.failed(ctx, source, c.ClientID, oauth2.ErrInvalidClient.WithCause(why))
	}
	if previous && a.PreviousUsed != nil {
		a.PreviousUsed(client)
	}
	return &Caller{client: client, method: c.Method, previous: previous}, nil
}

// public takes a client at its word, if it is a public one (RFC 6749 section 2.1).
func (a *Authenticator) public(ctx context.Context, source netip.Addr, place *Place, c oauth2.Credentials) (*Caller, *oauth2.Error) {
	refused := oauth2.ErrInvalidClient.WithDescription(describeNoCredentials).WithCause(errNoCredentials)
	if c.ClientID == "" {
		return nil, refused
	}
	client, found := a.Clients.Client(c.ClientID)
	if why := a.whyNot(client, found, place, clients.MethodNone); why != nil {
		if errors.Is(why, errWrongMethod) {
			why = errNoCredentials
		}
		return nil, a.failed(ctx, source, c.ClientID, refused.WithCause(why))
	}
	return &Caller{client: client, method: oauth2.MethodNone}, nil
}

// whyNot returns why a client gets in by no means, or not at this place or by this method.
func (a *Authenticator) whyNot(client *clients.Client, found bool, place *Place, method clients.Method) error {
	if !found {
		return errUnknownClient
	}
	if err := place.admits(client); err != nil {
		return err
	}
	switch {
	case !client.Accepts(method):
		return errWrongMethod
	case client.Stopped(a.Now()):
		return errStopped
	default:
		return nil
	}
}

// failed counts a failure, and returns what to answer: refused, or 429 after too many.
func (a *Authenticator) failed(ctx context.Context, source netip.Addr, clientID string, refused *oauth2.Error) *oauth2.Error {
	key := limits.UnknownClientKey(clientID)
	if _, found := a.Clients.Client(clientID); found {
		key = limits.ClientKey(clientID)
	}
	wait := a.Limits.Failed(ctx, key, limits.AddressKey(source))
	if wait <= 0 {
		return refused
	}
	return refused.WithStatus(http.StatusTooManyRequests).WithRetryAfter(wait).WithDescription(describeTooManyFailures)
}
