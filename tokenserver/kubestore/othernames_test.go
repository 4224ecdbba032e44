// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
)

// loginTo returns the UID of the client of a login that names none, or nothing.
func loginTo(x *clientIndex, profile clients.Profile, namespace, name string) string {
	c, ok := x.other.virtual(profile, types.NamespacedName{Namespace: namespace, Name: name})
	if !ok {
		return ""
	}
	if published, _ := x.client(c.ID); published != c {
		return "out of date"
	}
	return c.UID
}

// changedTo returns an Integration as it is after an edit.
func changedTo(i *v1alpha1.Integration, edit func(*v1alpha1.Integration)) *v1alpha1.Integration {
	after := i.DeepCopy()
	after.ResourceVersion += "0"
	edit(after)
	return after
}

func TestLoginsThatNameAnIntegration(t *testing.T) {
	x := newClientIndex(slog.New(slog.DiscardHandler))
	integrations, _ := handlers(x)
	shop, plain := ofProfile("home", "shop", v1alpha1.ProfileMagento), ofProfile("home", "plain", v1alpha1.ProfileOAuth2)
	machine := ofProfile("home", "machine", v1alpha1.ProfileMagento)
	machine.Status.Granted.GrantTypes, machine.Status.Granted.Users = machine.Status.Granted.GrantTypes[:1], nil
	for _, i := range []*v1alpha1.Integration{shop, plain, machine} {
		integrations.OnAdd(i, true)
	}
	for _, tt := range []struct {
		name                   string
		profile                clients.Profile
		namespace, integration string
		want                   string
	}{
		{"one of the profile", clients.ProfileMagento, "home", "shop", "home-shop"},
		{"one of another profile", clients.ProfileShopware, "home", "shop", ""},
		{"one of plain OAuth 2", clients.ProfileMagento, "home", "plain", ""},
		{"one whose users may not log in", clients.ProfileMagento, "home", "machine", ""},
		{"one that is not there", clients.ProfileMagento, "home", "nobody", ""},
		{"one of another namespace", clients.ProfileMagento, "away", "shop", ""},
		{"a name without a namespace", clients.ProfileMagento, "", "shop", ""},
		{"a namespace without a name", clients.ProfileMagento, "home", "", ""},
		{"none, where one has users", clients.ProfileMagento, "", "", "home-shop"},
		{"none, of a profile that nobody has", clients.ProfileShopware, "", "", ""},
		{"a profile that there is not", "SAP", "home", "shop", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := loginTo(x, tt.profile, tt.namespace, tt.integration); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}

	for n, edit := range []func(*v1alpha1.Integration){
		func(i *v1alpha1.Integration) { i.Status.Granted.GrantTypes = i.Status.Granted.GrantTypes[:1] },
		func(i *v1alpha1.Integration) { i.Status.Granted.Profile = v1alpha1.ProfileOAuth2 },
		func(i *v1alpha1.Integration) { i.Status.Granted = nil },
		func(i *v1alpha1.Integration) { i.Status.ClientID = "another" },
		func(i *v1alpha1.Integration) { i.DeletionTimestamp = &i.CreationTimestamp },
	} {
		without := changedTo(shop, edit)
		integrations.OnUpdate(shop, without)
		if got := []string{loginTo(x, clients.ProfileMagento, "home", "shop"), loginTo(x, clients.ProfileMagento, "", "")}; got[0] != "" || got[1] != "" {
			t.Errorf("edit %d: got %q, want nobody", n, got)
		}
		integrations.OnUpdate(without, changedTo(without, func(i *v1alpha1.Integration) { *i = *shop }))
		if got := loginTo(x, clients.ProfileMagento, "home", "shop"); got != "home-shop" {
			t.Errorf("edit %d: got %q after it was undone", n, got)
		}
	}
}

func TestTheOnlyOneWithUsersStandsIn(t *testing.T) {
	a, b := ofProfile("home", "a", v1alpha1.ProfileMagento), ofProfile("away", "b", v1alpha1.ProfileMagento)
	userless, other := ofProfile("home", "c", v1alpha1.ProfileMagento), ofProfile("home", "d", v1alpha1.ProfileShopware)
	userless.Status.Granted.Users = nil
	all := []*v1alpha1.Integration{a, b, userless, other}
	standIn := func(x *clientIndex) string { return loginTo(x, clients.ProfileMagento, "", "") }
	for _, order := range permutations(len(all)) {
		x := newClientIndex(slog.New(slog.DiscardHandler))
		integrations, secrets := handlers(x)
		for _, at := range order {
			integrations.OnAdd(all[at], true)
		}
		if got := standIn(x); got != "" {
			t.Fatalf("in order %v: %q stands in, want nobody where there are two", order, got)
		}
		if got := loginTo(x, clients.ProfileShopware, "", ""); got != "home-d" {
			t.Errorf("in order %v: %q stands in for the other profile", order, got)
		}
		lost := changedTo(b, func(i *v1alpha1.Integration) { i.Status.Granted.Users = nil })
		integrations.OnUpdate(b, lost)
		if got := standIn(x); got != "home-a" {
			t.Errorf("in order %v: %q stands in, want the one that is left with users", order, got)
		}
		// Its client is made anew.
		secrets.OnAdd(loginSecret("home", "ada"), true)
		secrets.OnAdd(credentialsSecret(a, "a"), true)
		if got := standIn(x); got != "home-a" {
			t.Errorf("in order %v: %q stands in, want the client as it is now", order, got)
		}
		integrations.OnUpdate(lost, changedTo(lost, func(i *v1alpha1.Integration) { i.Status.Granted.Users = b.Status.Granted.Users }))
		if got := standIn(x); got != "" {
			t.Errorf("in order %v: %q stands in, want nobody again", order, got)
		}
		integrations.OnDelete(a)
		if got := standIn(x); got != "away-b" {
			t.Errorf("in order %v: %q stands in, want the other one", order, got)
		}
		for _, i := range all[1:] {
			integrations.OnDelete(i)
		}
		for profile, names := range x.other.withUsers {
			if len(names) != 0 {
				t.Errorf("in order %v: %d are left behind in %q", order, len(names), profile)
			}
		}
		x.other.logins.Range(func(name, _ any) bool {
			t.Errorf("in order %v: %v is left behind", order, name)
			return true
		})
	}
}

func TestTheNamedIntegrationStandsIn(t *testing.T) {
	a, b := ofProfile("home", "a", v1alpha1.ProfileMagento), ofProfile("away", "b", v1alpha1.ProfileMagento)
	admin := ofProfile("home", "d", v1alpha1.ProfileShopware)
	all := []*v1alpha1.Integration{a, b, admin}
	for _, tt := range []struct {
		name      string
		defaults  []string
		edit      func(*v1alpha1.Integration) // of b
		want      string
		wantOther string // of the other profile
		// wantGone and wantOtherGone are for once b is gone.
		wantGone, wantOtherGone string
	}{
		{"one that is there", []string{"b"}, nil, "away-b", "home-d", "", ""},
		{"the first of two", []string{"b", "a"}, nil, "away-b", "home-d", "home-a", ""},
		{"the first of its profile", []string{"d", "b"}, nil, "away-b", "home-d", "", "home-d"},
		{"one that is not there, of whatever profile it may be", []string{"nobody"}, nil, "", "", "", ""},
		{"the second one, where the first is not there", []string{"nobody", "b"}, nil, "away-b", "", "", ""},
		{"one of another profile", []string{"d"}, nil, "", "home-d", "home-a", "home-d"},
		{"none", nil, nil, "", "home-d", "home-a", "home-d"},
		{"one without users", []string{"b"}, func(i *v1alpha1.Integration) { i.Status.Granted.Users = nil }, "away-b", "home-d", "", ""},
		{"one whose users may not log in", []string{"b"}, func(i *v1alpha1.Integration) {
			i.Status.Granted.Users, i.Status.Granted.GrantTypes = nil, i.Status.Granted.GrantTypes[:1]
		}, "", "home-d", "", ""},
		{"one that is granted nothing", []string{"b"}, func(i *v1alpha1.Integration) { i.Status.Granted = nil }, "", "home-d", "", ""},
		{"one that is denied its profile", []string{"b"}, func(i *v1alpha1.Integration) { i.Status.Granted.Profile = "" }, "", "home-d", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var defaults []types.NamespacedName
			for _, name := range tt.defaults {
				namespace := "home"
				if name == "b" {
					namespace = "away"
				}
				defaults = append(defaults, types.NamespacedName{Namespace: namespace, Name: name})
			}
			for _, order := range permutations(len(all)) {
				x := newClientIndex(slog.New(slog.DiscardHandler), defaults...)
				integrations, _ := handlers(x)
				named := b
				if tt.edit != nil {
					named = changedTo(b, tt.edit)
				}
				for _, at := range order {
					if all[at] == b {
						integrations.OnAdd(named, true)
					} else {
						integrations.OnAdd(all[at], true)
					}
				}
				standIns := func() [2]string {
					return [2]string{loginTo(x, clients.ProfileMagento, "", ""), loginTo(x, clients.ProfileShopware, "", "")}
				}
				if got, want := standIns(), [2]string{tt.want, tt.wantOther}; got != want {
					t.Errorf("in order %v: %q stand in, want %q", order, got, want)
				}
				integrations.OnDelete(named)
				if got, want := standIns(), [2]string{tt.wantGone, tt.wantOtherGone}; got != want {
					t.Errorf("in order %v: %q stand in once the other is gone, want %q", order, got, want)
				}
				integrations.OnAdd(named, false)
				if got, want := standIns(), [2]string{tt.want, tt.wantOther}; got != want {
					t.Errorf("in order %v: %q stand in once the other is back, want %q", order, got, want)
				}
			}
		})
	}
}

func TestALoginGoesToWhoHoldsTheClientID(t *testing.T) {
	x := newClientIndex(slog.New(slog.DiscardHandler))
	integrations, _ := handlers(x)
	deriver := ofProfile("home", "shop", v1alpha1.ProfileMagento)
	claimer := ofProfile("away", "shop", v1alpha1.ProfileMagento)
	claimer.Spec.ClientID, claimer.Status.ClientID = deriver.Status.ClientID, deriver.Status.ClientID
	integrations.OnAdd(claimer, true)
	names := func() string {
		return loginTo(x, clients.ProfileMagento, "home", "shop") + " " + loginTo(x, clients.ProfileMagento, "away", "shop") + " " +
			loginTo(x, clients.ProfileMagento, "", "")
	}
	if got, want := names(), " away-shop away-shop"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	integrations.OnAdd(deriver, true)
	if got, want := names(), "home-shop  home-shop"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	integrations.OnDelete(deriver)
	if got, want := names(), " away-shop away-shop"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestReadersMeetAClientUnderEveryNameWhileEventsArrive(t *testing.T) {
	x := newClientIndex(slog.New(slog.DiscardHandler))
	integrations, secrets := handlers(x)
	i := ofProfile("home", "shop", v1alpha1.ProfileMagento)
	integrations.OnAdd(i, true)
	secrets.OnAdd(credentialsSecret(i, "shop"), true)
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				named, ok := x.other.virtual(clients.ProfileMagento, types.NamespacedName{Namespace: "home", Name: "shop"})
				standIn, also := x.other.virtual(clients.ProfileMagento, types.NamespacedName{})
				lasting, too := x.other.lasting(lastingFor("shop"))
				if !ok || !also || !too || named.UID != "home-shop" || standIn.UID != "home-shop" || lasting.UID != "home-shop" {
					t.Errorf("met %v, %v and %v", named, standIn, lasting)
					return
				}
			}
		})
	}
	writers.Go(func() {
		for n := range 500 {
			next := i.DeepCopy()
			next.ResourceVersion = fmt.Sprint(n + 2)
			next.Spec.Suspend = n%2 == 0
			integrations.OnUpdate(i, next)
		}
	})
	writers.Go(func() {
		for range 500 {
			secrets.OnAdd(loginSecret("home", "ada"), false)
			secrets.OnDelete(loginSecret("home", "ada"))
		}
	})
	writers.Wait()
	close(stop)
	readers.Wait()
}
