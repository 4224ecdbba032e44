// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

var rbacMarker = regexp.MustCompile(`(?m)^// \+kubebuilder:rbac:groups=([^,]+),resources=([^,]+),verbs=(\S+)$`)

// restricted returns a configuration of a user who may do what the markers in a file say, in all namespaces.
func restricted(t *testing.T, file string, wantMarkers int) *rest.Config {
	t.Helper()
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{GenerateName: "sessions-"}}
	for _, marker := range rbacMarker.FindAllStringSubmatch(string(source), -1) {
		role.Rules = append(role.Rules, rbacv1.PolicyRule{
			APIGroups: []string{marker[1]}, Resources: []string{marker[2]}, Verbs: strings.Split(marker[3], ";"),
		})
	}
	if len(role.Rules) != wantMarkers {
		t.Fatalf("%s has %d markers, want %d", file, len(role.Rules), wantMarkers)
	}
	create(t, role)
	create(t, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "sessions-"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: role.Name}},
	})
	config := rest.CopyConfig(restConfig)
	config.Impersonate = rest.ImpersonationConfig{UserName: role.Name}
	return config
}

func TestTheMarkersAllowWhatSessionsDo(t *testing.T) {
	config := restricted(t, "sessions.go", 2)
	r := startReplica(t, config, config)
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	s := createSession(t, r, i)
	if err := r.Replace(t.Context(), s); err != nil {
		t.Error(err)
	}
	if _, err := r.Get(t.Context(), s.Owner, s.ID); err != nil {
		t.Error(err)
	}
	if err := r.End(t.Context(), s.Owner, s.ID); err != nil {
		t.Error(err)
	}
	s = createSession(t, r, i)
	if ended, err := endUser(t, r, s); ended != 1 || err != nil {
		t.Errorf("got %d ended (%v), want 1", ended, err)
	}
	spent := sessions.Spent{Owner: s.Owner, Kind: sessions.KindAccessToken, TokenID: "jti", ExpiresAt: s.ExpiresAt}
	if err := r.Spend(t.Context(), spent); err != nil {
		t.Error(err)
	}
	nobody := func(*sessions.Session) bool { return false }
	if removed, err := r.Sweep(t.Context(), s.ExpiresAt.Add(time.Second), nobody); removed == 0 || err != nil {
		t.Errorf("a sweep removed %d (%v), want the revocation at least", removed, err)
	}
}
