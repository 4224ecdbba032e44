// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/internal/logins"
	"github.com/integration-operator/integration-operator/internal/testplane"
)

const operatorNamespace = "integration-operator-system"

var (
	k8sClient  client.Client
	kubeconfig string
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	env, err := testplane.New()
	if err != nil {
		return 1, err
	}
	// config/default brings the CRDs itself.
	env.CRDDirectoryPaths = nil
	dir, err := os.MkdirTemp("", "config-test-")
	if err != nil {
		return 1, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	return testplane.Run(env, func() int {
		kubeconfig = filepath.Join(dir, "kubeconfig")
		s := runtime.NewScheme()
		for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, v1alpha1.AddToScheme} {
			if err := add(s); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
		}
		if err := os.WriteFile(kubeconfig, env.KubeConfig, 0o600); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if k8sClient, err = client.New(env.Config, client.Options{Scheme: s}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if err := install(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	})
}

// install does what a user does: apply the API with kubectl, wait for it, and apply the whole.
func install(ctx context.Context) error {
	for _, args := range [][]string{
		{"apply", "--server-side", "-k", "crd"},
		{"wait", "--for=condition=Established", "--timeout=60s", "-f", "crd/bases"},
		{"apply", "--server-side", "-k", "default"},
	} {
		if out, err := kubectl(ctx, args...); err != nil {
			return fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}

// kubectl runs the control plane's kubectl in this folder and returns all that it printed.
func kubectl(ctx context.Context, args ...string) (string, error) {
	path, err := testplane.Kubectl()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, path, append([]string{"--kubeconfig", kubeconfig}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	return out.String(), err
}

func TestApplyingConfigAgainChangesNothingAndWarnsOfNothing(t *testing.T) {
	out, err := kubectl(t.Context(), "apply", "--server-side", "-k", "default")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// Among others, warnings are how the API server says that a Pod breaks the namespace's pod-security level.
	if strings.Contains(out, "Warning") {
		t.Errorf("kubectl warns:\n%s", out)
	}
	if out, err := kubectl(t.Context(), "diff", "--server-side", "-k", "default"); err != nil {
		t.Errorf("want no difference, got %v:\n%s", err, out)
	}
}

func TestSamplesApply(t *testing.T) {
	if out, err := kubectl(t.Context(), "create", "namespace", "shop"); err != nil && !strings.Contains(out, "AlreadyExists") {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := kubectl(t.Context(), "apply", "--server-side", "-k", "samples")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var got v1alpha1.IntegrationList
	if err := k8sClient.List(t.Context(), &got, client.InNamespace("shop")); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, intg := range got.Items {
		names = append(names, intg.Name)
		checkUsers(t, &intg)
	}
	if diff := cmp.Diff([]string{"magento-sync", "order-sync", "orocommerce-storefront", "shopware-sync", "stock-report"}, names); diff != "" {
		t.Errorf("samples (-want +got):\n%s", diff)
	}
}

// checkUsers checks that each user of a sample can log in, and that there is one if the sample has the grant password.
func checkUsers(t *testing.T, intg *v1alpha1.Integration) {
	t.Helper()
	if slices.Contains(intg.Spec.GrantTypes, v1alpha1.GrantTypePassword) != (len(intg.Spec.Users) > 0) {
		t.Errorf("Integration %s has %d users and the grants %v", intg.Name, len(intg.Spec.Users), intg.Spec.GrantTypes)
	}
	for _, user := range intg.Spec.Users {
		var secret corev1.Secret
		if err := k8sClient.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: user.SecretRef.Name}, &secret); err != nil {
			t.Fatal(err)
		}
		if _, err := logins.Read(&secret); err != nil || !logins.Consents(secret.Labels, intg.Name) {
			t.Errorf("Secret %s is not one to log in with: %v, labels %v", secret.Name, err, secret.Labels)
		}
	}
}

func TestTheDefaultPolicyAllowsAllThatThereIs(t *testing.T) {
	var policies v1alpha1.IntegrationPolicyList
	if err := k8sClient.List(t.Context(), &policies); err != nil {
		t.Fatal(err)
	}
	if len(policies.Items) != 1 || policies.Items[0].Name != "default" {
		t.Fatalf("want the policy default alone, got %d", len(policies.Items))
	}
	all := []v1alpha1.Pattern{"*"}
	want := v1alpha1.IntegrationPolicySpec{Allow: v1alpha1.Allowance{
		Profiles: []v1alpha1.Profile{
			v1alpha1.ProfileOAuth2, v1alpha1.ProfileShopware, v1alpha1.ProfileOroCommerce, v1alpha1.ProfileMagento,
		},
		GrantTypes: []v1alpha1.GrantType{v1alpha1.GrantTypeClientCredentials, v1alpha1.GrantTypePassword, v1alpha1.GrantTypeRefreshToken},
		Scopes:     all, Audiences: all, ResourceServerAudiences: all, ClientIDs: all,
		CredentialMethods: []v1alpha1.CredentialMethod{
			v1alpha1.CredentialMethodClientSecret, v1alpha1.CredentialMethodPrivateKeyJWT, v1alpha1.CredentialMethodNone,
		},
		MaxTokenLifetime:    &metav1.Duration{Duration: v1alpha1.MaxTokenLifetime},
		MaxRefreshLifetime:  &metav1.Duration{Duration: v1alpha1.MaxRefreshLifetime},
		AccessTokenDelivery: true,
	}}
	if diff := cmp.Diff(want, policies.Items[0].Spec); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
	// A platform team's policy is a sample too; it adds to what there is.
	if out, err := kubectl(t.Context(), "apply", "--server-side", "--dry-run=server", "-f", "samples/integrationpolicy_team.yaml"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// fieldsOf adds the names of all fields below a part of a schema to names.
func fieldsOf(schema map[string]any, names map[string]bool) {
	properties, _ := schema["properties"].(map[string]any)
	for name, property := range properties {
		names[name] = true
		if p, ok := property.(map[string]any); ok {
			fieldsOf(p, names)
		}
	}
	if items, ok := schema["items"].(map[string]any); ok {
		fieldsOf(items, names)
	}
}

func TestTheSampleOfEveryFieldHasThemAll(t *testing.T) {
	sample, err := os.ReadFile("samples/integration_every_field.yaml")
	if err != nil {
		t.Fatal(err)
	}
	crd := &unstructured.Unstructured{}
	crd.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	if err := k8sClient.Get(t.Context(), client.ObjectKey{Name: "integrations.integration-operator.io"}, crd); err != nil {
		t.Fatal(err)
	}
	versions, _, err := unstructured.NestedSlice(crd.Object, "spec", "versions")
	if err != nil || len(versions) != 1 {
		t.Fatalf("the CRD has %d versions: %v", len(versions), err)
	}
	spec, found, err := unstructured.NestedMap(versions[0].(map[string]any), "schema", "openAPIV3Schema", "properties", "spec")
	if err != nil || !found {
		t.Fatalf("the CRD has no spec: %v", err)
	}
	names := map[string]bool{}
	fieldsOf(spec, names)
	if len(names) < 40 {
		t.Fatalf("the CRD has no more than %d fields", len(names))
	}
	for name := range names {
		if !regexp.MustCompile(`\b` + name + `("?:|" and "|" in place)`).Match(sample) {
			t.Errorf("the sample does not show the field %s", name)
		}
	}
}

func TestTheAPIServerTakesThePodsOfTheDeployment(t *testing.T) {
	deployment := getDeployment(t)
	pod := &corev1.Pod{ObjectMeta: deployment.Spec.Template.ObjectMeta, Spec: deployment.Spec.Template.Spec}
	pod.Name, pod.Namespace = "as-deployed", operatorNamespace
	if err := k8sClient.Create(t.Context(), pod, client.DryRunAll); err != nil {
		t.Errorf("the namespace's pod-security level: %v", err)
	}
	pod.ResourceVersion = ""
	pod.Spec.Containers[0].SecurityContext.AllowPrivilegeEscalation = nil
	if err := k8sClient.Create(t.Context(), pod, client.DryRunAll); err == nil || !strings.Contains(err.Error(), "restricted") {
		t.Errorf("want the namespace to refuse a Pod that is not restricted, got %v", err)
	}
}

func TestServicesAndBudgetSelectThePodsAndTheirPorts(t *testing.T) {
	deployment := getDeployment(t)
	template := deployment.Spec.Template
	ports := map[string]int32{}
	for _, port := range template.Spec.Containers[0].Ports {
		ports[port.Name] = port.ContainerPort
	}
	if diff := cmp.Diff(map[string]int32{"token": 8443, "metrics": 8080, "health": 8081}, ports); diff != "" {
		t.Errorf("container ports (-want +got):\n%s", diff)
	}
	for name, wantPort := range map[string]int32{"integration-operator-token-server": 443, "integration-operator-metrics": 8080} {
		var service corev1.Service
		if err := k8sClient.Get(t.Context(), client.ObjectKey{Namespace: operatorNamespace, Name: name}, &service); err != nil {
			t.Fatal(err)
		}
		if !labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(template.Labels)) {
			t.Errorf("Service %s selects %v, which the Pods with %v are not", name, service.Spec.Selector, template.Labels)
		}
		port := service.Spec.Ports[0]
		if port.Port != wantPort || ports[port.TargetPort.StrVal] == 0 {
			t.Errorf("Service %s maps port %d to %s: want %d and a port of the container", name, port.Port, port.TargetPort.StrVal, wantPort)
		}
	}
	var budget policyv1.PodDisruptionBudget
	if err := k8sClient.Get(t.Context(), client.ObjectKey{Namespace: operatorNamespace, Name: "integration-operator"}, &budget); err != nil {
		t.Fatal(err)
	}
	if selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector); err != nil || !selector.Matches(labels.Set(template.Labels)) {
		t.Errorf("the budget selects %v, which the Pods with %v are not (%v)", budget.Spec.Selector, template.Labels, err)
	}
	if got, want := *deployment.Spec.Replicas, int32(2); got != want {
		t.Errorf("replicas are %d, want %d", got, want)
	}
}

func getDeployment(t *testing.T) *appsv1.Deployment {
	t.Helper()
	var deployment appsv1.Deployment
	if err := k8sClient.Get(t.Context(), client.ObjectKey{Namespace: operatorNamespace, Name: "controller-manager"}, &deployment); err != nil {
		t.Fatal(err)
	}
	return &deployment
}

// allowed asks the API server whether a user may do something.
func allowed(t *testing.T, user string, attributes authorizationv1.ResourceAttributes) bool {
	t.Helper()
	review := &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{User: user, ResourceAttributes: &attributes},
	}
	if err := k8sClient.Create(t.Context(), review); err != nil {
		t.Fatal(err)
	}
	return review.Status.Allowed
}

func TestWhatUsersOfTheRolesMayDo(t *testing.T) {
	// The controller manager, which is not part of this control plane, aggregates the roles into view, edit and admin; here
	// each role is bound alone.
	for user, role := range map[string]string{"eve-editor": "integration-editor", "vic-viewer": "integration-viewer"} {
		binding := &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: user, Namespace: metav1.NamespaceDefault},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
		}
		if err := client.IgnoreAlreadyExists(k8sClient.Create(t.Context(), binding)); err != nil {
			t.Fatal(err)
		}
	}
	for user, role := range map[string]string{
		"walt-viewer": "integration-viewer", "pat-platform": "integration-policy-editor", "bind-controller": "integration-service-binding",
	} {
		binding := &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: user},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
		}
		if err := client.IgnoreAlreadyExists(k8sClient.Create(t.Context(), binding)); err != nil {
			t.Fatal(err)
		}
	}
	reads := []string{"get", "list", "watch"}
	writes := []string{"create", "update", "patch", "delete", "deletecollection"}
	for _, test := range []struct {
		name, user, resource, subresource string
		verbs                             []string
		want                              bool
	}{
		{"an editor reads Integrations", "eve-editor", "integrations", "", reads, true},
		{"an editor writes Integrations", "eve-editor", "integrations", "", writes, true},
		{"an editor may not write what is granted", "eve-editor", "integrations", "status", writes, false},
		{"an editor may not touch finalizers by the subresource", "eve-editor", "integrations", "finalizers", writes, false},
		{"a viewer reads Integrations", "vic-viewer", "integrations", "", reads, true},
		{"a viewer writes no Integrations", "vic-viewer", "integrations", "", writes, false},
		{"a viewer may not write what is granted", "vic-viewer", "integrations", "status", writes, false},
		{"a stranger reads no Integrations", "stranger", "integrations", "", reads, false},
		{"an editor sees who is logged in", "eve-editor", "tokensessions", "", reads, true},
		{"an editor ends a login", "eve-editor", "tokensessions", "", []string{"delete"}, true},
		{"an editor neither makes nor changes a login", "eve-editor", "tokensessions", "", []string{"create", "update", "patch"}, false},
		{"an editor sees what is revoked", "eve-editor", "tokenrevocations", "", reads, true},
		{"an editor neither revokes nor takes back a revocation", "eve-editor", "tokenrevocations", "", writes, false},
		{"a viewer sees who is logged in", "vic-viewer", "tokensessions", "", reads, true},
		{"a viewer ends no login", "vic-viewer", "tokensessions", "", writes, false},
		{"a viewer sees what is revoked", "vic-viewer", "tokenrevocations", "", reads, true},
		{"a viewer revokes nothing", "vic-viewer", "tokenrevocations", "", writes, false},
		{"a stranger does not see who is logged in", "stranger", "tokensessions", "", reads, false},
		{"an editor writes no policies", "eve-editor", "integrationpolicies", "", writes, false},
		{"a viewer writes no policies", "vic-viewer", "integrationpolicies", "", writes, false},
		{"who views the whole cluster reads policies", "walt-viewer", "integrationpolicies", "", reads, true},
		{"who views the whole cluster writes none", "walt-viewer", "integrationpolicies", "", writes, false},
		{"who writes policies reads them", "pat-platform", "integrationpolicies", "", reads, true},
		{"who writes policies writes them", "pat-platform", "integrationpolicies", "", writes, true},
		{"who writes policies writes no Integrations by that", "pat-platform", "integrations", "", writes, false},
		{"who writes policies may not write what is granted", "pat-platform", "integrations", "status", writes, false},
		{"a service binding controller reads Integrations", "bind-controller", "integrations", "", reads, true},
		{"a service binding controller writes none", "bind-controller", "integrations", "", writes, false},
		{"a service binding controller reads no policies", "bind-controller", "integrationpolicies", "", reads, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, verb := range test.verbs {
				ask := authorizationv1.ResourceAttributes{
					Namespace: metav1.NamespaceDefault, Verb: verb,
					Group: v1alpha1.GroupVersion.Group, Resource: test.resource, Subresource: test.subresource,
				}
				if test.resource == "integrationpolicies" {
					ask.Namespace = "" // They have none.
				}
				got := allowed(t, test.user, ask)
				if got != test.want {
					t.Errorf("%s: allowed is %v, want %v", verb, got, test.want)
				}
			}
		})
	}
}

func TestRolesAreAggregatedIntoViewEditAndAdmin(t *testing.T) {
	for role, want := range map[string][]string{
		"integration-editor": {"admin", "edit"}, "integration-viewer": {"view"}, "integration-policy-editor": nil,
		"integration-service-binding": nil,
	} {
		var got rbacv1.ClusterRole
		if err := k8sClient.Get(t.Context(), client.ObjectKey{Name: role}, &got); err != nil {
			t.Fatal(err)
		}
		var aggregated []string
		for _, target := range []string{"admin", "edit", "view"} {
			if got.Labels["rbac.authorization.k8s.io/aggregate-to-"+target] == "true" {
				aggregated = append(aggregated, target)
			}
		}
		if diff := cmp.Diff(want, aggregated); diff != "" {
			t.Errorf("%s is aggregated into (-want +got):\n%s", role, diff)
		}
	}
}

func TestWhatTheManagerMayDo(t *testing.T) {
	deployment := getDeployment(t)
	user := "system:serviceaccount:" + operatorNamespace + ":" + deployment.Spec.Template.Spec.ServiceAccountName
	type attributes = authorizationv1.ResourceAttributes
	const group = "integration-operator.io"
	for _, test := range []struct {
		name string
		ask  attributes
		want bool
	}{
		{"it patches the status of Integrations", attributes{Namespace: "shop", Verb: "patch", Group: group, Resource: "integrations", Subresource: "status"}, true},
		{"it never writes a spec", attributes{Namespace: "shop", Verb: "update", Group: group, Resource: "integrations"}, false},
		{"it never makes an Integration", attributes{Namespace: "shop", Verb: "create", Group: group, Resource: "integrations"}, false},
		{"it never deletes an Integration", attributes{Namespace: "shop", Verb: "delete", Group: group, Resource: "integrations"}, false},
		{"it makes Secrets", attributes{Namespace: "shop", Verb: "create", Resource: "secrets"}, true},
		{"it takes part in the election", attributes{Namespace: operatorNamespace, Verb: "update", Group: "coordination.k8s.io", Resource: "leases", Name: "integration-operator-leader"}, true},
		{"it touches no other lease", attributes{Namespace: operatorNamespace, Verb: "update", Group: "coordination.k8s.io", Resource: "leases", Name: "another"}, false},
		{"it has no lease elsewhere", attributes{Namespace: "kube-system", Verb: "update", Group: "coordination.k8s.io", Resource: "leases"}, false},
		{"it keeps logins", attributes{Namespace: "shop", Verb: "patch", Group: group, Resource: "tokensessions"}, true},
		{"it revokes tokens", attributes{Namespace: "shop", Verb: "create", Group: group, Resource: "tokenrevocations"}, true},
		{"it never changes a revocation", attributes{Namespace: "shop", Verb: "patch", Group: group, Resource: "tokenrevocations"}, false},
		{"it reads policies", attributes{Verb: "list", Group: group, Resource: "integrationpolicies"}, true},
		{"it never writes a policy", attributes{Verb: "update", Group: group, Resource: "integrationpolicies"}, false},
		{"it reads Namespaces", attributes{Verb: "watch", Resource: "namespaces"}, true},
		{"it never writes a Namespace", attributes{Verb: "patch", Resource: "namespaces"}, false},
		{"it grants nobody anything", attributes{Verb: "create", Group: rbacv1.GroupName, Resource: "clusterroles"}, false},
		{"it runs no Pods", attributes{Namespace: operatorNamespace, Verb: "create", Resource: "pods"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := allowed(t, user, test.ask); got != test.want {
				t.Errorf("allowed is %v, want %v", got, test.want)
			}
		})
	}
}

// The image is built from the folders that the Dockerfile copies, and from nothing that .dockerignore leaves out.
func TestTheImageHasWhatTheManagerImports(t *testing.T) {
	const module = "github.com/integration-operator/integration-operator/"
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "./cmd/manager")
	list.Dir = testplane.RepositoryRoot()
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		content, err := os.ReadFile(filepath.Join(testplane.RepositoryRoot(), name))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	dockerfile, ignored := read("Dockerfile"), read(".dockerignore")
	for path := range strings.FieldsSeq(string(out)) {
		folder, ours := strings.CutPrefix(path, module)
		if !ours {
			continue
		}
		top, _, _ := strings.Cut(folder, "/")
		if !strings.Contains(dockerfile, "COPY "+top+"/") && !strings.Contains(dockerfile, "COPY "+folder+"/") {
			t.Errorf("cmd/manager imports %s, which the Dockerfile does not copy", folder)
		}
		if !strings.Contains(ignored, "!"+top+"/\n") {
			t.Errorf("cmd/manager imports %s, which .dockerignore leaves out", folder)
		}
	}
}
