// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// show gets a token the way any client does, verifies it the way any API does, and prints both.
func show(ctx context.Context, l layout, s *state) error {
	secret, err := readSecret(ctx, l, integration, "client_id", "client_secret", "token_url", "issuer", "ca.crt")
	if err != nil {
		return err
	}
	if err := writeFile(l.caFile(), secret["ca.crt"]); err != nil {
		return err
	}
	if err := writeEnv(l, s); err != nil {
		return err
	}
	progress("Getting a token with curl and the credentials of Secret " + namespace + "/" + integration)
	token, err := requestToken(ctx, l, secret)
	if err != nil {
		return err
	}
	progress("Verifying it with an independent library: discovery, keys, signature, issuer, audience, expiry")
	if err := verify(ctx, l, string(secret["issuer"]), audience, token); err != nil {
		return err
	}
	progress("Getting and verifying a token of each other profile, as a client of that system does")
	profiles, err := profileTokens(ctx, l, string(secret["issuer"]))
	if err != nil {
		return err
	}
	table, err := kubectl(ctx, l, nil, "get", "integrations", "--all-namespaces")
	if err != nil {
		return err
	}
	header, claims, err := decode(token)
	if err != nil {
		return err
	}
	fmt.Printf("\nThe Integrations:\n%s\nThe token, verified:\n%s\n\nIts header:\n%s\n\nIts claims:\n%s\n", table, token, header, claims)
	printNextSteps(l, s)
	plain := profileToken{
		profile: "OAuth2", integration: integration, how: "POST /oauth2/token, client_credentials by HTTP Basic", token: token,
	}
	return printTokens(append([]profileToken{plain}, profiles...))
}

func printNextSteps(l layout, s *state) {
	fmt.Printf(`
It all runs on in the background. What to do next, from this folder:

  . %[1]s                        # KUBECONFIG, TOKEN_SERVER_URL, CA_FILE, and kubectl on the PATH
  kubectl get integrations -A
  kubectl get secret %[2]s -n %[3]s -o yaml
  hack/docs/run.sh docs/logins.md      # log in, refresh, ask about a token, revoke
  curl --cacert "$CA_FILE" "$TOKEN_SERVER_URL/.well-known/openid-configuration"
  curl %[4]s

  make quickstart                       # again: takes up what runs, with a newly built manager if there is one
  make quickstart-down                  # stops it and removes %[5]s
`, l.shown(l.envFile()), integration, namespace, l.metricsURL(s), l.shown(l.root))
}

// readSecret returns the data of a Secret, which must have the keys.
func readSecret(ctx context.Context, l layout, name string, keys ...string) (map[string][]byte, error) {
	out, err := kubectl(ctx, l, nil, "get", "secret", name, "-n", namespace, "-o", "json")
	if err != nil {
		return nil, err
	}
	var secret struct {
		Data map[string][]byte `json:"data"`
	}
	if err := json.Unmarshal(out, &secret); err != nil {
		return nil, fmt.Errorf("parse Secret %s/%s: %w", namespace, name, err)
	}
	for _, key := range keys {
		if len(secret.Data[key]) == 0 {
			return nil, fmt.Errorf("read Secret %s/%s: it has no %s", namespace, name, key)
		}
	}
	return secret.Data, nil
}

// writeEnv writes what a shell needs to go on by hand.
func writeEnv(l layout, s *state) error {
	env := fmt.Sprintf("export KUBECONFIG=%s\nexport TOKEN_SERVER_URL=%s\nexport CA_FILE=%s\n# kubectl is here:\nexport PATH=%s:\"$PATH\"\n",
		shellQuote(l.kubeconfig()), shellQuote(l.issuer(s)), shellQuote(l.caFile()), shellQuote(l.binaries))
	return writeFile(l.envFile(), []byte(env))
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// requestToken asks for a token with curl. The credentials go to its standard input: on its command line every user of this
// machine could read them.
func requestToken(ctx context.Context, l layout, secret map[string][]byte) (string, error) {
	answer, err := curl(ctx, l, string(secret["token_url"]),
		"user = "+curlQuote(string(secret["client_id"])+":"+string(secret["client_secret"])), `data = "grant_type=client_credentials"`)
	if err != nil {
		return "", err
	}
	return accessTokenOf(answer)
}

// accessTokenOf returns the access token of a reply.
func accessTokenOf(answer []byte) (string, error) {
	var reply struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(answer, &reply); err != nil || reply.AccessToken == "" {
		return "", fmt.Errorf("get a token: the server answers %s", answer)
	}
	return reply.AccessToken, nil
}

// curl sends a request with further lines of curl's configuration, and returns the reply.
func curl(ctx context.Context, l layout, url string, config ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	lines := append([]string{
		"silent", "show-error", "max-time = 30", `noproxy = "*"`, "cacert = " + curlQuote(l.caFile()), "url = " + curlQuote(url),
	}, config...)
	cmd := exec.CommandContext(ctx, "curl", "--disable", "--config", "-")
	var out, problems bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(strings.Join(lines, "\n")), &out, &problems
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("get a token with curl: %w: %s", err, strings.TrimSpace(problems.String()))
	}
	return out.Bytes(), nil
}

func curlQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// verify checks the token as an API would that knows nothing but the issuer's URL and its own name.
func verify(ctx context.Context, l layout, issuer, wantAudience, token string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ca, err := os.ReadFile(l.caFile())
	if err != nil {
		return fmt.Errorf("read the CA certificate: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return errors.New("read the CA certificate: it is no PEM certificate")
	}
	tlsConfig := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	ctx = oidc.ClientContext(ctx, &http.Client{Transport: &http.Transport{TLSClientConfig: tlsConfig}})
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return fmt.Errorf("discover %s: %w", issuer, err)
	}
	algorithms := []string{oidc.ES256, oidc.RS256, oidc.EdDSA}
	verifier := provider.VerifierContext(ctx, &oidc.Config{ClientID: wantAudience, SupportedSigningAlgs: algorithms})
	if _, err := verifier.Verify(ctx, token); err != nil {
		return fmt.Errorf("verify the token: %w", err)
	}
	return nil
}

// decode returns the header and the claims of a JWT, indented for people.
func decode(token string) (header, claims string, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", "", errors.New("decode the token: it does not have three parts")
	}
	var decoded [2]string
	for i := range decoded {
		data, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return "", "", fmt.Errorf("decode the token: %w", err)
		}
		var indented bytes.Buffer
		if err := json.Indent(&indented, data, "", "  "); err != nil {
			return "", "", fmt.Errorf("decode the token: %w", err)
		}
		decoded[i] = indented.String()
	}
	return decoded[0], decoded[1], nil
}
