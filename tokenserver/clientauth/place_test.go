// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clientauth

import (
	"testing"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
)

// virtual is the client of logins that name none, if they come for it.
type virtual struct {
	client *clients.Client
	place  Place
}

func (v virtual) Virtual(profile clients.Profile, namespace, name string) (*clients.Client, bool) {
	if v.place != (Place{Profile: profile, Namespace: namespace, Name: name}) {
		return nil, false
	}
	return v.client, true
}

// newPlaces returns an Authenticator with clients of two profiles.
func newPlaces() *Authenticator {
	a := newAuthenticator()
	r, _ := a.Clients.(registry)
	for _, id := range []string{"both", "secret"} {
		c := *r[id]
		c.ID, c.Name, c.Profile, c.GrantTypes = "shopware-"+id, "shopware-"+id, clients.ProfileShopware, []string{grantPassword}
		r[c.ID] = &c
	}
	return a
}

func TestAClientIsKnownAtItsPlaceOnly(t *testing.T) {
	const shopware = clients.ProfileShopware
	for _, tt := range []struct {
		name, client string
		place        Place
		want         error
	}{
		{"a client of the profile", "shopware-secret", Place{Profile: shopware}, nil},
		{"the Integration in the URL", "shopware-secret", Place{shopware, "shop", "shopware-secret"}, nil},
		{"another Integration in the URL", "shopware-secret", Place{shopware, "shop", "shopware-both"}, errOtherIntegration},
		{"another namespace in the URL", "shopware-secret", Place{shopware, "other", "shopware-secret"}, errOtherIntegration},
		{"a plain client at a profile's endpoint", "secret", Place{Profile: shopware}, errOtherProfile},
		{"a profile's client at the plain endpoint", "shopware-secret", Place{}, errOtherProfile},
		{"a plain client at the plain endpoint", "secret", Place{}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			caller, err := newPlaces().AuthenticateAt(t.Context(), source, tt.place, guesses(tt.client, secret))
			if tt.want != nil {
				wantRefused(t, caller, err, tt.want)
			} else if err != nil || caller.Client().ID != tt.client || caller.Public() || caller.Login() != "" {
				t.Errorf("got %v, %v", caller, err)
			}
		})
	}
	if _, err := newPlaces().Authenticate(t.Context(), source, guesses("shopware-secret", secret)); err != nil {
		t.Errorf("anywhere every client is known: %v", err)
	}
}

func TestALoginThatNamesNoClient(t *testing.T) {
	place := Place{Profile: clients.ProfileShopware, Namespace: "shop", Name: "shopware-both"}
	presented := oauth2.Credentials{Method: oauth2.MethodVirtual, ClientID: "administration"}
	for _, tt := range []struct {
		name, client string
		change       func(*clients.Client)
		place        Place
		want         error
	}{
		{"a public client that may log in users", "shopware-both", nil, place, nil},
		{"a client that is not public", "shopware-secret", func(c *clients.Client) { c.Name = "shopware-both" }, place, errWrongMethod},
		{"one that may not log in users", "shopware-both", func(c *clients.Client) { c.GrantTypes = []string{"client_credentials"} }, place, errWrongMethod},
		{"a suspended one", "shopware-both", func(c *clients.Client) { c.Suspended = true }, place, errStopped},
		{"another place", "shopware-both", nil, Place{Profile: clients.ProfileShopware}, errNoVirtualClient},
		{"a store that mixes up profiles", "shopware-both", func(c *clients.Client) { c.Profile = clients.ProfileMagento }, place, errOtherProfile},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newPlaces()
			client, _ := a.Clients.Client(tt.client)
			changed := *client
			if tt.change != nil {
				tt.change(&changed)
			}
			a.Virtual = virtual{&changed, place}
			caller, err := a.AuthenticateAt(t.Context(), source, tt.place, presented)
			if tt.want != nil {
				wantRefused(t, caller, err, tt.want)
			} else if err != nil || !caller.Public() || caller.Login() != "administration" || caller.Client() != &changed {
				t.Errorf("got %v, %v", caller, err)
			}
		})
	}
	if _, err := newPlaces().AuthenticateAt(t.Context(), source, place, presented); err == nil {
		t.Error("without a source of such clients there are none")
	}
}
