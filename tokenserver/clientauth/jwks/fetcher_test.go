// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package jwks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onsi/gomega"
)

// A site is a TLS server that publishes keys.
type site struct {
	*httptest.Server
	requests atomic.Int64

	mu    sync.Mutex
	reply http.HandlerFunc
}

// newSite starts a site that publishes keys with the IDs.
func newSite(t *testing.T, ids ...string) *site {
	t.Helper()
	s := &site{}
	s.publish(t, ids...)
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		s.mu.Lock()
		reply := s.reply
		s.mu.Unlock()
		reply(w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *site) answer(reply http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reply = reply
}

// publish makes the site answer with keys.
func (s *site) publish(t *testing.T, ids ...string) {
	t.Helper()
	var keys []string
	for _, id := range ids {
		keys = append(keys, jwk(t, ecKey(t).Public(), id))
	}
	s.answer(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, set(keys...)) })
}

// fail makes the site answer with a status.
func (s *site) fail(status int) {
	s.answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
}

// A clock is moved by the test.
type clock struct{ now atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.now.Store(time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) Now() time.Time       { return time.Unix(0, c.now.Load()) }
func (c *clock) move(d time.Duration) { c.now.Add(int64(d)) }

// newFetcher returns a Fetcher that trusts a site and may reach it.
func newFetcher(s *site, c *clock) *Fetcher {
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return New(Options{Roots: roots, AllowLocal: true, Now: c.Now})
}

func wantKeys(t *testing.T, f *Fetcher, url, keyID string, want ...string) {
	t.Helper()
	keys, err := f.Keys(t.Context(), url, keyID)
	if err != nil {
		t.Fatal(err)
	}
	if got := idsOf(keys); !slices.Equal(got, want) {
		t.Errorf("got the keys %q, want %q", got, want)
	}
}

func wantRequests(t *testing.T, s *site, want int64) {
	t.Helper()
	if got := s.requests.Load(); got != want {
		t.Errorf("the site was asked %d times, want %d", got, want)
	}
}

// settle waits until nothing is fetched behind the callers' backs.
func settle(t *testing.T, f *Fetcher) {
	t.Helper()
	gomega.NewWithT(t).Eventually(func() int {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.behind)
	}, "10s", "1ms").Should(gomega.BeZero())
}

func TestKeysAreCached(t *testing.T) {
	s, c := newSite(t, "a"), newClock()
	f := newFetcher(s, c)
	for range 3 {
		wantKeys(t, f, s.URL, "a", "a")
		wantKeys(t, f, s.URL, "", "a")
	}
	wantRequests(t, s, 1)
	c.move(fresh - time.Second)
	wantKeys(t, f, s.URL, "a", "a")
	wantRequests(t, s, 1)
	s.publish(t, "b")
	c.move(time.Second)
	wantKeys(t, f, s.URL, "a", "a") // Nobody waits.
	settle(t, f)
	wantRequests(t, s, 2)
	wantKeys(t, f, s.URL, "b", "b")
	wantRequests(t, s, 2)
	wantKeys(t, f, s.URL+"/other", "b", "b")
	wantRequests(t, s, 3)
}

func TestKeysAreRotated(t *testing.T) {
	s, c := newSite(t, "a"), newClock()
	f := newFetcher(s, c)
	wantKeys(t, f, s.URL, "a", "a")
	s.publish(t, "a", "b")
	wantKeys(t, f, s.URL, "a", "a")
	wantKeys(t, f, s.URL, "b", "a", "b")
	wantRequests(t, s, 2)
	// Key IDs that nobody has do not have the URL flooded.
	for i := range 100 {
		wantKeys(t, f, s.URL, fmt.Sprint("c", i), "a", "b")
	}
	wantRequests(t, s, 2)
	c.move(refetch - time.Second)
	wantKeys(t, f, s.URL, "c", "a", "b")
	wantRequests(t, s, 2)
	s.publish(t, "c")
	c.move(time.Second)
	wantKeys(t, f, s.URL, "c", "c")
	wantRequests(t, s, 3)
}

func TestStaleKeysBridgeFailures(t *testing.T) {
	s, c := newSite(t, "a"), newClock()
	f := newFetcher(s, c)
	wantKeys(t, f, s.URL, "a", "a")
	s.fail(http.StatusInternalServerError)
	wantKeys(t, f, s.URL, "new", "a")
	wantRequests(t, s, 2)
	c.move(fresh)
	wantKeys(t, f, s.URL, "a", "a")
	settle(t, f)
	wantRequests(t, s, 3)
	wantKeys(t, f, s.URL, "a", "a")
	c.move(rest - time.Second)
	wantKeys(t, f, s.URL, "a", "a")
	settle(t, f)
	wantRequests(t, s, 3)
	c.move(time.Second)
	wantKeys(t, f, s.URL, "a", "a")
	settle(t, f)
	wantRequests(t, s, 4)
	c.move(stale)
	if _, err := f.Keys(t.Context(), s.URL, "a"); err == nil || !strings.Contains(err.Error(), "500") {
		t.Errorf("keys that are too old are used: %v", err)
	}
	s.publish(t, "b")
	c.move(rest)
	wantKeys(t, f, s.URL, "b", "b")
}

func TestFailuresAreCached(t *testing.T) {
	s, c := newSite(t), newClock()
	f := newFetcher(s, c)
	s.fail(http.StatusNotFound)
	for range 5 {
		if _, err := f.Keys(t.Context(), s.URL, "a"); err == nil {
			t.Error("want an error")
		}
	}
	wantRequests(t, s, 1)
	s.publish(t, "a")
	c.move(rest)
	wantKeys(t, f, s.URL, "a", "a")
	wantRequests(t, s, 2)
}

func TestManyAskAtOnce(t *testing.T) {
	s, c := newSite(t), newClock()
	f := newFetcher(s, c)
	body, release := set(jwk(t, ecKey(t).Public(), "a")), make(chan struct{})
	s.answer(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		_, _ = io.WriteString(w, body)
	})
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if keys, err := f.Keys(t.Context(), s.URL, "a"); err != nil || len(keys.Keys) != 1 {
				t.Errorf("got %v, %v", keys, err)
			}
		})
	}
	g := gomega.NewWithT(t)
	g.Eventually(s.requests.Load, "10s", "1ms").Should(gomega.BeEquivalentTo(1))
	// Whoever goes away does not take the others' fetch along.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Keys(ctx, s.URL, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	close(release)
	all.Wait()
	wantRequests(t, s, 1)
}

func TestFetchesAreBoundedInNumber(t *testing.T) {
	s, c := newSite(t), newClock()
	f := newFetcher(s, c)
	body, release := set(jwk(t, ecKey(t).Public(), "a")), make(chan struct{})
	var inside atomic.Int64
	var mu sync.Mutex
	var most int64
	s.answer(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		most = max(most, inside.Add(1))
		mu.Unlock()
		defer inside.Add(-1)
		<-release
		_, _ = io.WriteString(w, body)
	})
	var all sync.WaitGroup
	for i := range 3 * maxInFlight {
		all.Go(func() {
			if _, err := f.Keys(t.Context(), fmt.Sprint(s.URL, "/", i), "a"); err != nil {
				t.Error(err)
			}
		})
	}
	gomega.NewWithT(t).Eventually(inside.Load, "10s", "1ms").Should(gomega.BeEquivalentTo(maxInFlight))
	close(release)
	all.Wait()
	if most != maxInFlight {
		t.Errorf("%d fetches at once, want %d", most, maxInFlight)
	}
	wantRequests(t, s, 3*maxInFlight)
}

func TestRepliesThatAreRefused(t *testing.T) {
	good := set(jwk(t, ecKey(t).Public(), "a"))
	elsewhere := newSite(t, "a")
	tests := []struct {
		name  string
		reply http.HandlerFunc
		want  string
	}{
		{"a redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) }, "status 302"},
		{"a redirect with keys in its body", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(http.StatusTemporaryRedirect)
			_, _ = io.WriteString(w, good)
		}, "status 307"},
		{"keys with another status", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, good)
		}, "status 202"},
		{"a reply that is too large", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, good+strings.Repeat(" ", maxBytes))
		}, "larger than 64 KiB"},
		{"a reply without end", func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := io.WriteString(w, strings.Repeat(" ", 1024)); err != nil {
					return
				}
			}
		}, "larger than 64 KiB"},
		{"a reply with large headers", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Large", strings.Repeat("x", 2*maxBytes))
			_, _ = io.WriteString(w, good)
		}, "header"},
		{"a reply that breaks off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, good)
		}, "unexpected EOF"},
		{"a slow reply", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, good[:10])
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, "deadline"},
		{"no reply", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "deadline"},
		{"a page", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>hush") }, "not a JSON Web Key Set"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, c := newSite(t), newClock()
			f := newFetcher(s, c)
			f.timeout = time.Second
			s.answer(tt.reply)
			_, err := f.Keys(t.Context(), s.URL+"/path?hush=hush", "a")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want an error with %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "hush") || !strings.Contains(err.Error(), s.URL+"/path") {
				t.Errorf("the error must name the URL without its query: %v", err)
			}
		})
	}
	wantRequests(t, elsewhere, 0)
}

func TestRequestsAreModest(t *testing.T) {
	s, c := newSite(t), newClock()
	t.Setenv("HTTPS_PROXY", "http://192.0.2.1:9")
	t.Setenv("https_proxy", "http://192.0.2.1:9")
	var got http.Header
	body := set(jwk(t, ecKey(t).Public(), "a"))
	s.answer(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		w.Header().Set("Set-Cookie", "a=b")
		_, _ = io.WriteString(w, body)
	})
	f := newFetcher(s, c)
	wantKeys(t, f, s.URL, "a", "a")
	c.move(fresh)
	wantKeys(t, f, s.URL, "b", "a")
	wantRequests(t, s, 2)
	for _, name := range []string{"Cookie", "Authorization", "Accept-Encoding", "Referer"} {
		if got.Get(name) != "" {
			t.Errorf("the request has the header %s: %s", name, got.Get(name))
		}
	}
}

func TestLocalAddressesAreRefusedByDefault(t *testing.T) {
	s, c := newSite(t, "a"), newClock()
	f := newFetcher(s, c)
	careful := New(Options{Roots: f.client.Transport.(*http.Transport).TLSClientConfig.RootCAs, Now: c.Now})
	port := s.URL[strings.LastIndex(s.URL, ":"):]
	for _, host := range []string{"127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "0.0.0.0", "[::]", "169.254.169.254", "[64:ff9b::7f00:1]"} {
		_, err := careful.Keys(t.Context(), "https://"+host+port, "a")
		if !errors.Is(err, errLocalAddress) {
			t.Errorf("%s: got %v, want %v", host, err, errLocalAddress)
		}
	}
	wantRequests(t, s, 0)
	wantKeys(t, f, s.URL, "a", "a")
}

func TestURLsThatAreRefused(t *testing.T) {
	s, c := newSite(t, "a"), newClock()
	f := newFetcher(s, c)
	for _, url := range []string{
		"", "keys", "http://127.0.0.1/hush", "https://", "https:///hush", "https://:443/hush", "https://hush:hush@127.0.0.1/", "file:///etc/hush",
		"https://127.0.0.1/#hush", "https://[::1/hush", "https:hush", "://hush", "https://127.0.0.1:hush/",
	} {
		_, err := f.Keys(t.Context(), url, "a")
		if !errors.Is(err, errURL) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: got %v, want %v", url, err, errURL)
		}
	}
}

func TestCertificatesAreVerified(t *testing.T) {
	s, c := newSite(t, "a"), newClock()
	if _, err := New(Options{AllowLocal: true, Now: c.Now}).Keys(t.Context(), s.URL, "a"); err == nil ||
		!strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate of nobody is accepted: %v", err)
	}
	old := newSite(t, "a")
	old.TLS.MaxVersion = tls.VersionTLS11
	if _, err := newFetcher(old, c).Keys(t.Context(), old.URL, "a"); err == nil {
		t.Error("TLS 1.1 is accepted")
	}
	wantRequests(t, s, 0)
	wantRequests(t, old, 0)
}
