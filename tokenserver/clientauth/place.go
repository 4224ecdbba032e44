// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clientauth

import (
	"context"
	"errors"
	"net/netip"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
)

// grantPassword is the grant of every login.
const grantPassword = "password"

// Why a client is unknown at a place, for the log.
var (
	errOtherProfile     = errors.New("the client is of another profile than the endpoint")
	errOtherIntegration = errors.New("the client is not the Integration in the URL")
	errNoVirtualClient  = errors.New("no Integration of the profile is in the URL, named by --default-integration, or the only one with users")
)

// VirtualClients finds the client of a login that names none. It is asked on every such request and answers from memory.
type VirtualClients interface {
	// Virtual returns the client of the Integration with the name, if it is of the profile and may log in users; without namespace and name
	// the one that stands in. It returns false if there is none.
	Virtual(profile clients.Profile, namespace, name string) (*clients.Client, bool)
}

// A Place is where a client authenticates: an endpoint of one profile, and the Integration that the URL names, if it does. Anywhere
// else the client is unknown.
type Place struct {
	Profile         clients.Profile
	Namespace, Name string
}

// admits returns nil if a client is one of the place, and otherwise why it is not.
func (p *Place) admits(client *clients.Client) error {
	switch {
	case p == nil:
		return nil
	case client.Profile != p.Profile:
		return errOtherProfile
	case p.Name != "" && (client.Name != p.Name || client.Namespace != p.Namespace):
		return errOtherIntegration
	default:
		return nil
	}
}

// AuthenticateAt checks credentials as Authenticate does, where only the clients of a place are known. Credentials of oauth2.MethodVirtual
// stand for the client that the place says; it has proven nothing.
func (a *Authenticator) AuthenticateAt(ctx context.Context, source netip.Addr, place Place, c oauth2.Credentials) (*Caller, *oauth2.Error) {
	if c.Method == oauth2.MethodVirtual {
		return a.virtual(ctx, source, place, c)
	}
	return a.authenticate(ctx, source, &place, c)
}

// virtual returns the client of a login that names none. It must be a public one, so that policies and editors see that anybody may try.
func (a *Authenticator) virtual(ctx context.Context, source netip.Addr, place Place, c oauth2.Credentials) (*Caller, *oauth2.Error) {
	client, found := (*clients.Client)(nil), false
	if a.Virtual != nil {
		client, found = a.Virtual.Virtual(place.Profile, place.Namespace, place.Name)
	}
	why := errNoVirtualClient
	if found {
		why = a.whyNot(client, true, &place, clients.MethodNone)
	}
	if why == nil && !client.MayUse(grantPassword) {
		why = errWrongMethod
	}
	if why != nil {
		return nil, a.failed(ctx, source, c.ClientID, oauth2.ErrInvalidClient.WithCause(why))
	}
	return &Caller{client: client, method: c.Method, login: c.ClientID}, nil
}
