// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

func TestStatusOfGrants(t *testing.T) {
	before := v1alpha1.IntegrationStatus{
		ClientID: "ns.name", Granted: granted(v1alpha1.SigningAlgorithmES256, "r", "w"),
		Credentials: &v1alpha1.CredentialsStatus{SecretName: "name"}, Endpoints: v1alpha1.EndpointsOf(issuer),
	}
	narrowed := granted(v1alpha1.SigningAlgorithmES256, "r")
	tests := []struct {
		name   string
		before v1alpha1.IntegrationStatus
		pass   string
		want   *v1alpha1.Granted
		// wantClientID is what the status says.
		wantClientID string
	}{
		{"Nothing is granted before the key is there.", v1alpha1.IntegrationStatus{}, "key pending", nil, "ns.name"},
		{"Nothing is granted before the Secret is there.", v1alpha1.IntegrationStatus{}, "failed to write", nil, "ns.name"},
		{"All is granted when all is done.", v1alpha1.IntegrationStatus{}, "success", granted(v1alpha1.SigningAlgorithmRS256, "r"), "ns.name"},
		{"Less takes effect at once; the algorithm waits for its key.", before, "key pending", narrowed, "ns.name"},
		{"Less takes effect although the Secret failed.", before, "failed to write", narrowed, "ns.name"},
		{"Less takes effect although the Secret is in conflict.", before, "Secret conflict", narrowed, "ns.name"},
		{"Less takes effect although the CA is pending.", before, "CA pending", narrowed, "ns.name"},
		{"All is granted although a user is missing.", v1alpha1.IntegrationStatus{}, "user missing", granted(v1alpha1.SigningAlgorithmRS256, "r"), "ns.name"},
		{"All is granted although a user's Secret has no label.", before, "user not consented", granted(v1alpha1.SigningAlgorithmRS256, "r"), "ns.name"},
		{"A client ID conflict takes everything.", before, "client ID conflict", nil, ""},
		{"Not to know the rivals changes nothing.", before, "failed to list rivals", before.Granted, "ns.name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			intg := newIntegration("ns", "name", func(i *v1alpha1.Integration) { i.Status = tt.before })
			pass := passErrors[tt.pass]
			got := statusAt(testScope(intg, pass.err, pass.phases), metav1.Now())
			if diff := cmp.Diff(tt.want, got.Granted); diff != "" {
				t.Errorf("granted (-want +got):\n%s", diff)
			}
			if got.ClientID != tt.wantClientID {
				t.Errorf("client ID: want %q, got %q", tt.wantClientID, got.ClientID)
			}
			if diff := cmp.Diff(tt.before.Credentials, got.Credentials); tt.before.Credentials != nil && diff != "" {
				t.Errorf("where the credentials are (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatNeedsAKeyIsGrantedOnceThatIsThere(t *testing.T) {
	const es256, rs256, sealing = v1alpha1.SigningAlgorithmES256, v1alpha1.SigningAlgorithmRS256, v1alpha1.KeyAlgorithmA256GCM
	const clientGrant, password, refresh = v1alpha1.GrantTypeClientCredentials, v1alpha1.GrantTypePassword, v1alpha1.GrantTypeRefreshToken
	week := &metav1.Duration{Duration: 168 * time.Hour}
	with := func(algorithm v1alpha1.SigningAlgorithm, format v1alpha1.TokenFormat, grants ...v1alpha1.GrantType) *v1alpha1.Granted {
		g := &v1alpha1.Granted{SigningAlgorithm: algorithm, TokenFormat: format, GrantTypes: grants}
		if slices.Contains(grants, refresh) {
			g.RefreshLifetime = week
		}
		return g
	}
	magento := func(grants ...v1alpha1.GrantType) *v1alpha1.Granted {
		g := with(es256, v1alpha1.TokenFormatJWT, grants...)
		g.Profile = v1alpha1.ProfileMagento
		if slices.Contains(grants, password) {
			g.Users = []v1alpha1.User{{SecretRef: v1alpha1.SecretReference{Name: "anna"}}}
		}
		return g
	}
	const jwt, opaque = v1alpha1.TokenFormatJWT, v1alpha1.TokenFormatOpaque
	tests := []struct {
		name          string
		before, asked *v1alpha1.Granted
		ready         []v1alpha1.SigningAlgorithm
		want          *v1alpha1.Granted
	}{
		{"A new client gets nothing before both keys are there.", nil, with(es256, opaque, clientGrant), []v1alpha1.SigningAlgorithm{es256}, nil},
		{"A new client gets all with both keys.", nil, with(es256, opaque, clientGrant), []v1alpha1.SigningAlgorithm{es256, sealing}, with(es256, opaque, clientGrant)},
		{"Opaque tokens wait, and the rest does not.", with(es256, jwt, clientGrant), with(rs256, opaque, password), []v1alpha1.SigningAlgorithm{rs256}, with(rs256, jwt, password)},
		{"Refresh tokens wait, and logins do not.", with(es256, jwt, clientGrant), with(es256, jwt, password, refresh), []v1alpha1.SigningAlgorithm{es256}, with(es256, jwt, password)},
		{"The algorithm waits, and opaque tokens do not.", with(es256, jwt, clientGrant), with(rs256, opaque, clientGrant), []v1alpha1.SigningAlgorithm{sealing}, with(es256, opaque, clientGrant)},
		{"Refresh tokens stay while the key is away.", with(es256, jwt, password, refresh), with(es256, jwt, password, refresh), nil, with(es256, jwt, password, refresh)},
		{"Opaque tokens stay while the key is away.", with(es256, opaque, password), with(es256, opaque, password, refresh), nil, with(es256, opaque, password)},
		{"Leaving opaque tokens needs no key.", with(es256, opaque, clientGrant), with(es256, jwt, clientGrant), []v1alpha1.SigningAlgorithm{es256}, with(es256, jwt, clientGrant)},
		{"Leaving refresh tokens does not wait for another algorithm's key.", with(es256, jwt, password, refresh), with(rs256, jwt, password), nil, with(es256, jwt, password)},
		{"Logins to Magento wait, as they are sessions.", magento(clientGrant), magento(clientGrant, password), []v1alpha1.SigningAlgorithm{es256}, magento(clientGrant)},
		{"Logins to Magento stay while the key is away.", magento(clientGrant, password), magento(clientGrant, password), nil, magento(clientGrant, password)},
		{"Magento's lasting token needs no key but the one that signs.", nil, magento(clientGrant), []v1alpha1.SigningAlgorithm{es256}, magento(clientGrant)},
		{"What an older version granted is JWTs.", with(es256, "", clientGrant), with(es256, opaque, clientGrant), []v1alpha1.SigningAlgorithm{es256}, with(es256, jwt, clientGrant)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			asked := tt.asked.DeepCopy()
			got := grantedNow(&scope{granted: asked, readyKeys: tt.ready}, tt.before)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("granted (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.asked, asked); diff != "" {
				t.Errorf("what the pass grants changed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMessagesOfAClientThatIsWell(t *testing.T) {
	now := metav1.NewTime(time.Date(2026, time.November, 22, 9, 0, 0, 0, time.UTC))
	methods := func(m ...v1alpha1.CredentialMethod) func(*v1alpha1.Integration) {
		return func(i *v1alpha1.Integration) { i.Spec.Credentials.Methods = m }
	}
	revoked := func(after time.Duration) func(*v1alpha1.Integration) {
		return func(i *v1alpha1.Integration) {
			i.Spec.RevokeTokensIssuedBefore = &metav1.Time{Time: now.Add(after)}
		}
	}
	const secret, key, none = v1alpha1.CredentialMethodClientSecret, v1alpha1.CredentialMethodPrivateKeyJWT, v1alpha1.CredentialMethodNone
	const holds, keyless = "Secret name holds the credentials", "Secret name holds the client ID, and no client secret as the client uses none"
	const stopped = "the client gets no tokens, and the token server calls those that are out inactive, "
	tests := []struct {
		name  string
		edits []func(*v1alpha1.Integration)
		// wantReason and want are Ready's, wantCredentials is what CredentialsReady says.
		wantReason, want, wantCredentials string
	}{
		{"A client secret.", nil, "Ready", "client ns.name can get tokens with the credentials in Secret name", holds},
		{
			"A client secret and a key.",
			[]func(*v1alpha1.Integration){methods(key, secret)},
			"Ready", "client ns.name can get tokens with the credentials in Secret name", holds,
		},
		{
			"A key.",
			[]func(*v1alpha1.Integration){methods(key)},
			"Ready", "client ns.name can get tokens with a key of its own; Secret name says where", keyless,
		},
		{
			"A public client.",
			[]func(*v1alpha1.Integration){methods(none)},
			"Ready", "client ns.name can log in users; Secret name says where", keyless,
		},
		{
			"Suspended.",
			[]func(*v1alpha1.Integration){revoked(time.Hour), func(i *v1alpha1.Integration) { i.Spec.Suspend = true }},
			"Suspended", stopped + "while spec.suspend is true", holds,
		},
		{
			"Stopped for a while.",
			[]func(*v1alpha1.Integration){revoked(time.Hour)},
			"Suspended", stopped + "until 2026-11-22T10:00:00Z, as spec.revokeTokensIssuedBefore says", holds,
		},
		{
			"Stopped until now.",
			[]func(*v1alpha1.Integration){revoked(0)},
			"Ready", "client ns.name can get tokens with the credentials in Secret name", holds,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status := statusAt(testScope(newIntegration("ns", "name", tt.edits...), nil, 6), now)
			ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
			if ready.Reason != tt.wantReason || ready.Message != tt.want || (ready.Status == metav1.ConditionTrue) != (tt.wantReason == "Ready") {
				t.Errorf("Ready: want %s %q, got %s %s %q", tt.wantReason, tt.want, ready.Status, ready.Reason, ready.Message)
			}
			got := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionCredentialsReady)
			if got.Status != metav1.ConditionTrue || got.Message != tt.wantCredentials {
				t.Errorf("CredentialsReady: want %q, got %s %q", tt.wantCredentials, got.Status, got.Message)
			}
		})
	}
}
