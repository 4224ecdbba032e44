// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// userPassword is in every user's Secret of these tests, and userName in the names.
const (
	userPassword = "hunter2-hunter2"
	userName     = "user-of-"
)

// loginSecret returns a user's Secret, after edits, with consent to the Integrations that the label's value means.
func loginSecret(namespace, name, label string, edits ...func(*corev1.Secret)) *corev1.Secret {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, Labels: map[string]string{v1alpha1.LabelIntegration: label},
		},
		Type: corev1.SecretTypeBasicAuth,
		Data: map[string][]byte{v1alpha1.KeyUsername: []byte(userName + name), v1alpha1.KeyPassword: []byte(userPassword)},
	}
	for _, edit := range edits {
		edit(secret)
	}
	return secret
}

// Hashes of nobody's password, each of a kind of its own.
const (
	bcryptOf4 = "$2a$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"
	bcryptOf5 = "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2"
	argon2Of1 = "$argon2id$v=19$m=64,t=1,p=1$b3RoZXJzYWx0MTIzNDU2Nw$M3471YrJwEVSSTmfR4awnw"
)

// hashed edits a user's Secret to hold a hash in place of the password.
func hashed(hash string) func(*corev1.Secret) {
	return func(s *corev1.Secret) {
		delete(s.Data, v1alpha1.KeyPassword)
		s.Data[v1alpha1.KeyPasswordHash] = []byte(hash)
	}
}

func unlabelled(s *corev1.Secret) { s.Labels = nil }

// loginSecret creates a user's Secret.
func (w *world) loginSecret(t *testing.T, name, label string, edits ...func(*corev1.Secret)) *corev1.Secret {
	t.Helper()
	secret := loginSecret(w.namespace, name, label, edits...)
	if err := k8sClient.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	return secret
}

// withUsers lets an Integration log in the users of Secrets.
func withUsers(secrets ...string) func(*v1alpha1.Integration) {
	return func(i *v1alpha1.Integration) {
		i.Spec.GrantTypes = []v1alpha1.GrantType{v1alpha1.GrantTypePassword}
		i.Spec.Users = nil
		for _, name := range secrets {
			i.Spec.Users = append(i.Spec.Users, v1alpha1.User{SecretRef: v1alpha1.SecretReference{Name: name}})
		}
	}
}

// readyMessage returns what Ready says.
func readyMessage(intg *v1alpha1.Integration) string {
	return meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionReady).Message
}

// wantUntold fails if a name or password of a user was written to a log, an event or a status.
func (w *world) wantUntold(t *testing.T, integrations ...*v1alpha1.Integration) {
	t.Helper()
	told := w.logs.String() + fmt.Sprint(w.recorder.all())
	for _, intg := range integrations {
		told += fmt.Sprint(intg.Status)
	}
	for _, secret := range []string{userPassword, userName} {
		if strings.Contains(told, secret) {
			t.Errorf("%q was written to a log, an event or a status", secret)
		}
	}
}

func TestJudgeUsers(t *testing.T) {
	intg := client.ObjectKey{Namespace: "shop", Name: "login"}
	seen := func(name, label string, edits ...func(*corev1.Secret)) userSecret {
		return userSecret{name: name, secret: loginSecret("shop", name, label, edits...)}
	}
	hidden := func(name, label string, edits ...func(*corev1.Secret)) userSecret {
		f := seen(name, label, edits...)
		f.hidden = true
		return f
	}
	missing := func(name string) userSecret { return userSecret{name: name, hidden: true} }
	called := func(name string) func(*corev1.Secret) {
		return func(s *corev1.Secret) { s.Data[v1alpha1.KeyUsername] = []byte(userName + name) }
	}
	var many []userSecret
	for i := range 10 {
		many = append(many, missing(fmt.Sprintf("user-%d", i)))
	}
	const lacksLabel = " lacks the label integration-operator.io/integration=login"
	tests := []struct {
		name  string
		found []userSecret
		// wantReason is empty if all is well; wantStuck says that the error is terminal, wantRetry that it is looked at again.
		wantReason           string
		wantStuck, wantRetry bool
		want                 []string
		// wantOne says that no more than one problem is told.
		wantOne bool
	}{
		{name: "No users are well."},
		{name: "Users with labels of both kinds are well.", found: []userSecret{seen("anna", "login"), seen("ben", "")}},
		{
			name: "A Secret that is missing is waited for.", found: []userSecret{seen("anna", "login"), missing("ben")},
			wantReason: v1alpha1.ReasonSecretNotFound, wantRetry: true,
			want: []string{"Secret shop/ben, ", "kubernetes.io/basic-auth", "integration-operator.io/integration=login"},
		},
		{
			name: "A Secret without the label was not meant for it.", found: []userSecret{hidden("anna", "", unlabelled)},
			wantReason: v1alpha1.ReasonSecretNotConsented, wantStuck: true, wantRetry: true, want: []string{"Secret shop/anna" + lacksLabel},
		},
		{
			name: "A Secret with another's label was not meant for it.", found: []userSecret{seen("anna", "other")},
			wantReason: v1alpha1.ReasonSecretNotConsented, wantStuck: true,
			want: []string{"Secret shop/anna has the label integration-operator.io/integration=other", "the value login, or an empty one"},
		},
		{
			name: "A Secret that has just got its label is waited for.", found: []userSecret{hidden("anna", "login")},
			wantReason: v1alpha1.ReasonSecretPending, wantRetry: true, want: []string{"Secret shop/anna has not come by the watch yet"},
		},
		{
			name:       "A Secret of another type is not one to log in with.",
			found:      []userSecret{seen("anna", "login", func(s *corev1.Secret) { s.Type = corev1.SecretTypeOpaque })},
			wantReason: v1alpha1.ReasonSecretInvalid, wantStuck: true,
			want: []string{"Secret shop/anna is not one to log in with: its type must be kubernetes.io/basic-auth"},
		},
		{
			name: "Nor is one with a hash of an unknown kind.", found: []userSecret{seen("anna", "login", func(s *corev1.Secret) {
				delete(s.Data, v1alpha1.KeyPassword)
				s.Data[v1alpha1.KeyPasswordHash] = []byte(userPassword)
			})},
			wantReason: v1alpha1.ReasonSecretInvalid, wantStuck: true, want: []string{"Secret shop/anna is not one", "passwordHash"},
		},
		{
			name: "Two users of one name are told by their Secrets.", found: []userSecret{
				seen("anna", "login"), seen("ben", "login", called("anna")), seen("carl", "login"),
			},
			wantReason: v1alpha1.ReasonDuplicateUser, wantStuck: true, want: []string{"Secrets anna and ben of namespace shop"},
		},
		{
			name: "Two kinds of hashes beside plain passwords are well.", found: []userSecret{
				seen("anna", "login", hashed(bcryptOf4)), seen("ben", "login"), seen("carl", "login", hashed(argon2Of1)),
				seen("dora", "login", hashed(argon2Of1)),
			},
		},
		{
			name: "A hash of a third kind is told by its Secret.", found: []userSecret{
				seen("anna", "login", hashed(bcryptOf4)), seen("ben", "login", hashed(bcryptOf5)), seen("carl", "login", hashed(argon2Of1)),
				seen("dora", "login", hashed(bcryptOf4)),
			},
			wantReason: v1alpha1.ReasonSecretInvalid, wantStuck: true,
			want: []string{"Secret shop/carl holds", "2 kinds of hashes", "hash its password like those of the other users"}, wantOne: true,
		},
		{
			name: "Secrets that nobody can log in with make no kind.", found: []userSecret{
				seen("anna", "other", hashed(bcryptOf4)), hidden("ben", "login", hashed(bcryptOf5)), seen("carl", "login", hashed(argon2Of1)),
				seen("dora", "login", hashed(bcryptOf5)),
			},
			wantReason: v1alpha1.ReasonSecretNotConsented, wantStuck: true, wantRetry: true,
			want: []string{"Secret shop/anna has the label", "Secret shop/ben has not come"},
		},
		{
			name: "A name is taken also by a user with a hash of a third kind.", found: []userSecret{
				seen("anna", "login", hashed(bcryptOf4)), seen("ben", "login", hashed(bcryptOf5)), seen("carl", "login", hashed(argon2Of1)),
				seen("dora", "login", called("carl")),
			},
			wantReason: v1alpha1.ReasonSecretInvalid, wantStuck: true,
			want: []string{"Secret shop/carl holds", "; Secrets carl and dora of namespace shop hold the same username"},
		},
		{
			name: "All problems are told, and the first that somebody has to solve is the reason.", found: []userSecret{
				missing("anna"), seen("ben", "other"), seen("carl", "login", func(s *corev1.Secret) { s.Data = nil }),
			},
			wantReason: v1alpha1.ReasonSecretNotConsented, wantStuck: true, wantRetry: true,
			want: []string{"Secret shop/anna, ", "; Secret shop/ben has the label", "; Secret shop/carl is not"},
		},
		{
			name: "Many problems are counted.", found: many, wantReason: v1alpha1.ReasonSecretNotFound, wantRetry: true,
			want: []string{"shop/user-0", "shop/user-7", "; and 2 more"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := judgeUsers(intg, tt.found)
			f := failure(err)
			if f.reason != tt.wantReason || f.terminal != tt.wantStuck {
				t.Errorf("want %q (terminal: %t), got %q (%t): %s", tt.wantReason, tt.wantStuck, f.reason, f.terminal, f.message)
			}
			for _, want := range tt.want {
				if !strings.Contains(f.message, want) {
					t.Errorf("want the message to say %q, got %q", want, f.message)
				}
			}
			if tt.wantOne && strings.Contains(f.message, "; ") {
				t.Errorf("want one problem, got %q", f.message)
			}
			if strings.Contains(f.message, userPassword) || strings.Contains(f.message, userName) {
				t.Errorf("the message tells what is in the Secret: %s", f.message)
			}
			if result, _ := outcomeOf(err); (result.RequeueAfter > 0) != tt.wantRetry {
				t.Errorf("looks again after %s, want to look again: %t", result.RequeueAfter, tt.wantRetry)
			}
		})
	}
}

func TestLoginsOfTheLongestNamesFitIntoACondition(t *testing.T) {
	var found []userSecret
	for i := range 64 {
		name := fmt.Sprintf("%s%d", strings.Repeat("a", 251), 10+i)
		found = append(found, userSecret{name: name, secret: loginSecret("shop", name, "other", func(s *corev1.Secret) {
			s.Data[v1alpha1.KeyUsername] = []byte("same")
		})})
	}
	if got := failure(judgeUsers(client.ObjectKey{Namespace: strings.Repeat("n", 63), Name: strings.Repeat("i", 63)}, found)); len(got.message) > 32768 {
		t.Errorf("the message has %d bytes, and a condition takes 32768", len(got.message))
	}
}

func TestUsersGetReadyByWhatTheWatchTells(t *testing.T) {
	w := newWorld(t)
	intg := w.integration(t, "login", withUsers("anna"), shopScopes)
	w.waitFor(t, intg, v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonSecretNotFound)
	w.waitFor(t, intg, v1alpha1.ConditionCredentialsReady, metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound)
	if intg.Status.Granted == nil || len(intg.Status.Granted.Users) != 1 || intg.Status.Credentials == nil {
		t.Errorf("all else waits for the user: %+v", intg.Status)
	}
	if len(w.secret(t, "login").Data["client_secret"]) == 0 {
		t.Error("the generated Secret waits for the user")
	}

	// A Secret that appears with consent to all Integrations of the namespace.
	anna := w.loginSecret(t, "anna", "")
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	// A user too many whose Secret appears with consent to this one.
	edit(t, intg, withUsers("anna", "ben"))
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound)
	ben := w.loginSecret(t, "ben", "login")
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)

	// The same name.
	edit(t, ben, func(s *corev1.Secret) { s.Data[v1alpha1.KeyUsername] = anna.Data[v1alpha1.KeyUsername] })
	w.waitFor(t, intg, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonDuplicateUser)
	// Unusable, in a Secret that consents to all.
	edit(t, ben, func(s *corev1.Secret) { s.Data[v1alpha1.KeyUsername] = []byte(userName + "ben") })
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	edit(t, anna, func(s *corev1.Secret) { s.Data[v1alpha1.KeyPasswordHash] = []byte("rubbish") })
	w.waitFor(t, intg, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretInvalid)
	if message := readyMessage(intg); !strings.Contains(message, w.namespace+"/anna ") || strings.Contains(message, "/ben") {
		t.Errorf("want a message about anna's Secret alone, got %q", message)
	}
	edit(t, anna, func(s *corev1.Secret) { delete(s.Data, v1alpha1.KeyPasswordHash) })
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)

	// Consent that is taken back, and given to another.
	edit(t, anna, unlabelled)
	w.waitFor(t, intg, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretNotConsented)
	edit(t, anna, func(s *corev1.Secret) { s.Labels = map[string]string{v1alpha1.LabelIntegration: "another"} })
	w.seen(t, anna)
	// The manager's own pass may write the status first, and then this one is done again.
	NewWithT(t).Eventually(func() error {
		_, err := w.integrations.Reconcile(bounded(t), requestFor(intg))
		return err
	}, deadline, poll).Should(MatchError(reconcile.TerminalError(nil)), "a Secret that consents to another Integration should be stuck")
	w.waitFor(t, intg, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretNotConsented)
	edit(t, anna, func(s *corev1.Secret) { s.Labels[v1alpha1.LabelIntegration] = "" })
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)

	if err := k8sClient.Delete(t.Context(), anna); err != nil {
		t.Fatal(err)
	}
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound)
	edit(t, intg, withUsers("ben"))
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.wantEvents(t, intg,
		"Warning DuplicateUser", "Normal Ready", "Warning SecretInvalid", "Normal Ready", "Warning SecretNotConsented", "Normal Ready")
	w.wantUntold(t, intg)
}

func TestAUsersSecretWithoutLabelIsNamed(t *testing.T) {
	w := newWorld(t)
	anna := w.loginSecret(t, "anna", "", unlabelled)
	intg := w.integration(t, "login", withUsers("anna"))
	w.waitFor(t, intg, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretNotConsented)
	if message := readyMessage(intg); !strings.Contains(message, w.namespace+"/anna lacks the label integration-operator.io/integration=login") {
		t.Errorf("the message does not say which Secret lacks what: %q", message)
	}
	// No watch tells of a Secret without the label.
	if result := w.reconcile(t, intg); result.RequeueAfter != stuckRetry {
		t.Errorf("looks again after %s, want %s", result.RequeueAfter, stuckRetry)
	}
	edit(t, anna, func(s *corev1.Secret) { s.Labels = map[string]string{v1alpha1.LabelIntegration: "login"} })
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.wantUntold(t, intg)
}

func TestAUserHashedInAThirdWayIsNamed(t *testing.T) {
	w := newWorld(t)
	w.loginSecret(t, "anna", "login", hashed(bcryptOf4))
	ben := w.loginSecret(t, "ben", "", hashed(bcryptOf5))
	w.loginSecret(t, "carl", "login", hashed(bcryptOf4))
	intg := w.readyIntegration(t, "login", withUsers("anna", "ben", "carl"))

	w.loginSecret(t, "dora", "login", hashed(argon2Of1))
	edit(t, intg, withUsers("anna", "ben", "carl", "dora"))
	w.waitFor(t, intg, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretInvalid)
	w.waitFor(t, intg, v1alpha1.ConditionCredentialsReady, metav1.ConditionFalse, v1alpha1.ReasonSecretInvalid)
	want := fmt.Sprintf("Secret %s/dora holds a hash of another cost than those before it, and an Integration's users may have 2 kinds of "+
		"hashes: hash its password like those of the other users", w.namespace)
	if diff := cmp.Diff(want, readyMessage(intg)); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
	// In another order it is another user who has to change.
	edit(t, intg, withUsers("dora", "carl", "ben", "anna"))
	w.waitFor(t, intg, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretInvalid)
	if message := readyMessage(intg); !strings.Contains(message, w.namespace+"/ben holds") || strings.Contains(message, "/dora") {
		t.Errorf("want a message about ben's Secret alone, got %q", message)
	}
	edit(t, ben, hashed(argon2Of1))
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.wantUntold(t, intg)
	for _, hash := range []string{bcryptOf4, bcryptOf5, argon2Of1} {
		if strings.Contains(w.logs.String()+fmt.Sprint(w.recorder.all(), intg.Status), hash) {
			t.Errorf("the hash %q was written to a log, an event or a status", hash)
		}
	}
}

func TestAUsersSecretConcernsThoseThatNameIt(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"one", "two"} {
		w.integration(t, name, withUsers("anna"))
	}
	w.integration(t, "three", withUsers("ben"))
	createIntegration(t, w.elsewhere, "one", withUsers("anna"))
	var names []string
	NewWithT(t).Eventually(func() error {
		names = nil
		for _, request := range w.integrations.bringers(t.Context(), loginSecret(w.namespace, "anna", "")) {
			names = append(names, request.String())
		}
		if len(names) < 2 {
			return errors.New("the cache does not show both Integrations yet")
		}
		return nil
	}, deadline, poll).Should(Succeed())
	slices.Sort(names)
	if diff := cmp.Diff([]string{w.namespace + "/one", w.namespace + "/two"}, names); diff != "" {
		t.Errorf("Integrations concerned (-want +got):\n%s", diff)
	}
}

func TestWritesOfAnIntegrationWithUsers(t *testing.T) {
	w := newWorld(t)
	w.loginSecret(t, "anna", "login")
	w.loginSecret(t, "ben", "")
	// Somebody else's refresh tokens have brought their key.
	createIntegration(t, w.elsewhere, "other", withUsers(), withRefresh)
	other := newIntegration(w.elsewhere, "other")
	w.waitFor(t, other, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)

	intg := w.readyIntegration(t, "login", withUsers("anna", "ben"), withRefresh)
	want := []string{"create secrets/", "patch integrations/status"}
	for range 3 {
		w.reconcile(t, intg)
	}
	if diff := cmp.Diff(want, w.writes(t)); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
	w.wantEvents(t, intg)
}
