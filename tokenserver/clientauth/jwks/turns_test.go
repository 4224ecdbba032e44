// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package jwks

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
)

func TestNobodyWaitsForKeysThatAreFetchedAgain(t *testing.T) {
	s, c := newSite(t, "a"), newClock()
	f := newFetcher(s, c)
	wantKeys(t, f, s.URL, "a", "a")
	body, release := set(jwk(t, ecKey(t).Public(), "b")), make(chan struct{})
	s.answer(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		_, _ = io.WriteString(w, body)
	})
	c.move(fresh)
	for range 50 {
		wantKeys(t, f, s.URL, "a", "a") // Under way.
		wantKeys(t, f, s.URL, "", "a")
	}
	gomega.NewWithT(t).Eventually(s.requests.Load, "10s", "1ms").Should(gomega.BeEquivalentTo(2))
	// Whoever needs another key does wait, for the same fetch.
	done := make(chan struct{})
	go func() {
		defer close(done)
		keys, err := f.Keys(t.Context(), s.URL, "b")
		if err != nil || len(keys.Key("b")) != 1 {
			t.Errorf("got %v, %v, want the new key", keys, err)
		}
	}()
	close(release)
	<-done
	settle(t, f)
	wantKeys(t, f, s.URL, "b", "b")
	wantRequests(t, s, 2)

	// Keys that are too old are not used meanwhile.
	s.fail(http.StatusNotFound)
	c.move(stale)
	if keys, err := f.Keys(t.Context(), s.URL, "b"); err == nil {
		t.Errorf("got %v, want an error", keys)
	}
}

func TestTimeRunsFromTheTurn(t *testing.T) {
	s, c := newSite(t, "a"), newClock()
	f := newFetcher(s, c)
	wantKeys(t, f, s.URL+"/old", "a", "a")
	f.timeout = time.Second
	for range maxInFlight {
		f.inFlight <- struct{}{} // As eight URLs that are slow.
	}
	c.move(fresh)
	wantKeys(t, f, s.URL+"/old", "a", "a") // A fetch that waits for its turn keeps nobody waiting either.
	if _, err := f.Keys(t.Context(), s.URL, "a"); !errors.Is(err, errBusy) {
		t.Errorf("got %v, want %v", err, errBusy)
	}
	if known := f.lookup(s.URL); known.failure != nil {
		t.Errorf("the URL is said to have failed, though it had no turn: %v", known.failure)
	}
	wantRequests(t, s, 1)
	f.timeout = timeout
	for range maxInFlight {
		<-f.inFlight
	}
	gomega.NewWithT(t).Eventually(s.requests.Load, "10s", "1ms").Should(gomega.BeEquivalentTo(3))
	wantKeys(t, f, s.URL, "a", "a")
	settle(t, f)
	wantRequests(t, s, 3)
}

// A panicker fails by a panic, before there is a reply or while it is read.
type panicker struct{ reading bool }

func (p panicker) RoundTrip(*http.Request) (*http.Response, error) {
	if p.reading {
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(p)}, nil
	}
	panic("hush")
}

func (panicker) Read([]byte) (int, error) { panic("hush") }

func TestAPanicIsAFailure(t *testing.T) {
	for name, broken := range map[string]panicker{"before the reply": {}, "in the reply": {reading: true}} {
		t.Run(name, func(t *testing.T) {
			s, c := newSite(t, "a"), newClock()
			f := newFetcher(s, c)
			sound := f.client.Transport
			f.client.Transport = broken
			// More often than there are slots.
			for range maxInFlight + 1 {
				_, err := f.Keys(t.Context(), s.URL+"/path", "a")
				if !errors.Is(err, errPanic) || strings.Contains(err.Error(), "hush") || !strings.Contains(err.Error(), s.URL+"/path") {
					t.Errorf("got %v, want %v with the URL", err, errPanic)
				}
				c.move(rest)
			}
			f.client.Transport = sound
			wantKeys(t, f, s.URL+"/path", "a", "a")
		})
	}
}
