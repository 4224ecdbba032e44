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
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	// The standard library has no LRU list; this one is small, plain and widely used.
	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/sync/singleflight"
)

const (
	// fresh is how long keys are used without a look at the URL, and stale for how long while they are fetched again or the URL fails.
	fresh = 5 * time.Minute
	stale = time.Hour
	// refetch is how often a key ID that is not there has the keys fetched again.
	refetch = time.Minute
	// rest is how long a URL that failed is left alone.
	rest = 10 * time.Second

	maxURLs     = 4096
	maxBytes    = 64 << 10
	maxInFlight = 8
	// timeout bounds one fetch from when it has its turn. Whoever waits for keys waits twice as long at most, the turn included.
	timeout = 5 * time.Second
)

var (
	errURL      = errors.New("it is not an https URL of a host, without user and fragment")
	errTooLarge = errors.New("the reply is larger than 64 KiB")
	errBusy     = errors.New("fetch the client's keys: too many others are being fetched, so these have not had their turn in time")
	// errPanic hides what was said in panic: it may quote the reply.
	errPanic = errors.New("handling the reply failed by a programming error, please report it")
)

// Options configure a Fetcher. The zero value but for Now is for production.
type Options struct {
	// Roots are the certificate authorities to trust; nil stands for the system's.
	Roots *x509.CertPool
	// AllowLocal allows loopback and link-local addresses. It is for tests and development.
	AllowLocal bool
	// Now is the clock.
	Now func() time.Time
}

// A Fetcher fetches and caches the keys at URLs. It may be used concurrently.
type Fetcher struct {
	client   *http.Client
	now      func() time.Time
	timeout  time.Duration
	inFlight chan struct{}
	flights  singleflight.Group

	// mu guards the rest.
	mu     sync.Mutex
	cached *simplelru.LRU[string, entry]
	// behind are the URLs that are fetched while nobody need wait for them.
	behind map[string]struct{}
}

// An entry is what is known of a URL.
type entry struct {
	// keys are those of the last fetch that succeeded, at fetchedAt; nil if none did.
	keys      *jose.JSONWebKeySet
	fetchedAt time.Time
	// failure is why the last fetch failed, at failedAt; nil if it did not.
	failure  error
	failedAt time.Time
	// missedAt is when a key ID that was not there had the keys fetched.
	missedAt time.Time
}

// New returns a Fetcher that has nothing cached.
func New(o Options) *Fetcher {
	dialer := &net.Dialer{Timeout: timeout}
	if !o.AllowLocal {
		dialer.ControlContext = refuseLocal
	}
	// The only error is that of a size below one.
	cached, _ := simplelru.NewLRU[string, entry](maxURLs, nil)
	return &Fetcher{
		client: &http.Client{
			Transport: &http.Transport{
				DialContext:         dialer.DialContext,
				TLSClientConfig:     &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12},
				TLSHandshakeTimeout: timeout,
				// Nothing is left open on behalf of a tenant, and what is compressed could be larger than it looks.
				DisableKeepAlives: true, DisableCompression: true,
				MaxResponseHeaderBytes: maxBytes,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		now: o.Now, timeout: timeout, inFlight: make(chan struct{}, maxInFlight),
		cached: cached, behind: map[string]struct{}{},
	}
}

// Keys returns the keys at a URL, all of them public and good to verify with; there may be none. If keyID is not empty and not among
// those that are cached, the keys are fetched again, unless that was done a moment ago. Nobody waits for keys that are only fetched again
// because it is time to. The error says why there are no keys, with the URL but without its query. The set is shared and must not be
// changed.
func (f *Fetcher) Keys(ctx context.Context, rawURL, keyID string) (*jose.JSONWebKeySet, error) {
	known := f.lookup(rawURL)
	now := f.now()
	has := known.keys != nil && (keyID == "" || len(known.keys.Key(keyID)) > 0)
	isFresh := known.keys != nil && now.Sub(known.fetchedAt) < fresh
	if isFresh && (has || now.Sub(known.missedAt) < refetch) {
		return known.keys, nil
	}
	if known.failure != nil && now.Sub(known.failedAt) < rest {
		return known.despite(known.failure, now)
	}
	if has && now.Sub(known.fetchedAt) < stale {
		f.refetch(ctx, rawURL)
		return known.keys, nil
	}
	waiting, cancel := context.WithTimeoutCause(ctx, 2*f.timeout, errBusy)
	defer cancel()
	select {
	case result := <-f.start(ctx, rawURL, isFresh):
		got, _ := result.Val.(entry)
		if got.failure != nil {
			return got.despite(got.failure, now)
		}
		return got.keys, nil
	case <-waiting.Done():
		return known.despite(context.Cause(waiting), now)
	}
}

// start fetches the keys at a URL unless that is under way, and returns where the result will be, an entry. The fetch goes on when its
// callers have gone; missing says that it is for the sake of a key ID that is not there.
func (f *Fetcher) start(ctx context.Context, rawURL string, missing bool) <-chan singleflight.Result {
	return f.flights.DoChan(rawURL, func() (any, error) { return f.refresh(context.WithoutCancel(ctx), rawURL, missing), nil })
}

// refetch fetches the keys at a URL, and nobody waits for it. However many ask for it, one goroutine does.
func (f *Fetcher) refetch(ctx context.Context, rawURL string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, under := f.behind[rawURL]; under {
		return
	}
	f.behind[rawURL] = struct{}{}
	result := f.start(ctx, rawURL, false)
	go func() {
		<-result
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.behind, rawURL)
	}()
}

// despite returns keys that are still good enough after a failure, or the failure.
func (e entry) despite(failure error, now time.Time) (*jose.JSONWebKeySet, error) {
	if e.keys != nil && now.Sub(e.fetchedAt) < stale {
		return e.keys, nil
	}
	return nil, failure
}

// lookup returns what is known of a URL, and notes that it was asked for.
func (f *Fetcher) lookup(rawURL string) entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	known, _ := f.cached.Get(rawURL)
	return known
}

// refresh fetches the keys at a URL and returns what is known of it then. It ends when it has had its turn, whoever waits for it.
func (f *Fetcher) refresh(ctx context.Context, rawURL string, missing bool) entry {
	keys, err := f.fetch(ctx, rawURL)
	now := f.now()
	f.mu.Lock()
	defer f.mu.Unlock()
	known, _ := f.cached.Get(rawURL)
	if err != nil {
		known.failure, known.failedAt = err, now
	} else {
		known.keys, known.fetchedAt, known.failure = keys, now, nil
	}
	if missing {
		known.missedAt = now
	}
	f.cached.Add(rawURL, known)
	return known
}

// fetch fetches the keys at a URL. Its error names the URL without its query, which may hold a secret.
func (f *Fetcher) fetch(ctx context.Context, rawURL string) (*jose.JSONWebKeySet, error) {
	// The error of url.Parse quotes the URL.
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return nil, fmt.Errorf("fetch the client's keys: %w", errURL)
	}
	keys, err := f.get(ctx, u)
	if err != nil {
		// So does that of http.Client.
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err
		}
		return nil, fmt.Errorf("fetch the client's keys at %s://%s%s: %w", u.Scheme, u.Host, u.EscapedPath(), err)
	}
	return keys, nil
}

// get reads the keys at a URL when there is a slot for it. Every fetch ends in time, so there will be one. What a tenant publishes must
// not end the process, whatever is wrong with the code that reads it.
func (f *Fetcher) get(ctx context.Context, u *url.URL) (keys *jose.JSONWebKeySet, err error) {
	f.inFlight <- struct{}{}
	defer func() {
		<-f.inFlight
		if recover() != nil {
			keys, err = nil, errPanic
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, errURL
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	response, err := f.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the reply has the status %d", response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBytes+1))
	if err != nil {
		return nil, err
	}
	// A body that ends as the time runs out may have been cut off.
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(body) > maxBytes {
		return nil, errTooLarge
	}
	return parse(body)
}
