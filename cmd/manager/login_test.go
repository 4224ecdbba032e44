// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

const alice, alicePassword = "alice", "correct horse battery staple é"

// newUser makes the Secret of a user who consents to every Integration of the namespace.
func newUser(t *testing.T, namespace, name, password string) *corev1.Secret {
	t.Helper()
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name + "-login", Labels: map[string]string{v1alpha1.LabelIntegration: ""}},
		Type:       corev1.SecretTypeBasicAuth,
		StringData: map[string]string{v1alpha1.KeyUsername: name, v1alpha1.KeyPassword: password},
	}
	if err := admin.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	return secret
}

// newLogin returns an Integration that logs in alice and keeps logins going.
func newLogin(namespace string) *v1alpha1.Integration {
	return &v1alpha1.Integration{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web"},
		Spec: v1alpha1.IntegrationSpec{
			GrantTypes: []v1alpha1.GrantType{
				v1alpha1.GrantTypeClientCredentials, v1alpha1.GrantTypePassword, v1alpha1.GrantTypeRefreshToken,
			},
			Audiences: []string{"https://orders.example"},
			Scopes:    []string{"orders.read", "orders.write"},
			Users:     []v1alpha1.User{{SecretRef: v1alpha1.SecretReference{Name: alice + "-login"}, Kind: v1alpha1.UserKindAdmin}},
		},
	}
}

// An endpoint is the token server as one client with its credentials sees it on one replica.
type endpoint struct {
	hc     *http.Client
	issuer string
	data   map[string][]byte
}

// endpointAt returns the endpoint of a replica that listens on bind, for the client of an Integration, once the replica knows it: a
// moment after the status says Ready.
func endpointAt(t *testing.T, intg *v1alpha1.Integration, issuer, bind string) *endpoint {
	t.Helper()
	data := credentialsOf(t, intg)
	hc := httpClient(t, data["ca.crt"], bind, nil)
	hc.Transport.(*http.Transport).MaxIdleConnsPerHost = 64
	at := &endpoint{hc: hc, issuer: issuer, data: data}
	if !within(patience, func() bool {
		// Public clients may do this, too.
		r, err := at.post(t.Context(), v1alpha1.PathRevocation, "token", "none")
		return err == nil && r.status == http.StatusOK
	}) {
		t.Fatal("the replica does not learn of the client")
	}
	return at
}

// A reply is what the token server said.
type reply struct {
	status int
	header http.Header
	body   string
	// The members of a success, of an introspection and of an error.
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	Scope        string `json:"scope"`
	Error        string `json:"error"`
	Active       *bool  `json:"active"`
	Username     string `json:"username"`
	Subject      string `json:"sub"`
}

// post sends a form with the client's credentials in the body.
func (e *endpoint) post(ctx context.Context, path string, pairs ...string) (reply, error) {
	form := url.Values{"client_id": {string(e.data["client_id"])}, "client_secret": {string(e.data["client_secret"])}}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := e.hc.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return reply{}, err
	}
	r := reply{status: resp.StatusCode, header: resp.Header, body: string(body)}
	if len(body) > 0 {
		err = json.Unmarshal(body, &r)
	}
	return r, err
}

// mustPost is post for what has to have a status.
func (e *endpoint) mustPost(t *testing.T, wantStatus int, path string, pairs ...string) reply {
	t.Helper()
	r, err := e.post(t.Context(), path, pairs...)
	if err != nil {
		t.Fatal(err)
	}
	if r.status != wantStatus {
		t.Fatalf("POST %s: got %d %s, want %d", path, r.status, r.body, wantStatus)
	}
	return r
}

func (e *endpoint) login(t *testing.T) reply {
	t.Helper()
	return e.mustPost(t, http.StatusOK, v1alpha1.PathToken, "grant_type", "password", "username", alice, "password", alicePassword)
}

func (e *endpoint) refresh(ctx context.Context, token string) (reply, error) {
	return e.post(ctx, v1alpha1.PathToken, "grant_type", "refresh_token", "refresh_token", token)
}

// active asks whether a token counts.
func (e *endpoint) active(ctx context.Context, token string) (bool, error) {
	r, err := e.post(ctx, v1alpha1.PathIntrospection, "token", token)
	switch {
	case err != nil:
		return false, err
	case r.status != http.StatusOK || r.Active == nil:
		return false, fmt.Errorf("introspection: %d %s", r.status, r.body)
	}
	return *r.Active, nil
}

// verify asks /verify about a token.
func (e *endpoint) verify(ctx context.Context, token, query string) (int, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.issuer+v1alpha1.PathVerify+query, nil)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := e.hc.Do(req)
	if err != nil {
		return 0, nil, err
	}
	return resp.StatusCode, resp.Header, resp.Body.Close()
}

// within polls until what is asked is true, and reports whether that was so before the deadline.
func within(limit time.Duration, ask func() bool) bool {
	for deadline := time.Now().Add(limit); ; {
		if ask() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
		<-time.After(5 * time.Millisecond)
	}
}

// sessionsOf returns the TokenSessions of a namespace.
func sessionsOf(t *testing.T, namespace string) []v1alpha1.TokenSession {
	t.Helper()
	list := &v1alpha1.TokenSessionList{}
	if err := admin.List(t.Context(), list, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	return list.Items
}
