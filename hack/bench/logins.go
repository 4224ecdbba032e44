// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// maxReply bounds what is read of a reply.
const maxReply = 64 << 10

// newIntegration returns the smallest useful Integration.
func newIntegration(namespace, name string) *v1alpha1.Integration {
	return &v1alpha1.Integration{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.IntegrationSpec{
			Audiences: []string{"https://orders.shop.example"},
			Scopes:    []string{"orders.read", "orders.write"},
		},
	}
}

// A login is an Integration with one user who can log in, as its client sees it.
type login struct {
	http               *http.Client
	tokenURL           string
	id, secret         string
	username, password string
}

// newLogin makes an Integration with one user, and waits until the user can log in.
func newLogin(ctx context.Context, o options, p *plane, name string) (*login, error) {
	l := &login{username: "ada", password: rand.Text()}
	user := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name + "-user", Labels: map[string]string{v1alpha1.LabelIntegration: name}},
		Type:       corev1.SecretTypeBasicAuth,
		StringData: map[string]string{v1alpha1.KeyUsername: l.username, v1alpha1.KeyPassword: l.password},
	}
	intg := newIntegration(namespace, name)
	intg.Spec.GrantTypes = []v1alpha1.GrantType{v1alpha1.GrantTypePassword, v1alpha1.GrantTypeRefreshToken}
	intg.Spec.Users = []v1alpha1.User{{SecretRef: v1alpha1.SecretReference{Name: user.Name}, Kind: v1alpha1.UserKindCustomer}}
	for _, object := range []client.Object{user, intg} {
		if err := p.admin.Create(ctx, object); err != nil {
			return nil, fmt.Errorf("create %s/%s: %w", namespace, object.GetName(), err)
		}
	}
	err := poll(ctx, o.patience, 50*time.Millisecond, "Integration "+name+" to be ready", func() (bool, error) {
		err := p.admin.Get(ctx, client.ObjectKeyFromObject(intg), intg)
		return isReady(intg), err
	})
	if err != nil {
		return nil, err
	}
	if err := l.useCredentials(ctx, p, intg, o.connections); err != nil {
		return nil, err
	}
	// Ready is what the controllers wrote; the token server hears of it a moment later.
	err = poll(ctx, o.patience, 50*time.Millisecond, "the first login at "+name, func() (bool, error) {
		_, err := l.begin(ctx)
		if refused := (*refusal)(nil); errors.As(err, &refused) {
			return false, nil
		}
		return err == nil, err
	})
	return l, err
}

// beginPatiently logs the user in, and tries again while the session store is unavailable.
func (l *login) beginPatiently(ctx context.Context, o options) (token string, err error) {
	err = poll(ctx, o.patience, time.Second, "a login", func() (bool, error) {
		var err error
		token, err = l.begin(ctx)
		if unavailable(err) {
			return false, nil
		}
		return err == nil, err
	})
	return token, err
}

// unavailable reports whether the token server said that its session store is.
func unavailable(err error) bool {
	refused := (*refusal)(nil)
	return errors.As(err, &refused) && refused.status == http.StatusServiceUnavailable
}

// isReady reports whether an Integration is Ready.
func isReady(intg *v1alpha1.Integration) bool {
	return meta.IsStatusConditionTrue(intg.Status.Conditions, v1alpha1.ConditionReady)
}

// useCredentials reads the Secret that the operator made.
func (l *login) useCredentials(ctx context.Context, p *plane, intg *v1alpha1.Integration, connections int) error {
	key := client.ObjectKey{Namespace: namespace, Name: intg.Status.Credentials.SecretName}
	secret := &corev1.Secret{}
	if err := p.admin.Get(ctx, key, secret); err != nil {
		return fmt.Errorf("get Secret %s: %w", key, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(secret.Data["ca.crt"]) {
		return fmt.Errorf("read Secret %s: ca.crt holds no certificate", key)
	}
	l.http = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections,
	}}
	l.tokenURL, l.id, l.secret = string(secret.Data["token_url"]), string(secret.Data["client_id"]), string(secret.Data["client_secret"])
	return nil
}

// A refusal is a reply other than 200.
type refusal struct {
	status int
	code   string
}

// Error says what the token server said.
func (r *refusal) Error() string { return fmt.Sprintf("the token server said %d %s", r.status, r.code) }

// begin logs the user in and returns a refresh token.
func (l *login) begin(ctx context.Context) (string, error) {
	return l.ask(ctx, url.Values{"grant_type": {"password"}, "username": {l.username}, "password": {l.password}})
}

// refresh redeems a refresh token and returns the next one.
func (l *login) refresh(ctx context.Context, token string) (string, error) {
	return l.ask(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

// ask sends a token request and returns the refresh token of the reply.
func (l *login) ask(ctx context.Context, form url.Values) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, l.tokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(url.QueryEscape(l.id), url.QueryEscape(l.secret))
	reply, err := l.http.Do(request)
	if err != nil {
		return "", err
	}
	defer reply.Body.Close() //nolint:errcheck // it was only read
	body, err := io.ReadAll(io.LimitReader(reply.Body, maxReply))
	if err != nil {
		return "", err
	}
	var answer struct {
		RefreshToken string `json:"refresh_token"`
		Error        string `json:"error"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", fmt.Errorf("parse the token server's reply: %w", err)
	}
	if reply.StatusCode != http.StatusOK || answer.RefreshToken == "" {
		return "", &refusal{reply.StatusCode, answer.Error}
	}
	return answer.RefreshToken, nil
}
