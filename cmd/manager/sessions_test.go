// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/oauth2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/internal/testplane"
	"github.com/integration-operator/integration-operator/tokenserver/sessions/valkey/valkeytest"
)

// startLogin starts a replica and a login Integration.
func startLogin(t *testing.T, edit func(*v1alpha1.Integration), args ...string) (*endpoint, *replica, *v1alpha1.Integration) {
	t.Helper()
	r := startOnly(t, args...)
	namespace := newNamespace(t)
	newUser(t, namespace, alice, alicePassword)
	intg := newLogin(namespace)
	if edit != nil {
		edit(intg)
	}
	apply(t, intg)
	return endpointAt(t, intg, r.issuer, ""), r, intg
}

func TestALoginWithTheOAuth2Library(t *testing.T) {
	onEveryStore(t, func(t *testing.T, _ bool, args ...string) {
		t.Helper()
		at, r, intg := startLogin(t, nil, args...)
		ctx := context.WithValue(t.Context(), oauth2.HTTPClient, at.hc)
		for name, style := range map[string]oauth2.AuthStyle{"header": oauth2.AuthStyleInHeader, "body": oauth2.AuthStyleInParams} {
			t.Run(name, func(t *testing.T) {
				config := &oauth2.Config{
					ClientID: string(at.data["client_id"]), ClientSecret: string(at.data["client_secret"]), Scopes: []string{"orders.read"},
					Endpoint: oauth2.Endpoint{TokenURL: string(at.data["token_url"]), AuthStyle: style},
				}
				token, err := config.PasswordCredentialsToken(ctx, alice, alicePassword)
				if err != nil {
					t.Fatal(err)
				}
				seen := map[string]bool{token.AccessToken: true}
				for range 3 {
					claims := verifiedClaims(t, at.hc, r.issuer, "https://orders.example", token.AccessToken)
					if claims["sub"] != intg.Status.ClientID+":alice" || claims["scope"] != "orders.read" || claims["client_id"] != intg.Status.ClientID {
						t.Errorf("claims: %v", claims)
					}
					if token.RefreshToken == "" || !token.Valid() {
						t.Fatalf("token: %+v", token)
					}
					token.Expiry = time.Now().Add(-time.Minute) // The library refreshes what has expired.
					if token, err = config.TokenSource(ctx, token).Token(); err != nil {
						t.Fatal(err)
					}
					if seen[token.AccessToken] {
						t.Error("a refresh must give a new access token")
					}
					seen[token.AccessToken] = true
				}
				_, err = config.PasswordCredentialsToken(ctx, alice, "wrong")
				var refused *oauth2.RetrieveError
				if !errors.As(err, &refused) || refused.ErrorCode != "invalid_grant" {
					t.Errorf("a wrong password: %v", err)
				}
			})
		}
	})
}

// Whatever ends a login, or a client, ends every token of it at the token server.
func TestWhatEndsTokens(t *testing.T) {
	r := startOnly(t)
	patch := func(t *testing.T, object client.Object, change string) {
		t.Helper()
		if err := admin.Patch(t.Context(), object, client.RawPatch("application/merge-patch+json", []byte(change))); err != nil {
			t.Fatal(err)
		}
	}
	secretOf := func(intg *v1alpha1.Integration) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: intg.Namespace, Name: alice + "-login"}}
	}
	for _, tt := range []struct {
		name string
		end  func(t *testing.T, intg *v1alpha1.Integration)
		// clientToo says that the client's own tokens end as well as its users'.
		clientToo bool
		// after does what must not bring anything back.
		after func(t *testing.T, intg *v1alpha1.Integration)
	}{
		{"a changed password", func(t *testing.T, intg *v1alpha1.Integration) {
			t.Helper()
			patch(t, secretOf(intg), `{"stringData":{"password":"another one"}}`)
		}, false, nil},
		{"a user's Secret without the label", func(t *testing.T, intg *v1alpha1.Integration) {
			t.Helper()
			patch(t, secretOf(intg), `{"metadata":{"labels":{"`+v1alpha1.LabelIntegration+`":null}}}`)
		}, false, nil},
		{"a user who is taken out of spec.users", func(t *testing.T, intg *v1alpha1.Integration) {
			t.Helper()
			patch(t, intg, `{"spec":{"users":null}}`)
		}, false, nil},
		{"kubectl delete tokensession", func(t *testing.T, intg *v1alpha1.Integration) {
			t.Helper()
			if err := admin.DeleteAllOf(t.Context(), &v1alpha1.TokenSession{}, client.InNamespace(intg.Namespace)); err != nil {
				t.Fatal(err)
			}
		}, false, nil},
		{"suspend", func(t *testing.T, intg *v1alpha1.Integration) {
			t.Helper()
			patch(t, intg, `{"spec":{"suspend":true}}`)
		}, true, nil},
		{"revokeTokensIssuedBefore", func(t *testing.T, intg *v1alpha1.Integration) {
			t.Helper()
			// The second in which the tokens were issued has to be over.
			within(2*time.Second, func() bool { return time.Now().After(time.Now().Truncate(time.Second).Add(990 * time.Millisecond)) })
			patch(t, intg, `{"spec":{"revokeTokensIssuedBefore":"`+time.Now().Add(time.Second).UTC().Format(time.RFC3339)+`"}}`)
		}, true, func(t *testing.T, intg *v1alpha1.Integration) {
			t.Helper()
			NewWithT(t).Eventually(func(g Gomega) {
				g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(intg), intg)).To(Succeed())
				g.Expect(intg.Status.TokensRevokedBefore).NotTo(BeNil())
			}, patience, 20*time.Millisecond).Should(Succeed())
			patch(t, intg, `{"spec":{"revokeTokensIssuedBefore":null}}`)
		}},
		{"deleting the Integration", func(t *testing.T, intg *v1alpha1.Integration) {
			t.Helper()
			if err := admin.Delete(t.Context(), intg); err != nil {
				t.Fatal(err)
			}
		}, true, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			namespace := newNamespace(t)
			newUser(t, namespace, alice, alicePassword)
			intg := apply(t, newLogin(namespace))
			at := endpointAt(t, intg, r.issuer, "")
			// An API asks about the tokens, which outlives the client.
			api := &v1alpha1.Integration{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "orders-api"}}
			api.Spec.ResourceServer = &v1alpha1.ResourceServer{Audiences: []string{"https://orders.example"}}
			asker := endpointAt(t, apply(t, api), r.issuer, "")

			login := at.login(t)
			own := at.mustPost(t, http.StatusOK, v1alpha1.PathToken, "grant_type", "client_credentials")
			expectActive(t, asker, login.AccessToken)
			expectActive(t, asker, own.AccessToken)
			tt.end(t, intg)
			NewWithT(t).Eventually(func() (bool, error) { return asker.active(t.Context(), login.AccessToken) }, patience, 10*time.Millisecond).
				Should(BeFalse(), "the user's access token should count no more")
			ended, err := at.refresh(t.Context(), login.RefreshToken)
			if err != nil || ended.Error != "invalid_grant" && ended.Error != "invalid_client" && ended.Error != "unauthorized_client" {
				t.Errorf("a refresh afterwards: %d %s, %v", ended.status, ended.body, err)
			}
			if active, err := asker.active(t.Context(), own.AccessToken); err != nil || active == tt.clientToo {
				t.Errorf("the client's own token is active: %t, %v", active, err)
			}
			if tt.after != nil {
				tt.after(t, intg)
				if within(500*time.Millisecond, func() bool { active, err := asker.active(t.Context(), own.AccessToken); return err != nil || active }) {
					t.Error("what has ended is there again")
				}
			}
		})
	}
}

func TestOpaqueTokens(t *testing.T) {
	at, r, intg := startLogin(t, func(intg *v1alpha1.Integration) { intg.Spec.Token.Format = v1alpha1.TokenFormatOpaque })
	for name, token := range map[string]string{
		"the client's": at.mustPost(t, http.StatusOK, v1alpha1.PathToken, "grant_type", "client_credentials").AccessToken,
		"a user's":     at.login(t).AccessToken,
	} {
		if parts := strings.Split(token, "."); len(parts) != 5 {
			t.Errorf("%s token has %d parts, want the five of a JWE", name, len(parts))
		}
		expectActive(t, at, token)
		status, header, err := at.verify(t.Context(), token, "?audience=https://orders.example&scope=orders.read")
		if err != nil || status != http.StatusNoContent || header.Get("X-Auth-Integration") != intg.Namespace+"/web" ||
			header.Get("X-Auth-Client-Id") != intg.Status.ClientID || header.Get("X-Auth-Scope") != "orders.read orders.write" {
			t.Errorf("verify: %d %v, %v", status, header, err)
		}
		at.mustPost(t, http.StatusOK, v1alpha1.PathRevocation, "token", token)
		if !within(patience, func() bool { active, err := at.active(t.Context(), token); return err == nil && !active }) {
			t.Errorf("%s token is active after its revocation", name)
		}
	}
	r.running()
}

func TestAPublicClientLogsInUsersAndNothingElse(t *testing.T) {
	at, _, intg := startLogin(t, func(intg *v1alpha1.Integration) {
		intg.Spec.GrantTypes = []v1alpha1.GrantType{v1alpha1.GrantTypePassword, v1alpha1.GrantTypeRefreshToken}
		intg.Spec.Credentials.Methods = []v1alpha1.CredentialMethod{v1alpha1.CredentialMethodNone}
	})
	if _, found := at.data["client_secret"]; found {
		t.Error("the Secret of a public client holds a client_secret")
	}
	config := &oauth2.Config{
		ClientID: intg.Status.ClientID, Endpoint: oauth2.Endpoint{TokenURL: intg.Status.Endpoints.Token, AuthStyle: oauth2.AuthStyleInParams},
	}
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, at.hc)
	token, err := config.PasswordCredentialsToken(ctx, alice, alicePassword)
	if err != nil {
		t.Fatal(err)
	}
	token.Expiry = time.Now().Add(-time.Minute)
	if _, err := config.TokenSource(ctx, token).Token(); err != nil {
		t.Error(err)
	}
	public := &endpoint{hc: at.hc, issuer: at.issuer, data: map[string][]byte{"client_id": at.data["client_id"]}}
	if r := public.mustPost(t, http.StatusUnauthorized, v1alpha1.PathIntrospection, "token", token.AccessToken); r.Error != "invalid_client" {
		t.Errorf("introspection by a public client: %s", r.body)
	}
	public.mustPost(t, http.StatusOK, v1alpha1.PathRevocation, "token", token.AccessToken)
	if r := public.mustPost(t, http.StatusBadRequest, v1alpha1.PathToken, "grant_type", "client_credentials"); r.Error != "unauthorized_client" {
		t.Errorf("client_credentials of a public client: %s", r.body)
	}
}

// What does not need the store does not notice that it is away.
func TestAStoreThatIsAway(t *testing.T) {
	check := func(t *testing.T, at *endpoint, login, own reply, away, back func(), inKubernetes bool) {
		t.Helper()
		away()
		for range 3 {
			at.mustPost(t, http.StatusOK, v1alpha1.PathToken, "grant_type", "client_credentials")
			if status, _ := get(t, at.hc, at.issuer+v1alpha1.PathJWKS); status != http.StatusOK {
				t.Errorf("JWKS: %d", status)
			}
		}
		needing := map[string][]string{
			"a login":      {v1alpha1.PathToken, "grant_type", "password", "username", alice, "password", alicePassword},
			"a refresh":    {v1alpha1.PathToken, "grant_type", "refresh_token", "refresh_token", login.RefreshToken},
			"a revocation": {v1alpha1.PathRevocation, "token", own.AccessToken},
		}
		if !inKubernetes {
			needing["an introspection"] = []string{v1alpha1.PathIntrospection, "token", own.AccessToken}
		} else {
			expectActive(t, at, own.AccessToken)
			expectActive(t, at, login.AccessToken)
		}
		for name, args := range needing {
			if r := at.mustPost(t, http.StatusServiceUnavailable, args[0], args[1:]...); r.Error != "temporarily_unavailable" || r.header.Get("Retry-After") == "" {
				t.Errorf("%s: %s with Retry-After %q", name, r.body, r.header.Get("Retry-After"))
			}
		}
		back()
		NewWithT(t).Eventually(func() (int, error) {
			r, err := at.refresh(t.Context(), login.RefreshToken)
			return r.status, err
		}, patience, 100*time.Millisecond).Should(Equal(http.StatusOK), "the session should have outlived the outage")
	}

	t.Run("Valkey", func(t *testing.T) {
		server := valkeytest.Start(t)
		at, r, _ := startLogin(t, nil, valkeyFlags(t, server)...)
		r.mayFail = true
		login, own := at.login(t), at.mustPost(t, http.StatusOK, v1alpha1.PathToken, "grant_type", "client_credentials")
		check(t, at, login, own, server.Pause, server.Resume, false)
	})
	t.Run("Kubernetes", func(t *testing.T) {
		at, r, _ := startLogin(t, nil)
		r.mayFail = true
		login, own := at.login(t), at.mustPost(t, http.StatusOK, v1alpha1.PathToken, "grant_type", "client_credentials")
		expectActive(t, at, login.AccessToken)
		stop := func() {
			if err := testplane.StopAPIServer(plane); err != nil {
				t.Fatal(err)
			}
		}
		started := false
		start := func() {
			started = true
			if err := testplane.StartAPIServer(plane); err != nil {
				t.Fatal(err)
			}
		}
		t.Cleanup(func() {
			if !started {
				_ = testplane.StartAPIServer(plane)
			}
		})
		check(t, at, login, own, stop, start, true)
	})
}

// The namespace's people see who is logged in, and nothing to log in with.
func TestKubectlShowsWhoIsLoggedIn(t *testing.T) {
	at, _, intg := startLogin(t, nil)
	login := at.login(t)
	kubectl, err := testplane.Kubectl()
	if err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		out, err := exec.CommandContext(t.Context(), kubectl, append([]string{"--kubeconfig", adminKubeconfig, "-n", intg.Namespace}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("kubectl %s: %v: %s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	if table := run("get", "tokensessions"); !strings.Contains(table, alice) || !strings.Contains(table, "Admin") || !strings.Contains(table, "web") {
		t.Errorf("kubectl get tokensessions:\n%s", table)
	}
	for _, secret := range []string{login.RefreshToken, login.AccessToken, alicePassword} {
		if strings.Contains(run("get", "tokensessions", "-o", "yaml"), secret) {
			t.Error("a TokenSession holds a token or a password")
		}
	}
	run("delete", "tokensessions", "--all")
	if r, err := at.refresh(t.Context(), login.RefreshToken); err != nil || r.Error != "invalid_grant" {
		t.Errorf("a refresh after kubectl delete: %d %s, %v", r.status, r.body, err)
	}
}

// Until the last request is answered, the store is there: also in the time after SIGTERM in which load balancers notice.
func TestTheStoreOutlivesTheShutdownDelay(t *testing.T) {
	at, r, _ := startLogin(t, nil, append(valkeyFlags(t, valkeytest.Start(t)), "--shutdown-delay=3s")...)
	login := at.login(t)
	ended := make(chan error, 1)
	go func() { ended <- r.terminate() }()
	NewWithT(t).Eventually(func() (int, error) { return r.probe("/readyz") }, patience, 10*time.Millisecond).
		Should(Equal(http.StatusInternalServerError))
	expectActive(t, at, login.AccessToken)
	if reply, err := at.refresh(t.Context(), login.RefreshToken); err != nil || reply.status != http.StatusOK {
		t.Errorf("a refresh after SIGTERM: %d %s, %v", reply.status, reply.body, err)
	}
	if err := <-ended; err != nil {
		t.Errorf("exit after SIGTERM: %v", err)
	}
}

func TestAStoreThatIsAwayAtTheStartIsSaid(t *testing.T) {
	address := "127.0.0.1:" + freePort(t)
	r := startOnly(t, "--session-store=valkey", "--valkey-url=valkey://"+address)
	if !strings.Contains(r.logged(), "the session store does not answer") {
		t.Error("the log does not say that the session store is away")
	}
	r.running()
}

// A client whose reply was lost goes on within the grace period, and the token of that reply is dead.
func TestTheFlagsOfLogins(t *testing.T) {
	at, _, intg := startLogin(t, nil, "--refresh-token-grace=30s", "--max-sessions=2")
	login := at.login(t)
	refresh := func(token string) reply {
		t.Helper()
		r, err := at.refresh(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	lost, again := refresh(login.RefreshToken), refresh(login.RefreshToken)
	if lost.status != http.StatusOK || again.status != http.StatusOK || lost.RefreshToken == again.RefreshToken {
		t.Fatalf("within the grace period: %d, then %d", lost.status, again.status)
	}
	if r := refresh(lost.RefreshToken); r.Error != "invalid_grant" {
		t.Errorf("the token of the lost reply: %d %s", r.status, r.body)
	}
	if r := refresh(again.RefreshToken); r.Error != "invalid_grant" {
		t.Errorf("after both were used the family must have ended: %d %s", r.status, r.body)
	}
	for range 4 {
		at.login(t)
	}
	NewWithT(t).Eventually(func() int { return len(sessionsOf(t, intg.Namespace)) }, patience, 20*time.Millisecond).Should(Equal(2))
}
