// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/sealing"
	"github.com/integration-operator/integration-operator/tokenserver/sealing/sealingtest"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// announcing and superseding return records as the two writes of a rotation leave them.
func announcing(next string) v1alpha1.RotationRecord {
	return v1alpha1.RotationRecord{Next: &v1alpha1.AnnouncedSecret{Digest: v1alpha1.DigestOf(soundSecret(next)), Since: rotated}}
}

func superseding(previous string, until time.Duration) v1alpha1.RotationRecord {
	return v1alpha1.RotationRecord{
		RotatedAt: rotated,
		Previous:  &v1alpha1.SupersededSecret{Digest: v1alpha1.DigestOf(soundSecret(previous)), Until: rotated.Add(until)},
	}
}

// acceptedBy returns which of the words a client gets in with at the time of the rotation; of the previous ones with a mark.
func acceptedBy(c *clients.Client, words ...string) []string {
	var accepted []string
	for _, word := range words {
		ok, previous := c.Authenticate(string(soundSecret(word)), rotated)
		if ok && previous {
			word += " (previous)"
		}
		if ok {
			accepted = append(accepted, word)
		}
	}
	return accepted
}

func TestWhichSecretsAreAcceptedDuringARotation(t *testing.T) {
	both := announcing("next")
	both.RotatedAt, both.Previous = superseding("old", time.Hour).RotatedAt, superseding("old", time.Hour).Previous
	for _, tt := range []struct {
		name string
		// edit changes the credentials Secret, whose client secret is "app".
		edit          func(*corev1.Secret)
		want          []string
		wantRotatedAt time.Time
	}{
		{"no rotation", func(*corev1.Secret) {}, []string{"app"}, time.Time{}},
		{"a rotation that is over", func(s *corev1.Secret) { rotate(s, v1alpha1.RotationRecord{RotatedAt: rotated}) }, []string{"app"}, time.Time{}},
		{"a secret that is announced", func(s *corev1.Secret) { rotate(s, announcing("next")) }, []string{"app", "next"}, time.Time{}},
		{"a previous secret", func(s *corev1.Secret) { rotate(s, superseding("old", time.Hour)) }, []string{"app", "old (previous)"}, rotated},
		{"a previous secret that has expired", func(s *corev1.Secret) { rotate(s, superseding("old", 0)) }, []string{"app"}, rotated},
		{"an announced one and a previous one", func(s *corev1.Secret) { rotate(s, both) }, []string{"app", "next", "old (previous)"}, rotated},
		{"a previous secret that is the current one", func(s *corev1.Secret) { rotate(s, superseding("app", time.Hour)) }, []string{"app"}, rotated},
		{"a damaged record", func(s *corev1.Secret) {
			rotate(s, both)
			s.Annotations[v1alpha1.AnnotationRotation] = strings.Replace(s.Annotations[v1alpha1.AnnotationRotation], `"until":"2026`, `"until":"x`, 1)
		}, []string{"app"}, time.Time{}},
		{"a record that is no JSON", func(s *corev1.Secret) { s.Annotations[v1alpha1.AnnotationRotation] = "x" }, []string{"app"}, time.Time{}},
		{"a record that is too long", func(s *corev1.Secret) {
			rotate(s, both)
			s.Annotations[v1alpha1.AnnotationRotation] += strings.Repeat(" ", 4096)
		}, []string{"app"}, time.Time{}},
		{"without a client secret nothing of the record counts", func(s *corev1.Secret) { rotate(s, both); s.Data = nil }, nil, time.Time{}},
		{"with a damaged client secret nothing of the record counts", func(s *corev1.Secret) {
			rotate(s, both)
			s.Data["k"] = []byte("short")
		}, nil, time.Time{}},
		{"of another Integration's Secret nothing counts", func(s *corev1.Secret) {
			rotate(s, both)
			s.OwnerReferences[0].UID = "another"
		}, nil, time.Time{}},
		{"of a Secret that nobody controls nothing counts", func(s *corev1.Secret) {
			rotate(s, both)
			s.OwnerReferences[0].Controller = new(bool)
		}, nil, time.Time{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := newClientIndex(slog.New(slog.DiscardHandler))
			integrations, secrets := handlers(x)
			i := grantedIntegration("home", "app", "")
			integrations.OnAdd(i, true)
			s := credentialsSecret(i, "app")
			tt.edit(s)
			secrets.OnAdd(s, true)
			c, _ := x.client("home.app")
			if diff := cmp.Diff(tt.want, acceptedBy(c, "app", "next", "old")); diff != "" {
				t.Errorf("accepted (-want +got):\n%s", diff)
			}
			if !c.RotatedAt.Equal(tt.wantRotatedAt) {
				t.Errorf("rotated at %s, want %s", c.RotatedAt, tt.wantRotatedAt)
			}
		})
	}
}

func TestARotationStepByStep(t *testing.T) {
	x := newClientIndex(slog.New(slog.DiscardHandler))
	integrations, secrets := handlers(x)
	i := grantedIntegration("home", "app", "")
	integrations.OnAdd(i, true)
	before := credentialsSecret(i, "app")
	secrets.OnAdd(before, true)
	for n, step := range []struct {
		current string
		record  v1alpha1.RotationRecord
		want    []string
	}{
		{"app", announcing("next"), []string{"app", "next"}},
		{"app", announcing("another"), []string{"app", "another"}}, // Of another leader.
		{"another", superseding("app", time.Hour), []string{"app (previous)", "another"}},
		{"another", v1alpha1.RotationRecord{RotatedAt: rotated}, []string{"another"}},
	} {
		after := before.DeepCopy()
		after.ResourceVersion += "0"
		after.Data["k"] = soundSecret(step.current)
		rotate(after, step.record)
		secrets.OnUpdate(before, after)
		before = after
		c, _ := x.client("home.app")
		if diff := cmp.Diff(step.want, acceptedBy(c, "app", "next", "another")); diff != "" || len(c.Secrets) != len(step.want) {
			t.Errorf("step %d: %d accepted (-want +got):\n%s", n, len(c.Secrets), diff)
		}
	}
}

// While a Secret is renamed there are two, and what counts in one of them counts.
func TestTwoSecretsOfARenamedOne(t *testing.T) {
	for _, order := range permutations(3) {
		x := newClientIndex(slog.New(slog.DiscardHandler))
		integrations, secrets := handlers(x)
		i := grantedIntegration("home", "app", "")
		named(i, "latter", "former")
		former, latter := credentialsSecret(i, "former"), credentialsSecret(i, "latter")
		former.Data["k"], latter.Data["k"] = soundSecret("before"), soundSecret("now")
		rotate(former, announcing("now"))
		rotate(latter, superseding("before", time.Hour))
		for _, at := range order {
			switch at {
			case 0:
				integrations.OnAdd(i, true)
			case 1:
				secrets.OnAdd(former, true)
			case 2:
				secrets.OnAdd(latter, true)
			}
		}
		c, _ := x.client("home.app")
		if diff := cmp.Diff([]string{"before", "now"}, acceptedBy(c, "before", "now")); diff != "" || len(c.Secrets) != 2 {
			t.Errorf("in order %v: %d accepted (-want +got):\n%s", order, len(c.Secrets), diff)
		}
		moved := i.DeepCopy()
		moved.ResourceVersion = "2"
		named(moved, "latter", "latter")
		for _, then := range []struct {
			what string
			do   func()
		}{
			{"status names the latter", func() { integrations.OnUpdate(i, moved) }},
			{"the former one is gone", func() { secrets.OnDelete(former) }},
		} {
			then.do()
			c, _ = x.client("home.app")
			if diff := cmp.Diff([]string{"before (previous)", "now"}, acceptedBy(c, "before", "now")); diff != "" {
				t.Errorf("in order %v, after %s (-want +got):\n%s", order, then.what, diff)
			}
		}
	}
}

// Who may write Secrets but not read them must not get a client secret of their own choice accepted.
func TestWhichNamesASecretMayHave(t *testing.T) {
	for _, tt := range []struct {
		name           string
		wanted, former string
		want           []string
	}{
		{"an Integration without a wish has a Secret of its own name", "", "", []string{"app"}},
		{"where spec names another, that of its own name counts no longer", "wanted", "", []string{"wanted"}},
		{"while the Secret moves it counts under both names", "wanted", "former", []string{"wanted", "former"}},
		{"while it moves to the Integration's own name, too", "", "former", []string{"app", "former"}},
		{"once status names the wanted one the former counts no longer", "wanted", "wanted", []string{"wanted"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, order := range permutations(5) {
				x := newClientIndex(slog.New(slog.DiscardHandler))
				integrations, secrets := handlers(x)
				i := grantedIntegration("home", "app", "")
				named(i, tt.wanted, tt.former)
				names := []string{"app", "wanted", "former", "planted"}
				for _, at := range order {
					if at == len(names) {
						integrations.OnAdd(i, true)
						continue
					}
					// With everything else that a credentials Secret has.
					secrets.OnAdd(credentialsSecret(i, names[at]), true)
				}
				c, _ := x.client("home.app")
				if diff := cmp.Diff(tt.want, acceptedBy(c, names...)); diff != "" || len(c.Secrets) != len(tt.want) {
					t.Errorf("in order %v: %d accepted (-want +got):\n%s", order, len(c.Secrets), diff)
				}
			}
		})
	}
}

// Integrations and Secrets come by two watches, and each may lag behind the other.
func TestARenameLeavesNoMomentWithoutAClientSecret(t *testing.T) {
	before := grantedIntegration("home", "app", "")
	named(before, "old", "old")
	during, after := before.DeepCopy(), before.DeepCopy()
	named(during, "new", "old")
	named(after, "new", "new")
	during.ResourceVersion, after.ResourceVersion = "during", "after"
	old, renamed := credentialsSecret(before, "old"), credentialsSecret(before, "new")
	type index struct {
		integrations, secrets toolscache.ResourceEventHandler
	}
	integrationSteps := []func(index){
		func(x index) { x.integrations.OnUpdate(before, during) },
		func(x index) { x.integrations.OnUpdate(during, after) },
	}
	secretSteps := []func(index){
		func(x index) { x.secrets.OnAdd(renamed, false) },
		func(x index) { x.secrets.OnDelete(old) },
	}
	// Every way in which the two watches may take turns: which of the four steps are those of Secrets.
	for _, turns := range [][]bool{
		{false, false, true, true},
		{false, true, false, true},
		{false, true, true, false},
		{true, false, false, true},
		{true, false, true, false},
		{true, true, false, false},
	} {
		x := newClientIndex(slog.New(slog.DiscardHandler))
		integrations, secrets := handlers(x)
		integrations.OnAdd(before, true)
		secrets.OnAdd(old, true)
		nextIntegration, nextSecret := integrationSteps, secretSteps
		for n, ofSecrets := range turns {
			if ofSecrets {
				nextSecret[0](index{integrations, secrets})
				nextSecret = nextSecret[1:]
			} else {
				nextIntegration[0](index{integrations, secrets})
				nextIntegration = nextIntegration[1:]
			}
			if c, ok := x.client("home.app"); !ok || len(c.Secrets) == 0 {
				t.Errorf("turns %v: after step %d the client has no secret", turns, n)
			}
		}
		c, _ := x.client("home.app")
		if diff := cmp.Diff([]string{"new"}, acceptedBy(c, "old", "new")); diff != "" {
			t.Errorf("turns %v: accepted in the end (-want +got):\n%s", turns, diff)
		}
	}
}

func TestClientOf(t *testing.T) {
	i := grantedIntegration("home", "app", "")
	i.Status.Granted.Users = []v1alpha1.User{{SecretRef: v1alpha1.SecretReference{Name: "ada"}}}
	i.Spec.Suspend = true
	x := newClientIndex(slog.New(slog.DiscardHandler))
	integrations, secrets := handlers(x)
	integrations.OnAdd(i, true)
	secrets.OnAdd(credentialsSecret(i, "app"), true)
	secrets.OnAdd(loginSecret("home", "ada"), true)
	stored, _ := x.client("home.app")
	want := *stored
	want.Secrets, want.Users = nil, nil
	got, ok := ClientOf(i)
	if diff := cmp.Diff(&want, got); !ok || diff != "" {
		t.Errorf("client (-stored without secrets and users +got):\n%s", diff)
	}
	for name, edit := range map[string]func(*v1alpha1.Integration){
		"without a grant":          func(i *v1alpha1.Integration) { i.Status.Granted = nil },
		"without access":           func(i *v1alpha1.Integration) { i.Status.Granted.Access = nil },
		"without a client ID":      func(i *v1alpha1.Integration) { i.Status.ClientID = "" },
		"with another's client ID": func(i *v1alpha1.Integration) { i.Status.ClientID = "home.other" },
		"that goes":                func(i *v1alpha1.Integration) { i.DeletionTimestamp = &metav1.Time{Time: rotated} },
	} {
		other := i.DeepCopy()
		edit(other)
		if c, ok := ClientOf(other); ok || c != nil {
			t.Errorf("an Integration %s has client %+v", name, c)
		}
	}
}

// What an access token outside of a request takes: the client, what it may have, an issuer, and a verifier to look at it later.
func TestATokenCanBeMadeOfAnIntegrationAlone(t *testing.T) {
	i := grantedIntegration("home", "app", "")
	i.Status.Granted.TokenFormat, i.Status.Granted.DefaultScopes = v1alpha1.TokenFormatOpaque, []string{"read"}
	c, ok := ClientOf(i)
	if !ok {
		t.Fatal("the Integration has no client")
	}
	key, err := sealing.ParseKey(sealingtest.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	key.Active = true
	keys, now := sealing.NewSet([]*sealing.Key{key}), func() time.Time { return rotated.Add(time.Millisecond) }
	access, _, ok := c.Policy().ChooseAccess([]string{"https://api.example"})
	scopes, _, granted := c.Policy().ChooseScopes(access, nil)
	if !ok || !granted {
		t.Fatalf("got audiences %v and scopes %v", access, scopes)
	}
	made, err := (&tokens.Issuer{URL: "https://tokens.example", Sealing: keys, Now: now}).AccessToken(tokens.Terms{
		Client: c, Subject: tokens.SubjectOf(c, nil), Audience: []string{access[0].Audience}, Scope: strings.Join(scopes, " "),
	})
	if err != nil {
		t.Fatal(err)
	}
	claims, err := (&tokens.Verifier{Issuer: "https://tokens.example", Sealing: keys, Now: now}).AccessToken(made.Token)
	if err != nil {
		t.Fatal(err)
	}
	if claims.ClientID != "home.app" || claims.Integration.UID != "home-app" || claims.Scope != "read" ||
		!slices.Equal(claims.Audience, []string{"https://api.example"}) || !tokens.IsOpaque(made.Token) {
		t.Errorf("got claims %+v, opaque %t", claims, tokens.IsOpaque(made.Token))
	}
	if claims.IssuedAt != made.IssuedAt.Unix() || claims.ExpiresAt != made.ExpiresAt.Unix() || made.ExpiresAt.Sub(made.IssuedAt) != time.Minute {
		t.Errorf("the token says %d to %d, and what came with it %s to %s", claims.IssuedAt, claims.ExpiresAt, made.IssuedAt, made.ExpiresAt)
	}
}
