// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package forwardauth_test

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/yaml"
)

// docsPage is the manual of this package.
const docsPage = "../../docs/forward-auth.md"

// blocks returns the code blocks of a language.
func blocks(page, language string) []string {
	var found []string
	for _, rest := range strings.Split(page, "\n```"+language+"\n")[1:] {
		block, _, _ := strings.Cut(rest, "\n```")
		found = append(found, block+"\n")
	}
	return found
}

func TestDocumentation(t *testing.T) {
	read, err := os.ReadFile(docsPage)
	if err != nil {
		t.Fatal(err)
	}
	page := string(read)
	nginx, err := os.ReadFile(docsNginx)
	if err != nil {
		t.Fatal(err)
	}
	if shown := blocks(page, "nginx"); len(shown) != 1 || shown[0] != string(nginx) {
		t.Errorf("%s does not show %s as it is", docsPage, docsNginx)
	}
	manifests := blocks(page, "yaml")
	if len(manifests) != 3 {
		t.Errorf("got %d blocks of YAML, want those for ingress-nginx, Traefik and Envoy", len(manifests))
	}
	for _, manifest := range manifests {
		decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(manifest), 4096)
		for {
			var document map[string]any
			err := decoder.Decode(&document)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil || len(document) == 0 {
				t.Fatalf("parse the YAML (%v):\n%s", err, manifest)
			}
		}
		for _, header := range []string{"x-auth-client-id", "x-auth-subject", "x-auth-scope", "x-auth-integration"} {
			if !strings.Contains(strings.ToLower(manifest), header) {
				t.Errorf("a sample leaves %s to the client:\n%s", header, manifest)
			}
		}
	}
}
