// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"crypto/sha256"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

var loginTime = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// someSession returns a session with a value in each field.
func someSession(n int) *sessions.Session {
	return &sessions.Session{
		Owner: sessions.Owner{Namespace: "home", Name: "app", UID: "uid"}, ID: fmt.Sprintf("id%d", n), ClientID: "home.app",
		Username: "ada", UserKind: "Admin", Audiences: []string{"https://api.example"}, Scopes: []string{"read"},
		IssuedAt: loginTime, ExpiresAt: loginTime.Add(time.Hour), Rotations: 2, RotatedAt: loginTime.Add(1234 * time.Microsecond),
		Current: sha256.Sum256([]byte("2")), Previous: sha256.Sum256([]byte("1")), KeyID: "kid", Fingerprint: sha256.Sum256([]byte("f")),
	}
}

// someObject returns the TokenSession of someSession as an API server has it.
func someObject(n int) *v1alpha1.TokenSession {
	s := someSession(n)
	name, _ := sessionName(s.Owner, s.ID)
	object := objectOf(s, name.Name)
	object.ResourceVersion, object.UID = "7", types.UID(fmt.Sprintf("object-%d", n))
	return object
}

func TestASessionIsTheSameAsAnObject(t *testing.T) {
	want := someSession(1)
	want.Version = "uid/7"
	got, ok := sessionOf(someObject(1))
	if diff := cmp.Diff(want, got); diff != "" || !ok {
		t.Errorf("sound %t (-want +got):\n%s", ok, diff)
	}
}

func TestTheLabelOfAUser(t *testing.T) {
	owner := someSession(1).Owner
	seen := map[string]string{}
	for name, label := range map[string]string{
		"ada":                     someObject(1).Labels[labelUser],
		"another user":            userLabel(owner, "bob", "Admin"),
		"another kind":            userLabel(owner, "ada", "Customer"),
		"another Integration":     userLabel(sessions.Owner{Namespace: "home", Name: "app", UID: "uid2"}, "ada", "Admin"),
		"names that join":         userLabel(owner, "nada", "Admi"),
		"a name that is no label": userLabel(owner, strings.Repeat("ä", 253)+"\x00", "Admin"),
	} {
		if other, ok := seen[label]; ok {
			t.Errorf("%s and %s have one label", name, other)
		}
		if errs := validation.IsValidLabelValue(label); len(errs) > 0 || label == "" {
			t.Errorf("%s: the label %q: %v", name, label, errs)
		}
		seen[label] = name
	}
	if again := userLabel(someSession(2).Owner, "ada", "Admin"); seen[again] != "ada" {
		t.Error("one user has two labels")
	}
	trimmed := someObject(1)
	if _, err := trimMetadata(trimmed); err != nil || trimmed.Labels[labelUser] != "" || trimmed.Labels[v1alpha1.LabelIntegration] != "app" {
		t.Errorf("the cache keeps the labels %v (%v), want all but that of the user", trimmed.Labels, err)
	}
}

// The schema lets none of these in, but a schema can be changed.
func TestADamagedSessionIsNone(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*v1alpha1.TokenSession)
	}{
		{"no token hash", func(o *v1alpha1.TokenSession) { o.Status.TokenHash = "" }},
		{"half a token hash", func(o *v1alpha1.TokenSession) { o.Status.TokenHash = o.Status.TokenHash[:32] }},
		{"a token hash and a half", func(o *v1alpha1.TokenSession) { o.Status.TokenHash += o.Status.TokenHash[:32] }},
		{"a token hash that is no hex", func(o *v1alpha1.TokenSession) { o.Status.TokenHash = strings.Repeat("z", 64) }},
		{"a damaged hash of the token before", func(o *v1alpha1.TokenSession) { o.Status.PreviousTokenHash = "00" }},
		{"a damaged fingerprint", func(o *v1alpha1.TokenSession) { o.Status.UserFingerprint = "garbage" }},
		{"no fingerprint", func(o *v1alpha1.TokenSession) { o.Status.UserFingerprint = "" }},
		{"no time of login", func(o *v1alpha1.TokenSession) { o.Spec.IssuedAt = metav1.Time{} }},
		{"no end", func(o *v1alpha1.TokenSession) { o.Status.ExpiresAt = metav1.Time{} }},
		{"a negative number of refreshes", func(o *v1alpha1.TokenSession) { o.Status.Rotations = -1 }},
		{"a name without ID", func(o *v1alpha1.TokenSession) { o.Name = "app-" }},
		{"a name of something else", func(o *v1alpha1.TokenSession) { o.Name = "other-id1" }},
		{"an ID with a dash", func(o *v1alpha1.TokenSession) { o.Name = "app-id-1" }},
		{"nothing at all", func(o *v1alpha1.TokenSession) { *o = v1alpha1.TokenSession{} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			object := someObject(1)
			tt.edit(object)
			if got, ok := sessionOf(object); ok {
				t.Errorf("got %+v, want none", got)
			}
		})
	}
}

func TestTokenIDsDoNotRunIntoOneAnother(t *testing.T) {
	seen := map[string]string{}
	for _, owner := range []sessions.Owner{
		{Namespace: "a", Name: "b", UID: "c"}, {Namespace: "a", Name: "bc"}, {Namespace: "ab", UID: "c"},
	} {
		for _, rest := range [][2]string{{"AccessToken", "x"}, {"AccessTokenx", ""}, {"", "AccessTokenx"}} {
			is := fmt.Sprintf("%v %q", owner, rest)
			name := revocationName(owner, rest[0], rest[1]).Name
			if was, taken := seen[name]; taken {
				t.Errorf("%s has the name of %s", is, was)
			}
			seen[name] = is
		}
	}
}

func TestWhatTheInformerNeverSawIsForgotten(t *testing.T) {
	now := loginTime
	x := newOwnedIndex[*v1alpha1.TokenSession](func() time.Time { return now })
	owner := someSession(0).Owner
	count := func() int { return len(x.beyond(group{owner: owner}, 0)) }
	name := func(n int) types.NamespacedName {
		return types.NamespacedName{Namespace: "home", Name: fmt.Sprintf("app-id%d", n)}
	}
	known := func(n int) bool { _, ok := x.get(name(n)); return ok }

	x.created(someObject(1), now.Add(freshFor))
	x.created(someObject(2), now.Add(freshFor))
	x.set(someObject(2)) // The informer has seen it.
	if count() != 2 || !known(1) || !known(2) {
		t.Fatalf("%d sessions count, want both", count())
	}
	now = now.Add(freshFor + time.Second)
	if known(1) || !known(2) {
		t.Error("want only the session that the informer has seen")
	}
	x.created(someObject(3), now.Add(freshFor))
	if count() != 2 || len(x.objects) != 2 || len(x.fresh) != 1 {
		t.Errorf("%d sessions count, %d are kept, %d of them fresh, want 2, 2 and 1", count(), len(x.objects), len(x.fresh))
	}

	// The informer may be faster than the answer to Create.
	newer := someObject(4)
	newer.ResourceVersion = "8"
	x.set(newer)
	x.created(someObject(4), now.Add(freshFor))
	if got, _ := x.get(name(4)); got != newer {
		t.Error("an old state replaced what the informer has seen since")
	}
	for n := range 5 {
		x.delete(name(n))
	}
	if len(x.objects)+len(x.byGroup)+len(x.fresh) != 0 {
		t.Errorf("left behind: %d objects, %d groups, %d fresh", len(x.objects), len(x.byGroup), len(x.fresh))
	}
}

// BenchmarkTenThousandSessions measures what the store adds to the informers' own memory.
func BenchmarkTenThousandSessions(b *testing.B) {
	objects := make([]*v1alpha1.TokenSession, 10_000)
	for n := range objects {
		objects[n] = someObject(n)
		objects[n].OwnerReferences[0].UID = types.UID(fmt.Sprint(n % 1000))
	}
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		x := newOwnedIndex[*v1alpha1.TokenSession](func() time.Time { return loginTime })
		for _, object := range objects {
			x.set(object)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(x)
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(len(objects)), "bytes/session")
}

// BenchmarkStanding measures what introspection asks about a session, among 10,000.
func BenchmarkStanding(b *testing.B) {
	s := &Sessions{
		sessions:    newOwnedIndex[*v1alpha1.TokenSession](func() time.Time { return loginTime }),
		revocations: newOwnedIndex[*v1alpha1.TokenRevocation](func() time.Time { return loginTime }),
	}
	for n := range 10_000 {
		s.sessions.set(someObject(n))
	}
	owner := someSession(0).Owner
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, session, err := s.Standing(b.Context(), owner, "jti", "id4711"); session == nil || err != nil {
				b.Errorf("%v, %v", session, err)
				return
			}
		}
	})
}
