// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package forwardauth_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"

	"github.com/integration-operator/integration-operator/tokenserver/certificates/certtest"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	world "github.com/integration-operator/integration-operator/tokenserver/introspection/introspectiontest"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// requireServers is the environment variable that makes the lack of a server a failure.
const requireServers = "INTEGRATION_OPERATOR_TEST_REQUIRE_SERVERS"

// docsNginx is the configuration that the documentation shows, and that is tested here.
const docsNginx = "../../docs/examples/nginx.conf"

// startNginx starts the real nginx with the documented configuration, and returns a client whose every connection goes to
// it. Nothing of the configuration is changed but where things are.
func startNginx(t *testing.T, tokenServer string, caPEM []byte, api string) *http.Client {
	t.Helper()
	binary, err := exec.LookPath("nginx")
	if err != nil {
		if os.Getenv(requireServers) != "" {
			t.Fatalf("nginx is not there, and %s is set: install it", requireServers)
		}
		t.Skip("nginx is not on the PATH: install Debian's package nginx to run this test")
	}
	documented, err := os.ReadFile(docsNginx)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.crt")
	if err := os.WriteFile(ca, caPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "nginx.sock")
	config := string(documented)
	const host = "integration-operator-token-server.integration-operator-system.svc"
	for _, place := range [][2]string{
		{host + ":443;", tokenServer + ";"},
		{"proxy_ssl_name " + host, "proxy_ssl_name example.com"}, // the name in httptest's certificate
		{"orders.shop.svc:8080", api},
		{"listen 8080;", "listen unix:" + socket + ";"},
		{"/etc/nginx/token-server/ca.crt", ca},
		{"https://orders.shop.example", world.Audience},
		{"scope=orders.read", "scope=read"},
	} {
		if !strings.Contains(config, place[0]) {
			t.Fatalf("%s lacks %q", docsNginx, place[0])
		}
		config = strings.ReplaceAll(config, place[0], place[1])
	}
	// One process, which is this test's to end.
	main := fmt.Sprintf("daemon off;\nmaster_process off;\npid %[1]s/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n"+
		"client_body_temp_path %[1]s/body;\nproxy_temp_path %[1]s/proxy;\nfastcgi_temp_path %[1]s/fastcgi;\nuwsgi_temp_path %[1]s/uwsgi;\n"+
		"scgi_temp_path %[1]s/scgi;\n%[2]s}\n", dir, config)
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(main), 0o600); err != nil {
		t.Fatal(err)
	}
	log := &bytes.Buffer{}
	command := exec.CommandContext(context.WithoutCancel(t.Context()), binary, "-p", dir, "-c", path, "-e", "stderr")
	command.Stderr = log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait()
		if t.Failed() {
			t.Logf("nginx: %s", log)
		}
	})
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	NewWithT(t).Eventually(func() error {
		conn, err := dial(t.Context(), "", "")
		if err == nil {
			err = conn.Close()
		}
		return err
	}).WithTimeout(10 * time.Second).WithPolling(10 * time.Millisecond).Should(Succeed())
	transport := &http.Transport{DialContext: dial}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// caOf returns the CA of a server, which is its certificate.
func caOf(server *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}

// An arrival is what reached the API.
type arrival struct {
	Method, URI, Body string
	Identity          map[string]string
	Authorization     string
}

// newAPI returns an API that notes what reaches it.
func newAPI(t *testing.T, arrivals chan<- arrival) *httptest.Server {
	t.Helper()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		a := arrival{r.Method, r.RequestURI, string(body), map[string]string{}, r.Header.Get("Authorization")}
		for name, values := range r.Header {
			if strings.HasPrefix(name, "X-Auth-") {
				a.Identity[name] = strings.Join(values, "|")
			}
		}
		arrivals <- a
		if r.URL.Path == "/orders/forbidden" {
			http.Error(w, "the API's own 403", http.StatusForbidden)
			return
		}
		_, _ = io.WriteString(w, "orders")
	}))
	t.Cleanup(api.Close)
	return api
}

func TestNginx(t *testing.T) {
	w := world.New(t)
	tokenServer := httptest.NewTLSServer(newHandler(w))
	t.Cleanup(tokenServer.Close)
	arrivals := make(chan arrival, 1)
	api := newAPI(t, arrivals).Listener.Addr().String()
	client := startNginx(t, tokenServer.Listener.Addr().String(), caOf(tokenServer), api)

	good := w.AccessToken(t, world.Signed, nil).Token
	user, _, _ := w.Login(t, world.Opaque, world.Admin)
	scopeless := w.AccessToken(t, world.Signed, func(terms *tokens.Terms) { terms.Scope = "write" }).Token
	elsewhere := w.AccessToken(t, world.Signed, func(terms *tokens.Terms) { terms.Audience = []string{"https://bank.example"} }).Token
	forged := []string{
		"X-Auth-Client-Id", "root", "X-Auth-Subject", "root", "x-auth-scope", "everything", "X-Auth-Integration", "kube-system/root",
		"X-Verify-Kind", "Client",
	}
	identity := map[string]string{
		"X-Auth-Client-Id": "shop.signed", "X-Auth-Subject": "shop.signed", "X-Auth-Scope": "read write", "X-Auth-Integration": "shop/signed",
	}
	tests := []struct {
		name, method, path, body, token string
		headers                         []string
		wantStatus                      int
		wantChallenge, wantBody         string
		want                            *arrival
	}{
		{
			name: "no token", method: "GET", path: "/orders/1", wantStatus: 401, wantChallenge: plain,
		},
		{
			name: "no token, and a forged identity", method: "GET", path: "/orders/1", headers: forged, wantStatus: 401, wantChallenge: plain,
		},
		{
			name: "a bad token", method: "GET", path: "/orders/1", token: "junk", wantStatus: 401, wantChallenge: invalid,
		},
		{
			name: "a malformed header is a 401 and no 500", method: "GET", path: "/orders/1", token: "a b", wantStatus: 401, wantChallenge: badAuth,
		},
		{
			name: "a good token", method: "GET", path: "/orders/1?page=2", token: good, wantStatus: 200, wantBody: "orders",
			want: &arrival{Method: "GET", URI: "/orders/1?page=2", Identity: identity},
		},
		{
			name: "a good token, and a forged identity", method: "GET", path: "/orders/1", token: good, headers: forged, wantStatus: 200,
			wantBody: "orders", want: &arrival{Method: "GET", URI: "/orders/1", Identity: identity},
		},
		{
			name: "a user's opaque token", method: "GET", path: "/orders/", token: user.Token, wantStatus: 200, wantBody: "orders",
			want: &arrival{Method: "GET", URI: "/orders/", Identity: map[string]string{
				"X-Auth-Client-Id": "shop.opaque", "X-Auth-Subject": "shop.opaque:zo%C3%AB", "X-Auth-Scope": "read write",
				"X-Auth-Integration": "shop/opaque",
			}},
		},
		{
			name: "a POST with a body", method: "POST", path: "/orders/", body: `{"sku":1}`, token: good, wantStatus: 200, wantBody: "orders",
			want: &arrival{Method: "POST", URI: "/orders/", Body: `{"sku":1}`, Identity: identity},
		},
		{
			name: "a client's query decides nothing", method: "GET", token: scopeless, wantStatus: 403,
			path: "/orders/1?scope=write&audience=" + world.Issuer,
			wantChallenge: plain + `, error="insufficient_scope", error_description="the token lacks a scope that the API requires", ` +
				`scope="read"`,
		},
		{
			name: "a token for another API", method: "GET", path: "/orders/1", token: elsewhere, wantStatus: 401,
			wantChallenge: plain + `, error="invalid_token", error_description="the token is not meant for this API"`,
		},
		{
			name: "a 403 of the API itself passes as it is", method: "GET", path: "/orders/forbidden", token: good, wantStatus: 403,
			wantBody: "the API's own 403\n", want: &arrival{Method: "GET", URI: "/orders/forbidden", Identity: identity},
		},
		{
			name: "the endpoint is nobody's to ask", method: "GET", path: "/_verify", token: good, wantStatus: 404,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), tt.method, "http://orders.example"+tt.path, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			for pair := range slices.Chunk(tt.headers, 2) {
				request.Header.Set(pair[0], pair[1])
			}
			if tt.token != "" {
				request.Header.Set("Authorization", "Bearer "+tt.token)
			}
			response, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			_ = response.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != tt.wantStatus || (tt.wantBody != "" && string(body) != tt.wantBody) {
				t.Errorf("got %s %s, want %d %s", response.Status, body, tt.wantStatus, tt.wantBody)
			}
			if diff := cmp.Diff(challenges(tt.wantChallenge), response.Header["Www-Authenticate"]); diff != "" {
				t.Errorf("challenge (-want +got):\n%s", diff)
			}
			var got *arrival
			select {
			case a := <-arrivals:
				got = &a
			default:
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("what reached the API (-want +got):\n%s", diff)
			}
		})
	}

	t.Run("a revoked token", func(t *testing.T) {
		w.Change(world.Signed, func(c *clients.Client) { c.Suspended = true })
		wantStatus(t, client, good, http.StatusUnauthorized)
	})
	t.Run("nothing passes while the token server is away", func(t *testing.T) {
		tokenServer.Close()
		wantStatus(t, client, user.Token, http.StatusInternalServerError)
		select {
		case a := <-arrivals:
			t.Errorf("%+v reached the API", a)
		default:
		}
	})
}

// challenges returns the header lines of a challenge.
func challenges(challenge string) []string {
	if challenge == "" {
		return nil
	}
	return []string{challenge}
}

// wantStatus asks for an order, and checks the status of the reply.
func wantStatus(t *testing.T, client *http.Client, token string, want int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://orders.example/orders/1", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != want {
		t.Errorf("got %s, want %d", response.Status, want)
	}
}

// TestNginxBelievesNoOtherServer checks that a server with another certificate, which says yes to everything, is not
// believed.
func TestNginxBelievesNoOtherServer(t *testing.T) {
	impostor := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	t.Cleanup(impostor.Close)
	arrivals := make(chan arrival, 1)
	api := newAPI(t, arrivals).Listener.Addr().String()
	wantStatus(t, startNginx(t, impostor.Listener.Addr().String(), caOf(impostor), api), "junk", http.StatusOK)
	if a := <-arrivals; a.URI != "/orders/1" {
		t.Errorf("got %+v", a)
	}
	otherCA := certtest.New(t, "another").Certificate
	wantStatus(t, startNginx(t, impostor.Listener.Addr().String(), otherCA, api), "junk", http.StatusInternalServerError)
	select {
	case a := <-arrivals:
		t.Errorf("%+v reached the API", a)
	default:
	}
}
