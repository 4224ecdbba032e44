// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package logins

import (
	"fmt"
	"unicode"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/internal/passwords"
)

// MaxUsernameLength is how many bytes a user's name may have at most.
const MaxUsernameLength = 253

// A Login is a user's name and password, and what the user has to show beside it.
type Login struct {
	Username string
	Password *passwords.Password
	// TOTP returns the seed of the user's one-time codes (RFC 6238) in base32; nil if there is none. It is a function so that nothing that
	// prints a Login shows it.
	TOTP func() string
	// SecurityKeys are the user's registered security keys.
	SecurityKeys []SecurityKey
}

var (
	errType = fmt.Errorf("its type must be %s: make it anew with kubectl create secret generic --type=%[1]s",
		corev1.SecretTypeBasicAuth)
	errNoUsername   = fmt.Errorf("it lacks the key %s", v1alpha1.KeyUsername)
	errLongUsername = fmt.Errorf("its %s has more than %d bytes", v1alpha1.KeyUsername, MaxUsernameLength)
	errOddUsername  = fmt.Errorf("its %s must be UTF-8 without control characters and line breaks", v1alpha1.KeyUsername)
	errNoPassword   = fmt.Errorf("it lacks the key %s, or in its place %s", v1alpha1.KeyPassword, v1alpha1.KeyPasswordHash)
	errTwoPasswords = fmt.Errorf("it has both %s and %s: keep one of them", v1alpha1.KeyPassword, v1alpha1.KeyPasswordHash)
)

// Consents reports whether a Secret with these labels may be used by the Integration of that name in the same namespace: it carries
// the label LabelIntegration with the name, or with no value, which means any Integration of the namespace.
func Consents(labels map[string]string, integration string) bool {
	name, labelled := labels[v1alpha1.LabelIntegration]
	return labelled && (name == integration || name == "")
}

// Read returns the login in a user's Secret. That has the type kubernetes.io/basic-auth, a username, and either password or
// passwordHash (bcrypt or argon2id); it may have totp and securityKeys. The error says what is wrong with the Secret; it neither names it nor quotes what it holds.
func Read(secret *corev1.Secret) (*Login, error) {
	if secret.Type != corev1.SecretTypeBasicAuth {
		return nil, errType
	}
	username, err := readUsername(secret.Data[v1alpha1.KeyUsername])
	if err != nil {
		return nil, err
	}
	password, err := readPassword(secret.Data[v1alpha1.KeyPassword], secret.Data[v1alpha1.KeyPasswordHash])
	if err != nil {
		return nil, err
	}
	login := &Login{Username: username, Password: password}
	if err := login.readSecondFactors(secret.Data); err != nil {
		return nil, err
	}
	return login, nil
}

func readUsername(value []byte) (string, error) {
	switch {
	case len(value) == 0:
		return "", errNoUsername
	case len(value) > MaxUsernameLength:
		return "", errLongUsername
	case !utf8.Valid(value):
		return "", errOddUsername
	}
	username := string(value)
	for _, r := range username {
		if unicode.IsControl(r) {
			return "", errOddUsername
		}
	}
	return username, nil
}

// readPassword returns the Password of the one key that has a value. An empty value counts as none, as the API server lets nobody make
// a basic-auth Secret without one of username and password, and some tools fill in both.
func readPassword(plain, hash []byte) (*passwords.Password, error) {
	switch {
	case len(plain) > 0 && len(hash) > 0:
		return nil, errTwoPasswords
	case len(plain) > 0:
		return wrap(v1alpha1.KeyPassword, passwords.New, plain)
	case len(hash) > 0:
		return wrap(v1alpha1.KeyPasswordHash, passwords.Parse, hash)
	default:
		return nil, errNoPassword
	}
}

func wrap(key string, read func([]byte) (*passwords.Password, error), value []byte) (*passwords.Password, error) {
	password, err := read(value)
	if err != nil {
		return nil, fmt.Errorf("its %s cannot be used: %w", key, err)
	}
	return password, nil
}
