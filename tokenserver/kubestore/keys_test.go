// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/kubestore"
	"github.com/integration-operator/integration-operator/tokenserver/sealing"
	"github.com/integration-operator/integration-operator/tokenserver/sealing/sealingtest"
	"github.com/integration-operator/integration-operator/tokenserver/signer"
	"github.com/integration-operator/integration-operator/tokenserver/signer/signertest"
)

const activatedAt = "2026-11-22T10:00:00Z"

// signingKeySecret returns a Secret with a new signing key, as the controllers make it.
func signingKeySecret(t *testing.T, namespace, algorithm, state string) *corev1.Secret {
	t.Helper()
	pemBytes, err := signertest.NewKey(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, GenerateName: "key-",
			Labels:      map[string]string{v1alpha1.LabelSigningKey: algorithm, v1alpha1.LabelKeyState: state},
			Annotations: map[string]string{v1alpha1.AnnotationKeyActivatedAt: activatedAt},
		},
		Type: v1alpha1.SecretTypeSigningKey,
		Data: map[string][]byte{
			v1alpha1.KeyPrivateKey: pemBytes,
		},
	}
}

// publishedKeys returns how many keys are in the JWKS.
func publishedKeys(t *testing.T, store *kubestore.Store) int {
	t.Helper()
	body, _ := store.Keys().JWKS()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(body, &set); err != nil {
		t.Fatalf("read the JWKS: %v", err)
	}
	return len(set.Keys)
}

func TestKeysFollowTheirState(t *testing.T) {
	operator := newNamespace(t)
	store := startStore(t, kubestore.Options{OperatorNamespace: operator})
	if store.Keys() == nil || publishedKeys(t, store) != 0 {
		t.Fatal("want an empty set of keys before there is any")
	}
	published := func() int { return publishedKeys(t, store) }
	algorithms := func() []string { return store.Keys().Algorithms() }

	next := signingKeySecret(t, operator, "ES256", v1alpha1.KeyStateNext)
	create(t, next)
	eventually(t, published, 1)
	if _, ok := store.Keys().Active("ES256"); ok {
		t.Error("a key that is only published signs")
	}
	for _, algorithm := range []string{"RS256", "EdDSA"} {
		create(t, signingKeySecret(t, operator, algorithm, v1alpha1.KeyStateActive))
	}
	eventually(t, algorithms, []string{"EdDSA", "RS256"})

	patch(t, next, func(s *corev1.Secret) { s.Labels[v1alpha1.LabelKeyState] = v1alpha1.KeyStateActive })
	eventually(t, algorithms, []string{"ES256", "EdDSA", "RS256"})
	want, err := time.Parse(time.RFC3339, activatedAt)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]time.Time{"ES256": want, "RS256": want, "EdDSA": want}, signingSince(store.Keys())); diff != "" {
		t.Errorf("when the active keys began to sign (-want +got):\n%s", diff)
	}

	patch(t, next, func(s *corev1.Secret) { s.Labels[v1alpha1.LabelKeyState] = v1alpha1.KeyStateRetiring })
	eventually(t, algorithms, []string{"EdDSA", "RS256"})
	if got := published(); got != 3 {
		t.Errorf("%d keys are published, want the retiring one among 3", got)
	}
	remove(t, next)
	eventually(t, published, 2)
}

func TestOneKeyInSeveralSecretsIsPublishedOnceAndSigns(t *testing.T) {
	operator := newNamespace(t)
	store := startStore(t, kubestore.Options{OperatorNamespace: operator})
	active := signingKeySecret(t, operator, "ES256", v1alpha1.KeyStateActive)
	create(t, active.DeepCopy())
	// Several copies, so that the order in which they are looked at does not decide.
	for range 8 {
		restored := active.DeepCopy()
		restored.Labels[v1alpha1.LabelKeyState] = v1alpha1.KeyStateRetiring
		create(t, restored)
	}
	create(t, signingKeySecret(t, operator, "EdDSA", v1alpha1.KeyStateNext))
	eventually(t, func() int { return publishedKeys(t, store) }, 2)
	if _, ok := store.Keys().Active("ES256"); !ok {
		t.Error("the key does not sign, though one of its Secrets says active")
	}
}

func TestADamagedKeyIsLeftOutAndLoggedOnce(t *testing.T) {
	for _, tc := range []struct {
		name    string
		edit    func(*corev1.Secret)
		wantLog string // empty: the Secret is not a signing key, and nothing is said
	}{
		{"when its PEM is garbage", func(s *corev1.Secret) {
			s.Data[v1alpha1.KeyPrivateKey] = []byte("s3cr3t-garbage")
		}, "no PEM block"},
		{"when its data key is gone", func(s *corev1.Secret) { s.Data = nil }, "no PEM block"},
		{"when its label names another algorithm", func(s *corev1.Secret) {
			s.Labels[v1alpha1.LabelSigningKey] = "RS256"
		}, "but the key is for ES256"},
		{"when its state is unknown", func(s *corev1.Secret) { s.Labels[v1alpha1.LabelKeyState] = "primed" }, "want one of"},
		{"when its state is missing", func(s *corev1.Secret) { delete(s.Labels, v1alpha1.LabelKeyState) }, "want one of"},
		{"but silently when it has another type", func(s *corev1.Secret) { s.Type = corev1.SecretTypeOpaque }, ""},
		{"but silently when it has no label", func(s *corev1.Secret) { s.Labels = nil }, ""},
		{"but silently when it is in another namespace", func(s *corev1.Secret) {
			s.Namespace = newNamespace(t)
			s.Labels[v1alpha1.LabelIntegration] = "app" // so that the cache holds it
		}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			operator, log := newNamespace(t), &logBuffer{}
			secret := signingKeySecret(t, operator, "ES256", v1alpha1.KeyStateActive)
			pemKey := string(secret.Data[v1alpha1.KeyPrivateKey])
			tc.edit(secret)
			create(t, secret)
			create(t, signingKeySecret(t, operator, "EdDSA", v1alpha1.KeyStateActive))
			store := startStore(t, kubestore.Options{OperatorNamespace: operator, Log: log.logger()})

			if diff := cmp.Diff([]string{"EdDSA"}, store.Keys().Algorithms()); diff != "" || publishedKeys(t, store) != 1 {
				t.Errorf("want only the sound key; algorithms (-want +got):\n%s", diff)
			}
			lines := strings.Count(log.String(), "\n")
			if tc.wantLog == "" {
				if lines != 0 {
					t.Errorf("want no log line, got %s", log)
				}
				return
			}
			if lines != 1 || !strings.Contains(log.String(), operator+"/"+secret.Name) || !strings.Contains(log.String(), tc.wantLog) {
				t.Errorf("want one log line that names Secret %s/%s and says %q, got:\n%s", operator, secret.Name, tc.wantLog, log)
			}
			if strings.Contains(log.String(), "s3cr3t") || strings.Contains(log.String(), pemKey[30:60]) {
				t.Error("the log holds key material")
			}
		})
	}
}

func TestAKeyThatIsDamagedLaterStopsSigning(t *testing.T) {
	operator := newNamespace(t)
	store := startStore(t, kubestore.Options{OperatorNamespace: operator})
	secret := signingKeySecret(t, operator, "ES256", v1alpha1.KeyStateActive)
	delete(secret.Annotations, v1alpha1.AnnotationKeyActivatedAt)
	create(t, secret)
	eventually(t, func() bool { return store.Ready() == nil }, true)
	if got := signingSince(store.Keys()); len(got) != 0 {
		t.Errorf("a key of unknown age is reported as %v", got)
	}
	patch(t, secret, func(s *corev1.Secret) { s.Data[v1alpha1.KeyPrivateKey] = []byte("garbage") })
	eventually(t, func() int { return publishedKeys(t, store) }, 0)
}

// sealingKeySecret returns a Secret with a new sealing key, as the controllers make it.
func sealingKeySecret(namespace, state string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, GenerateName: "key-",
			Labels: map[string]string{
				v1alpha1.LabelSigningKey: string(v1alpha1.KeyAlgorithmA256GCM), v1alpha1.LabelKeyState: state,
			},
			Annotations: map[string]string{v1alpha1.AnnotationKeyActivatedAt: activatedAt},
		},
		Type: v1alpha1.SecretTypeSigningKey,
		Data: map[string][]byte{v1alpha1.KeyPrivateKey: sealingtest.NewKey()},
	}
}

func TestSealingKeysAreKeptApartFromTheJWKS(t *testing.T) {
	operator := newNamespace(t)
	store := startStore(t, kubestore.Options{OperatorNamespace: operator})
	if _, ok := store.SealingKeys().Active(); ok {
		t.Fatal("want an empty set of keys before there is any")
	}
	create(t, signingKeySecret(t, operator, "ES256", v1alpha1.KeyStateActive))
	eventually(t, func() bool { return store.Ready() == nil }, true) // It takes no sealing key.

	secret := sealingKeySecret(operator, v1alpha1.KeyStateNext)
	create(t, secret)
	key, err := sealing.ParseKey(secret.Data[v1alpha1.KeyPrivateKey])
	if err != nil {
		t.Fatal(err)
	}
	known := func() bool { _, ok := store.SealingKeys().ByID(key.ID); return ok }
	active := func() bool { _, ok := store.SealingKeys().Active(); return ok }
	eventually(t, known, true)
	if active() {
		t.Error("a key that is not active yet seals")
	}
	patch(t, secret, func(s *corev1.Secret) { s.Labels[v1alpha1.LabelKeyState] = v1alpha1.KeyStateActive })
	eventually(t, active, true)
	if got, _ := store.SealingKeys().Active(); got.ID != key.ID || got.ActivatedAt.Format(time.RFC3339) != activatedAt {
		t.Errorf("key %s seals since %s, want %s since %s", got.ID, got.ActivatedAt, key.ID, activatedAt)
	}
	if _, published := store.Keys().ByID(key.ID); published || publishedKeys(t, store) != 1 {
		t.Error("the sealing key is among the signing keys")
	}

	// A Secret that is relabelled leaves the one set, and is damaged for the other.
	patch(t, secret, func(s *corev1.Secret) { s.Labels[v1alpha1.LabelSigningKey] = "ES256" })
	eventually(t, known, false)
	if publishedKeys(t, store) != 1 {
		t.Error("a relabelled sealing key is published")
	}
	patch(t, secret, func(s *corev1.Secret) {
		s.Labels[v1alpha1.LabelSigningKey] = string(v1alpha1.KeyAlgorithmA256GCM)
		s.Labels[v1alpha1.LabelKeyState] = v1alpha1.KeyStateRetiring
	})
	eventually(t, known, true)
	if active() {
		t.Error("a retiring key seals")
	}
	remove(t, secret)
	eventually(t, known, false)
}

func TestADamagedSealingKeyIsLeftOut(t *testing.T) {
	operator, log := newNamespace(t), &logBuffer{}
	garbage := sealingKeySecret(operator, v1alpha1.KeyStateActive)
	garbage.Data[v1alpha1.KeyPrivateKey] = []byte("s3cr3t-garbage")
	stateless := sealingKeySecret(operator, "primed")
	signing := signingKeySecret(t, operator, "ES256", v1alpha1.KeyStateActive)
	signing.Labels[v1alpha1.LabelSigningKey] = string(v1alpha1.KeyAlgorithmA256GCM)
	for _, s := range []*corev1.Secret{garbage, stateless, signing} {
		create(t, s)
	}
	store := startStore(t, kubestore.Options{OperatorNamespace: operator, Log: log.logger()})
	if _, ok := store.SealingKeys().Active(); ok || publishedKeys(t, store) != 0 {
		t.Error("a damaged key is used")
	}
	if lines := strings.Count(log.String(), "\n"); lines != 3 || strings.Contains(log.String(), "s3cr3t") {
		t.Errorf("want three lines without what the Secrets hold, got:\n%s", log)
	}
}

// signingSince returns since when each algorithm's key signs, as far as the set knows.
func signingSince(keys *signer.Set) map[string]time.Time {
	times := map[string]time.Time{}
	for _, algorithm := range keys.Algorithms() {
		if key, ok := keys.Active(algorithm); ok && !key.ActivatedAt.IsZero() {
			times[algorithm] = key.ActivatedAt
		}
	}
	return times
}
