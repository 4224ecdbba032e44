// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/internal/logins"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
)

// A login is what is kept of one user's Secret, parsed when it changes and not when somebody logs in.
type login struct {
	*logins.Login
	// consent is the Secret's consent label and nothing else of it.
	consent map[string]string
}

func (l *login) consents(integration string) bool {
	return logins.Consents(l.consent, integration)
}

// securityKeys returns the login's security keys as a client's users have them.
func (l *login) securityKeys() []clients.SecurityKey {
	var keys []clients.SecurityKey
	for _, key := range l.SecurityKeys {
		keys = append(keys, clients.SecurityKey(key))
	}
	return keys
}

// loginOf returns the login in a Secret; false if it carries no consent, has another type or is broken. Why it is broken is for the
// controllers to say, in the condition of each Integration that names it.
func loginOf(secret *corev1.Secret) (*login, bool) {
	value, labelled := secret.Labels[v1alpha1.LabelIntegration]
	if !labelled || secret.Type != corev1.SecretTypeBasicAuth {
		return nil, false
	}
	read, err := logins.Read(secret)
	if err != nil {
		return nil, false
	}
	return &login{Login: read, consent: map[string]string{v1alpha1.LabelIntegration: value}}, true
}

// loginSink returns the side of the index that takes users' Secrets.
func (x *clientIndex) loginSink() loginSink { return loginSink{x} }

type loginSink struct{ index *clientIndex }

func (s loginSink) set(secret *corev1.Secret) {
	l, ok := loginOf(secret)
	if !ok {
		l = nil
	}
	s.index.setLogin(types.NamespacedName{Namespace: secret.Namespace, Name: secret.Name}, l)
}

func (s loginSink) delete(name types.NamespacedName) {
	s.index.setLogin(name, nil)
}

// setLogin records what login a Secret holds, nil for none, and publishes the clients that it concerns.
func (x *clientIndex) setLogin(name types.NamespacedName, l *login) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if _, had := x.logins[name]; l == nil && !had {
		return
	}
	if l == nil {
		delete(x.logins, name)
	} else {
		x.logins[name] = l
	}
	for r := range x.usedBy[name] {
		x.publish(r.claim)
	}
}

// use records that r names other Secrets of users than before.
func (x *clientIndex) use(r *record, namespace string, before, after []v1alpha1.User) {
	for i := range before {
		name := types.NamespacedName{Namespace: namespace, Name: before[i].SecretRef.Name}
		delete(x.usedBy[name], r)
		if len(x.usedBy[name]) == 0 {
			delete(x.usedBy, name)
		}
	}
	for i := range after {
		name := types.NamespacedName{Namespace: namespace, Name: after[i].SecretRef.Name}
		if x.usedBy[name] == nil {
			x.usedBy[name] = map[*record]struct{}{}
		}
		x.usedBy[name][r] = struct{}{}
	}
}

// leaveOut takes those out of users, which an Integration has by their Secrets, whose passwords are hashed in a way too many. The
// controllers report them. A name that two Secrets have is nobody's already, also where one of the two is left out here.
func (x *clientIndex) leaveOut(users map[string]*clients.User, i *v1alpha1.Integration) {
	granted := usersOf(i)
	found := make([]*logins.Login, 0, len(granted))
	for n := range granted {
		l, ok := x.logins[types.NamespacedName{Namespace: i.Namespace, Name: granted[n].SecretRef.Name}]
		if ok && l.consents(i.Name) {
			found = append(found, l.Login)
		}
	}
	for _, l := range logins.LeftOut(found) {
		delete(users, l.Username)
	}
}

// usersOf returns the users that an Integration is granted.
func usersOf(i *v1alpha1.Integration) []v1alpha1.User {
	if i == nil || i.Status.Granted == nil {
		return nil
	}
	return i.Status.Granted.Users
}
