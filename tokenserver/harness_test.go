// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package tokenserver_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/integration-operator/integration-operator/tokenserver"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/limits"
	"github.com/integration-operator/integration-operator/tokenserver/sealing"
	"github.com/integration-operator/integration-operator/tokenserver/sealing/sealingtest"
	"github.com/integration-operator/integration-operator/tokenserver/sessions/sessionstest"
	"github.com/integration-operator/integration-operator/tokenserver/signer"
	"github.com/integration-operator/integration-operator/tokenserver/signer/signertest"
)

// The clients of the tests. Their secret holds what needs encoding.
const (
	clientSecret = "hush+%&: \"quoted\" secret-0123456789-é"
	otherSecret  = "hush-another-secret-that-is-not-accepted"
	// previousSecret is accepted beside clientSecret.
	previousSecret = "hush-previous-secret-0123456789"
	// panicID makes the client source panic, with the secret in the message.
	panicID = "panic"
)

// memory is a client and key source.
type memory struct {
	clients map[string]*clients.Client
	set     *signer.Set
	sealing *sealing.Set
	// standIn is the Integration that logins without a client go to at bare routes, as namespace/name.
	standIn string
}

// Client returns a client.
func (m *memory) Client(id string) (*clients.Client, bool) {
	if id == panicID {
		panic("out of order: " + clientSecret)
	}
	c, ok := m.clients[id]
	return c, ok
}

// Virtual returns the client of a login that names none: that of the Integration, the one that stands in, or the only one of the profile with
// users.
func (m *memory) Virtual(profile clients.Profile, namespace, name string) (*clients.Client, bool) {
	wanted := namespace + "/" + name
	if name == "" {
		wanted = m.standIn
	}
	var found []*clients.Client
	for _, c := range m.clients {
		if c.Profile == profile && len(c.Users) > 0 && (wanted == "" || wanted == c.Namespace+"/"+c.Name) {
			found = append(found, c)
		}
	}
	if len(found) != 1 {
		return nil, false
	}
	return found[0], true
}

// Keys returns the keys.
func (m *memory) Keys() *signer.Set { return m.set }

// SealingKeys returns the keys of opaque tokens and refresh tokens.
func (m *memory) SealingKeys() *sealing.Set { return m.sealing }

// newSealingKeys returns a set of one active key.
func newSealingKeys(t *testing.T) *sealing.Set {
	t.Helper()
	key, err := sealing.ParseKey(sealingtest.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	key.Active, key.ActivatedAt = true, now().Add(-time.Hour)
	return sealing.NewSet([]*sealing.Key{key})
}

// newClient returns a client whose ID is its algorithm in lower case.
func newClient(algorithm string) *clients.Client {
	return &clients.Client{
		ID: strings.ToLower(algorithm), Namespace: "shop", Name: "order-sync", UID: "uid-" + algorithm,
		Methods: []clients.Method{clients.MethodClientSecret},
		Secrets: []clients.Secret{
			{Hash: sha256.Sum256([]byte(previousSecret)), Previous: true, Until: now().Add(time.Hour)},
			{Hash: sha256.Sum256([]byte(clientSecret))},
		},
		GrantTypes: []string{"client_credentials"},
		Access: []clients.Access{
			{Audience: "https://orders.shop.example", Scopes: []string{"orders.read", "orders.write"}},
			{Audience: "https://stock.shop.example", Scopes: []string{"orders.read"}},
		},
		DefaultScopes:    []string{"orders.read"},
		SigningAlgorithm: algorithm,
		TokenLifetime:    10 * time.Minute,
	}
}

func newKey(t *testing.T, algorithm string) *signer.Key {
	t.Helper()
	pemBytes, err := signertest.NewKey(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	key, err := signer.ParseKey(pemBytes)
	if err != nil {
		t.Fatal(err)
	}
	key.ID, key.Active, key.ActivatedAt = "kid-"+algorithm, true, now().Add(-time.Hour)
	return key
}

// now is the clock of the tests. It stands still, close enough to the real time for libraries that have a clock of their own.
var now = sync.OnceValue(time.Now)

func clock() time.Time { return now() }

// A fixture is a token server on loopback, with what stands around it.
type fixture struct {
	*httptest.Server
	issuer   string
	store    *memory
	sessions *sessionstest.Memory
	registry *prometheus.Registry
	log      *logBuffer

	mu   sync.Mutex
	used map[string]int
}

// previousUses returns how often a client has used its previous secret.
func (s *fixture) previousUses(clientID string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used[clientID]
}

// start starts a token server whose issuer URL has the given path, as edits have it. When the test is over it looks for secrets in the log.
func start(t *testing.T, issuerPath string, edits ...func(*tokenserver.Server)) *fixture {
	t.Helper()
	store := &memory{clients: map[string]*clients.Client{}, sealing: newSealingKeys(t)}
	algorithms := []string{"ES256", "RS256", "EdDSA"}
	var keys []*signer.Key
	for _, algorithm := range algorithms {
		keys = append(keys, newKey(t, algorithm))
		c := newClient(algorithm)
		store.clients[c.ID] = c
	}
	suspended := newClient("ES256")
	suspended.ID, suspended.Suspended = "suspended", true
	idle := newClient("ES256")
	idle.ID, idle.GrantTypes = "idle", nil
	keyless := newClient("ES384")
	for _, c := range []*clients.Client{suspended, idle, keyless} {
		store.clients[c.ID] = c
	}
	set, err := signer.NewSet(keys)
	if err != nil {
		t.Fatal(err)
	}
	store.set = set

	s := &fixture{
		Server: httptest.NewUnstartedServer(nil), store: store, sessions: sessionstest.NewMemory(), registry: prometheus.NewRegistry(), log: &logBuffer{},
		used: map[string]int{},
	}
	s.issuer = "http://" + s.Listener.Addr().String() + issuerPath
	metrics := tokenserver.NewMetrics(func() int { return len(store.clients) }, store, clock)
	if err := s.registry.Register(metrics); err != nil {
		t.Fatal(err)
	}
	server := &tokenserver.Server{
		Issuer: s.issuer, Clients: store, Virtual: store, Keys: store, Sessions: s.sessions, MaxSessions: 100,
		Limits: limits.Observed(limits.NewMemory(clock), metrics.CountLimited), JWKSMaxAge: 5 * time.Minute, Now: clock,
		Log: slog.New(slog.NewJSONHandler(s.log, nil)), Metrics: metrics, PreviousUsed: func(c *clients.Client) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.used[c.ID]++
		},
	}
	for _, edit := range edits {
		edit(server)
	}
	s.Config.Handler = server.Handler()
	s.Config.ErrorLog = slog.NewLogLogger(slog.NewJSONHandler(s.log, nil), slog.LevelError)
	s.Start()
	t.Cleanup(func() {
		s.Close()
		// "hush" is in every secret and "eyJ" begins every token.
		if log := s.log.String(); strings.Contains(log, "hush") || strings.Contains(log, "eyJ") {
			t.Errorf("the log holds a secret or a token:\n%s", log)
		}
	})
	return s
}

// A reply is what came back.
type reply struct {
	status int
	header http.Header
	body   string
}

// do sends a request and reads the reply to its end. Headers come in pairs of name and value.
func (s *fixture) do(t *testing.T, method, path, body string, headers ...string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for pair := range slices.Chunk(headers, 2) {
		r.Header.Add(pair[0], pair[1])
	}
	client := s.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	response.Header.Del("Date")
	return reply{response.StatusCode, response.Header, string(content)}
}

// token asks for a token with a form.
func (s *fixture) token(t *testing.T, body string, headers ...string) reply {
	t.Helper()
	return s.do(t, http.MethodPost, "/oauth2/token", body, append(headers, "Content-Type", "application/x-www-form-urlencoded")...)
}

// wantError checks that a reply is an OAuth 2.0 error that nobody may store.
func (r reply) wantError(t *testing.T, wantStatus int, wantCode string) {
	t.Helper()
	var body map[string]string
	if err := json.Unmarshal([]byte(r.body), &body); err != nil {
		t.Fatalf("got the body %q: %v", r.body, err)
	}
	if r.status != wantStatus || body["error"] != wantCode || body["error_description"] == "" {
		t.Errorf("got %d %s, want %d %s with a description", r.status, r.body, wantStatus, wantCode)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
	} {
		if got := r.header.Get(name); got != want {
			t.Errorf("got %s %q, want %q", name, got, want)
		}
	}
	if challenge := r.header.Get("WWW-Authenticate"); (wantStatus == http.StatusUnauthorized) != strings.HasPrefix(challenge, "Basic realm=") {
		t.Errorf("got the challenge %q with %d", challenge, wantStatus)
	}
	if strings.Contains(r.body, "hush") {
		t.Errorf("the reply holds a secret: %s", r.body)
	}
}

// A logBuffer collects the log of a server.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write adds a line.
func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String returns all lines.
func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// lines returns the lines, without the time, which differs from run to run, and the source, which is the same in all of them.
func (l *logBuffer) lines(t *testing.T) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for line := range strings.Lines(l.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if source, _ := entry["source"].(string); source != "127.0.0.1" {
			t.Errorf("got the source %q in %s", source, line)
		}
		delete(entry, "time")
		delete(entry, "source")
		lines = append(lines, entry)
	}
	return lines
}
