// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/internal/testplane"
)

func TestWantedToken(t *testing.T) {
	granted := &v1alpha1.Granted{
		Access:        []v1alpha1.Access{{Audience: "urn:a", Scopes: []string{"read", "write"}}, {Audience: "urn:b", Scopes: []string{"read"}}},
		DefaultScopes: []string{"write", "read"},
	}
	scopes := func(names ...string) *[]string { return &names }
	for _, tt := range []struct {
		name                      string
		ask                       v1alpha1.AccessTokenSpec
		wantScopes, wantAudiences []string
		wantNone                  bool
	}{
		{name: "All audiences, and the default scopes that all of them have.", wantScopes: []string{"read"}, wantAudiences: []string{"urn:a", "urn:b"}},
		{
			name: "One audience.", ask: v1alpha1.AccessTokenSpec{Audience: "urn:a"},
			wantScopes: []string{"write", "read"}, wantAudiences: []string{"urn:a"},
		},
		{
			name: "One scope.", ask: v1alpha1.AccessTokenSpec{Audience: "urn:a", Scopes: scopes("write")},
			wantScopes: []string{"write"}, wantAudiences: []string{"urn:a"},
		},
		{name: "No scope.", ask: v1alpha1.AccessTokenSpec{Scopes: scopes()}, wantAudiences: []string{"urn:a", "urn:b"}},
		{
			name: "Of two scopes the one that is granted.", ask: v1alpha1.AccessTokenSpec{Audience: "urn:b", Scopes: scopes("read", "write")},
			wantScopes: []string{"read"}, wantAudiences: []string{"urn:b"},
		},
		{name: "A scope that is not granted.", ask: v1alpha1.AccessTokenSpec{Audience: "urn:b", Scopes: scopes("write")}, wantNone: true},
		{name: "An audience that is not granted.", ask: v1alpha1.AccessTokenSpec{Audience: "urn:c"}, wantNone: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := wantedToken(granted, tt.ask)
			if ok == tt.wantNone {
				t.Fatalf("got %+v, %t", got, ok)
			}
			if tt.wantNone {
				return
			}
			if strings.Join(got.scopes, " ") != strings.Join(tt.wantScopes, " ") || strings.Join(*got.ask.Scopes, " ") != strings.Join(tt.wantScopes, " ") {
				t.Errorf("scopes: want %q, got %q and %q", tt.wantScopes, got.scopes, *got.ask.Scopes)
			}
			if diff := cmp.Diff(tt.wantAudiences, got.audiences); diff != "" {
				t.Errorf("audiences (-want +got):\n%s", diff)
			}
		})
	}
	if diff := cmp.Diff([]string{"write", "read"}, granted.DefaultScopes); diff != "" {
		t.Errorf("what is granted was changed:\n%s", diff)
	}
}

func TestWorthOf(t *testing.T) {
	issued := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	sound := MintedToken{
		Scopes: []string{"read", "write"}, Audiences: []string{"urn:a", "urn:b"}, IssuedAt: issued, ExpiresAt: issued.Add(time.Hour),
	}
	want := wanted{scopes: []string{"write", "read"}, audiences: []string{"urn:b", "urn:a"}, lifetime: time.Hour}
	for _, tt := range []struct {
		name string
		edit func(found *MintedToken, want *wanted)
		at   time.Duration
		want tokenWorth
	}{
		{name: "It says what is wanted, in another order.", want: tokenFresh},
		{name: "It is half through its life.", at: 30 * time.Minute, want: tokenFresh},
		{name: "Two thirds of its life are over.", at: 40 * time.Minute, want: tokenStale},
		{name: "Its life is over.", at: time.Hour, want: tokenUseless},
		{name: "It was issued before all were revoked.", edit: func(_ *MintedToken, w *wanted) { w.before = issued.Add(time.Second) }, want: tokenUseless},
		{name: "It was issued when those before were revoked.", edit: func(_ *MintedToken, w *wanted) { w.before = issued }, want: tokenFresh},
		{name: "It has a scope too many.", edit: func(_ *MintedToken, w *wanted) { w.scopes = []string{"read"} }, want: tokenUseless},
		{name: "It lacks a scope.", edit: func(f *MintedToken, _ *wanted) { f.Scopes = []string{"read"} }, want: tokenStale},
		{name: "It has an audience too many.", edit: func(_ *MintedToken, w *wanted) { w.audiences = []string{"urn:a"} }, want: tokenUseless},
		{name: "It lacks an audience.", edit: func(f *MintedToken, _ *wanted) { f.Audiences = []string{"urn:a"} }, want: tokenStale},
		{name: "It lives longer than a token may by now.", edit: func(_ *MintedToken, w *wanted) { w.lifetime = time.Hour - time.Second }, want: tokenStale},
		{name: "It has another form.", edit: func(f *MintedToken, _ *wanted) { f.Opaque = true }, want: tokenStale},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found, want := sound, want
			if tt.edit != nil {
				tt.edit(&found, &want)
			}
			if got := worthOf("uid", found, want, issued.Add(tt.at)); got != tt.want {
				t.Errorf("want %d, got %d", tt.want, got)
			}
		})
	}
}

func TestRefreshTimesAreSpread(t *testing.T) {
	issued := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	const tokens, buckets = 10_000, 10
	for _, life := range []time.Duration{time.Minute, 5 * time.Minute, 24 * time.Hour} {
		var found [buckets]int
		earliest := issued.Add(life*2/3 - life/10)
		for i := range tokens {
			token := MintedToken{IssuedAt: issued, ExpiresAt: issued.Add(life)}
			at := refreshTime(types.UID(fmt.Sprint("uid-", i)), "access_token", token)
			if at.Before(earliest) || at.After(issued.Add(life*2/3)) {
				t.Fatalf("a token of %s is renewed after %s", life, at.Sub(issued))
			}
			if again := refreshTime(types.UID(fmt.Sprint("uid-", i)), "access_token", token); !again.Equal(at) {
				t.Fatal("the time is another one when asked again")
			}
			found[min(buckets-1, int(at.Sub(earliest)*buckets/(life/10)))]++
		}
		for bucket, count := range found {
			if count < tokens/buckets/2 || count > tokens/buckets*2 {
				t.Errorf("life %s: %d of %d tokens are renewed in part %d of %d", life, count, tokens, bucket, buckets)
			}
		}
	}
	token := MintedToken{IssuedAt: issued, ExpiresAt: issued.Add(time.Hour)}
	if refreshTime("uid", "a", token).Equal(refreshTime("uid", "b", token)) {
		t.Error("two tokens of one Integration are renewed at once")
	}
}

// delivered asks for access tokens in the Secret.
func delivered(tokens ...v1alpha1.AccessTokenSpec) func(*v1alpha1.Integration) {
	return func(i *v1alpha1.Integration) {
		i.Spec.Audiences, i.Spec.Scopes = []string{"urn:orders", "urn:stock"}, []string{"read", "write"}
		i.Spec.Secret.AccessTokens = tokens
	}
}

// deliveredToken returns the sound token under a key of a Secret, and checks that its end is beside it and in the status.
func (w *world) deliveredToken(t *testing.T, intg *v1alpha1.Integration, key string) MintedToken {
	t.Helper()
	secret := w.secret(t, intg.SecretName())
	token, err := w.minter.InspectToken(t.Context(), intg, secret.Data[key])
	if err != nil {
		t.Fatalf("key %s holds no sound token: %d bytes", key, len(secret.Data[key]))
	}
	if got := string(secret.Data[key+v1alpha1.ExpiresAtSuffix]); got != token.ExpiresAt.UTC().Format(time.RFC3339) {
		t.Errorf("the end of the token: want %s, got %s", token.ExpiresAt, got)
	}
	live := &v1alpha1.Integration{}
	NewWithT(t).Eventually(func() error {
		if err := k8sClient.Get(t.Context(), client.ObjectKeyFromObject(intg), live); err != nil {
			return err
		}
		for _, status := range live.Status.AccessTokens {
			if status.Key == key && status.ExpiresAt.Time.Equal(token.ExpiresAt) {
				return nil
			}
		}
		return fmt.Errorf("status does not say that %s ends at %s: %+v", key, token.ExpiresAt, live.Status.AccessTokens)
	}, deadline, poll).Should(Succeed())
	if strings.Contains(w.logs.String()+fmt.Sprint(w.recorder.all())+fmt.Sprint(live.Status), string(secret.Data[key])) {
		t.Errorf("the token under %s was written to a log, an event or the status", key)
	}
	return token
}

func TestAccessTokensOfANewIntegration(t *testing.T) {
	w := newWorld(t)
	intg := w.readyIntegration(t, "delivered", delivered(
		v1alpha1.AccessTokenSpec{Key: "access_token"},
		v1alpha1.AccessTokenSpec{Key: "stock.token", Audience: "urn:stock", Scopes: &[]string{"read"}},
	))
	if diff := cmp.Diff([]string{"create secrets/", "patch integrations/status"}, w.writes(t)); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
	all, stock := w.deliveredToken(t, intg, "access_token"), w.deliveredToken(t, intg, "stock.token")
	if diff := cmp.Diff([]string{"read", "write"}, all.Scopes); diff != "" {
		t.Errorf("scopes (-want +got):\n%s", diff)
	}
	if !cmp.Equal(all.Audiences, []string{"urn:orders", "urn:stock"}) || !cmp.Equal(stock.Audiences, []string{"urn:stock"}) ||
		!cmp.Equal(stock.Scopes, []string{"read"}) {
		t.Errorf("got tokens for %q and for %q with %q", all.Audiences, stock.Audiences, stock.Scopes)
	}
	result := w.reconcile(t, intg)
	if life := 10 * time.Minute; result.RequeueAfter <= 0 || result.RequeueAfter > life*2/3 {
		t.Errorf("looked at again in %s", result.RequeueAfter)
	}
	for range 3 {
		w.reconcile(t, intg)
	}
	if got := len(w.writes(t)); got != 2 || w.minter.count() != 2 {
		t.Errorf("after passes with nothing to do: %d writes and %d tokens", got, w.minter.count())
	}
	w.wantEvents(t, intg)
}

func TestAccessTokensNeverExpire(t *testing.T) {
	w := newWorld(t)
	intg := w.readyIntegration(t, "renewed", delivered(v1alpha1.AccessTokenSpec{Key: "access_token"}), func(i *v1alpha1.Integration) {
		i.Spec.Token.Lifetime = &metav1.Duration{Duration: 5 * time.Minute}
	})
	token := w.deliveredToken(t, intg, "access_token")
	for renewal := range 50 {
		result := w.reconcile(t, intg)
		if result.RequeueAfter <= 0 {
			t.Fatalf("renewal %d: nobody looks again", renewal)
		}
		if left := token.ExpiresAt.Sub(w.clock.Now().Add(result.RequeueAfter)); left < 5*time.Minute/3-2*time.Second {
			t.Fatalf("renewal %d: only %s would be left", renewal, left)
		}
		before := len(w.writes(t))
		w.clock.move(result.RequeueAfter + time.Second)
		// The workqueue goes by the real clock, so somebody else's label wakes it up.
		edit(t, w.secret(t, "renewed"), func(s *corev1.Secret) { s.Labels["woken"] = fmt.Sprint(renewal) })
		NewWithT(t).Eventually(func() bool {
			return string(w.secret(t, "renewed").Data["access_token"]) != string(token.Token)
		}, deadline, poll).Should(BeTrue(), "renewal %d", renewal)
		token = w.deliveredToken(t, intg, "access_token")
		w.seen(t, intg)
		if diff := cmp.Diff([]string{"update secrets/", "patch integrations/status"}, w.writes(t)[before:]); diff != "" {
			t.Fatalf("renewal %d: writes (-want +got):\n%s", renewal, diff)
		}
	}
	w.wantEvents(t, intg)
}

func TestAccessTokensFollowSpec(t *testing.T) {
	w := newWorld(t)
	orders := v1alpha1.AccessTokenSpec{Key: "orders", Audience: "urn:orders"}
	intg := w.readyIntegration(t, "followed", delivered(orders))
	first := w.deliveredToken(t, intg, "orders")
	change := func(to func(*v1alpha1.Integration)) *corev1.Secret {
		t.Helper()
		edit(t, intg, to)
		w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
		return w.secret(t, intg.SecretName())
	}

	secret := change(func(i *v1alpha1.Integration) {
		i.Spec.Secret.AccessTokens = append(i.Spec.Secret.AccessTokens, v1alpha1.AccessTokenSpec{Key: "stock", Audience: "urn:stock"})
	})
	w.deliveredToken(t, intg, "stock")
	if string(secret.Data["orders"]) != string(first.Token) {
		t.Error("a second token: the first one changed")
	}

	secret = change(func(i *v1alpha1.Integration) { i.Spec.Secret.Name = "under-another-name" })
	if string(secret.Data["orders"]) != string(first.Token) {
		t.Error("another name of the Secret: the token changed")
	}

	change(func(i *v1alpha1.Integration) { i.Spec.Secret.AccessTokens[0].Scopes = &[]string{"read"} })
	if token := w.deliveredToken(t, intg, "orders"); !cmp.Equal(token.Scopes, []string{"read"}) {
		t.Errorf("fewer scopes: got %q", token.Scopes)
	}
	change(func(i *v1alpha1.Integration) { i.Spec.Secret.AccessTokens[0].Scopes = &[]string{"read", "write"} })
	if token := w.deliveredToken(t, intg, "orders"); !cmp.Equal(token.Scopes, []string{"read", "write"}) {
		t.Errorf("more scopes: got %q", token.Scopes)
	}

	secret = change(func(i *v1alpha1.Integration) { i.Spec.Secret.AccessTokens = i.Spec.Secret.AccessTokens[1:] })
	if secret.Data["orders"] != nil || secret.Data["orders_expires_at"] != nil {
		t.Error("a token that spec asks for no more is still there")
	}
	w.deliveredToken(t, intg, "stock")
	if len(intg.Status.AccessTokens) != 1 {
		t.Errorf("status speaks of %+v", intg.Status.AccessTokens)
	}
}

func TestDamagedAccessTokensAreReplaced(t *testing.T) {
	w := newWorld(t)
	intg := w.readyIntegration(t, "damaged", delivered(v1alpha1.AccessTokenSpec{Key: "a"}, v1alpha1.AccessTokenSpec{Key: "b"}))
	other := w.deliveredToken(t, intg, "b")
	for name, damage := range map[string]func(*corev1.Secret){
		"a flipped bit":       func(s *corev1.Secret) { s.Data["a"][len(s.Data["a"])/2] ^= 1 },
		"nothing":             func(s *corev1.Secret) { delete(s.Data, "a") },
		"its end":             func(s *corev1.Secret) { s.Data["a_expires_at"] = []byte("never") },
		"another one's token": func(s *corev1.Secret) { s.Data["a"] = []byte("eyJhbGciOiJub25lIn0.e30.") },
	} {
		t.Run(name, func(t *testing.T) {
			secret := w.secret(t, "damaged")
			edit(t, secret, damage)
			w.seen(t, secret)
			w.reconcile(t, intg)
			w.deliveredToken(t, intg, "a")
		})
	}
	if token := w.deliveredToken(t, intg, "b"); string(token.Token) != string(other.Token) {
		t.Error("a token that nobody touched changed")
	}
}

func TestRevokingReplacesAndSuspendingRemovesAccessTokens(t *testing.T) {
	w := newWorld(t)
	intg := w.readyIntegration(t, "revoked", delivered(v1alpha1.AccessTokenSpec{Key: "access_token"}))
	first := w.deliveredToken(t, intg, "access_token")
	w.clock.move(2 * time.Second)
	revoked := metav1.NewTime(w.clock.Now().Truncate(time.Second))
	edit(t, intg, func(i *v1alpha1.Integration) { i.Spec.RevokeTokensIssuedBefore = &revoked })
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	second := w.deliveredToken(t, intg, "access_token")
	if second.IssuedAt.Before(revoked.Time) || string(second.Token) == string(first.Token) {
		t.Errorf("revoked before %s: got a token of %s", revoked, second.IssuedAt)
	}

	// Taken out again, it still counts.
	edit(t, intg, func(i *v1alpha1.Integration) { i.Spec.RevokeTokensIssuedBefore = nil })
	edit(t, w.secret(t, "revoked"), func(s *corev1.Secret) { s.Data["access_token"] = first.Token })
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	NewWithT(t).Eventually(func() bool {
		return string(w.secret(t, "revoked").Data["access_token"]) != string(first.Token)
	}, deadline, poll).Should(BeTrue())

	for name, stop := range map[string]func(*v1alpha1.Integration){
		"suspend": func(i *v1alpha1.Integration) { i.Spec.Suspend = true },
		"revoked until a time to come": func(i *v1alpha1.Integration) {
			i.Spec.RevokeTokensIssuedBefore = &metav1.Time{Time: w.clock.Now().Add(time.Hour)}
		},
	} {
		edit(t, intg, stop)
		w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonSuspended)
		if secret := w.secret(t, "revoked"); secret.Data["access_token"] != nil || secret.Data["access_token_expires_at"] != nil {
			t.Errorf("%s: the token is still there", name)
		}
		if len(intg.Status.AccessTokens) != 0 {
			t.Errorf("%s: status speaks of %+v", name, intg.Status.AccessTokens)
		}
		edit(t, intg, func(i *v1alpha1.Integration) { i.Spec.Suspend, i.Spec.RevokeTokensIssuedBefore = false, nil })
		w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
		w.deliveredToken(t, intg, "access_token")
	}
}

func TestNoAccessTokenIsMadeThatCountsAsRevoked(t *testing.T) {
	w := newWorld(t)
	intg := w.readyIntegration(t, "clock", delivered(v1alpha1.AccessTokenSpec{Key: "access_token"}))
	edit(t, intg, func(i *v1alpha1.Integration) {
		i.Spec.RevokeTokensIssuedBefore = new(metav1.NewTime(w.clock.Now().Truncate(time.Second)))
	})
	NewWithT(t).Eventually(func() *metav1.Time {
		w.seen(t, intg)
		return intg.Status.TokensRevokedBefore
	}, deadline, poll).ShouldNot(BeNil())
	edit(t, intg, func(i *v1alpha1.Integration) { i.Spec.RevokeTokensIssuedBefore = nil })
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.deliveredToken(t, intg, "access_token")

	// The clock of the leader goes back, or that of the next one is late.
	w.clock.move(-time.Hour)
	minted := w.minter.count()
	edit(t, w.secret(t, "clock"), func(s *corev1.Secret) { delete(s.Data, "access_token") })
	NewWithT(t).Eventually(func() bool { return w.secret(t, "clock").Data["access_token_expires_at"] == nil }, deadline, poll).Should(BeTrue())
	w.seen(t, w.secret(t, "clock"))
	for range 3 {
		if again := w.reconcile(t, intg).RequeueAfter; again <= 0 || again > time.Hour {
			t.Errorf("looks again after %s", again)
		}
	}
	if got := w.minter.count() - minted; got != 0 {
		t.Errorf("made %d tokens that count as revoked", got)
	}
	w.clock.move(time.Hour)
	w.reconcile(t, intg)
	w.deliveredToken(t, intg, "access_token")
}

func TestPoliciesNarrowAccessTokens(t *testing.T) {
	w := newWorld(t)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}
	edit(t, namespace, func(n *corev1.Namespace) { n.Labels[testplane.LabelOwnPolicies] = "true" })
	policy := &v1alpha1.IntegrationPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: w.namespace},
		Spec: v1alpha1.IntegrationPolicySpec{
			NamespaceSelector: metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: w.namespace}},
			Allow: v1alpha1.Allowance{
				Profiles: []v1alpha1.Profile{v1alpha1.ProfileOAuth2}, GrantTypes: []v1alpha1.GrantType{v1alpha1.GrantTypeClientCredentials},
				Scopes: []v1alpha1.Pattern{"*"}, Audiences: []v1alpha1.Pattern{"*"},
				CredentialMethods: []v1alpha1.CredentialMethod{v1alpha1.CredentialMethodClientSecret},
				MaxTokenLifetime:  &metav1.Duration{Duration: time.Hour}, AccessTokenDelivery: true,
			},
		},
	}
	if err := k8sClient.Create(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	intg := w.readyIntegration(t, "narrowed", delivered(
		v1alpha1.AccessTokenSpec{Key: "all"}, v1alpha1.AccessTokenSpec{Key: "write", Scopes: &[]string{"write"}},
	))
	w.deliveredToken(t, intg, "write")

	edit(t, policy, func(p *v1alpha1.IntegrationPolicy) { p.Spec.Allow.Scopes = []v1alpha1.Pattern{"read"} })
	w.waitFor(t, intg, v1alpha1.ConditionPermitted, metav1.ConditionFalse, v1alpha1.ReasonNotPermitted)
	if token := w.deliveredToken(t, intg, "all"); !cmp.Equal(token.Scopes, []string{"read"}) {
		t.Errorf("want the scope that is left, got %q", token.Scopes)
	}
	if data := w.secret(t, "narrowed").Data; data["write"] != nil || data["write_expires_at"] != nil {
		t.Error("a token of which nothing is granted is still there")
	}

	edit(t, policy, func(p *v1alpha1.IntegrationPolicy) { p.Spec.Allow.AccessTokenDelivery = false })
	NewWithT(t).Eventually(func() []byte { return w.secret(t, "narrowed").Data["all"] }, deadline, poll).Should(BeNil())

	edit(t, policy, func(p *v1alpha1.IntegrationPolicy) {
		p.Spec.Allow.AccessTokenDelivery, p.Spec.Allow.Scopes = true, []v1alpha1.Pattern{"*"}
	})
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.deliveredToken(t, intg, "write")
	if events := strings.Join(w.recorder.of(intg), " "); strings.Contains(events, v1alpha1.ReasonSecretRestored) {
		t.Errorf("a policy's work passes for that of a hand: %s", events)
	}
}

func TestATokenThatCannotBeMade(t *testing.T) {
	w := newWorld(t)
	intg := w.readyIntegration(t, "failing", delivered(v1alpha1.AccessTokenSpec{Key: "access_token"}))
	first := w.deliveredToken(t, intg, "access_token")
	w.minter.fail(errors.New("out of ink"))
	w.clock.move(8 * time.Minute)
	edit(t, intg, func(i *v1alpha1.Integration) { i.Spec.Secret.Labels = map[string]v1alpha1.LabelValue{"team": "shop"} })
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonReconcileError)
	message := meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionReady).Message
	if !strings.Contains(message, "access_token") || !strings.Contains(message, "out of ink") {
		t.Errorf("message: %s", message)
	}
	secret := w.secret(t, "failing")
	if string(secret.Data["access_token"]) != string(first.Token) || secret.Labels["team"] != "shop" {
		t.Error("the token does not stay, or the rest of the Secret waits for it")
	}

	w.minter.fail(nil)
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	if token := w.deliveredToken(t, intg, "access_token"); string(token.Token) == string(first.Token) {
		t.Error("the token is not renewed once that is possible")
	}
}

// Who has to see to something else first does not lack the token until then.
func TestAnAccessTokenComesWithItsKeyWhateverElseIsWrong(t *testing.T) {
	w := newWorld(t)
	w.loginSecret(t, "odd", "stuck", func(s *corev1.Secret) { s.Type = corev1.SecretTypeOpaque })
	w.minter.fail(ErrNoTokenKey)
	intg := w.integration(t, "stuck", delivered(v1alpha1.AccessTokenSpec{Key: "access_token"}), func(i *v1alpha1.Integration) {
		i.Spec.GrantTypes = []v1alpha1.GrantType{v1alpha1.GrantTypeClientCredentials, v1alpha1.GrantTypePassword}
		i.Spec.Users = []v1alpha1.User{{SecretRef: v1alpha1.SecretReference{Name: "odd"}, Kind: v1alpha1.UserKindAdmin}}
	})
	w.waitFor(t, intg, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretInvalid)
	if w.secret(t, "stuck").Data["access_token"] != nil {
		t.Fatal("there is a token without a key")
	}
	w.minter.fail(nil)
	NewWithT(t).Eventually(func() []byte { return w.secret(t, "stuck").Data["access_token"] }, deadline, poll).ShouldNot(BeEmpty())
	w.deliveredToken(t, intg, "access_token")
}

func TestAccessTokensWaitForTheirKey(t *testing.T) {
	w := newWorld(t)
	w.minter.fail(ErrNoTokenKey)
	intg := w.integration(t, "waits", delivered(v1alpha1.AccessTokenSpec{Key: "access_token"}))
	w.waitFor(t, intg, v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonSigningKeyPending)
	secret := w.secret(t, "waits")
	if len(secret.Data["client_secret"]) == 0 || secret.Data["access_token"] != nil {
		t.Error("want the Secret at once, without the token")
	}
	w.minter.fail(nil)
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.deliveredToken(t, intg, "access_token")
}
