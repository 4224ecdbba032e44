// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// abuse returns a request that must be refused, of many kinds.
func abuse(ctx context.Context, random *rand.Rand, at *endpoint, token string) *http.Request {
	junk := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(random.UintN(256))
		}
		return string(b)
	}
	edited := []byte(token)
	edited[random.IntN(len(edited))] ^= 1 << random.IntN(7)
	path, body, contentType, authorization := v1alpha1.PathToken, "", "application/x-www-form-urlencoded", ""
	switch random.IntN(10) {
	case 0:
		body = junk(random.IntN(4096))
	case 1:
		body = "grant_type=client_credentials&grant_type=password"
	case 2:
		body, contentType = strings.Repeat(`{"a":[`, 2000), "application/json"
	case 3:
		body = "grant_type=client_credentials&client_id=" + url.QueryEscape(junk(40)) + "&client_secret=" + url.QueryEscape(junk(40))
	case 4:
		body, authorization = "grant_type=client_credentials", "Basic "+junk(60)
	case 5:
		body = "grant_type=" + strings.Repeat("x", 100<<10)
	case 6:
		path, body = v1alpha1.PathIntrospection, "token="+url.QueryEscape(junk(2000))
	case 7:
		body = "grant_type=refresh_token&client_id=" + string(at.data["client_id"]) + "&refresh_token=" + url.QueryEscape(string(edited))
	case 8:
		body = "grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=" +
			url.QueryEscape(string(edited))
	default:
		path, authorization = v1alpha1.PathVerify, "Bearer "+url.QueryEscape(string(edited))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at.issuer+path, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", contentType)
	if authorization != "" {
		req.Header["Authorization"] = []string{strings.Map(func(r rune) rune {
			if r < 0x20 || r > 0x7e {
				return '?'
			}
			return r
		}, authorization)}
	}
	return req
}

// cutOff reports whether a request failed because the server closed on a body that it will not read: everything else it answers. What the
// client sees of that depends on how far it has come.
func cutOff(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF)
}

func TestARequestThatWasCutOffIsNoFailure(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{
		"while the body was written":    {&net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.EPIPE)}, true},
		"while the answer was read":     {&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, true},
		"before the answer":             {io.EOF, true},
		"no answer in time":             {context.DeadlineExceeded, false},
		"nobody listens":                {&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, false},
		"an answer that is cut in half": {io.ErrUnexpectedEOF, false},
	} {
		if got := cutOff(&url.Error{Op: "Post", URL: "https://localhost/oauth2/token", Err: tt.err}); got != tt.want {
			t.Errorf("%s: %t, want %t", name, got, tt.want)
		}
	}
}

// residentBytes returns how much memory a replica's process holds.
func residentBytes(t *testing.T, r *replica) float64 {
	t.Helper()
	status, body := get(t, http.DefaultClient, "http://"+r.metrics+"/metrics")
	if status != http.StatusOK {
		t.Fatalf("metrics: %d", status)
	}
	for line := range strings.Lines(body) {
		if value, found := strings.CutPrefix(line, "process_resident_memory_bytes "); found {
			bytes, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return bytes
		}
	}
	t.Fatal("the metrics do not tell the resident memory")
	return 0
}

// With one request in five malformed, the others are answered as before, and memory stays flat.
func TestMalformedRequestsHarmNobody(t *testing.T) {
	at, r, _ := startLogin(t, nil)
	token := at.mustPost(t, http.StatusOK, v1alpha1.PathToken, "grant_type", "client_credentials").AccessToken
	var served, refused atomic.Int64
	load := func(length time.Duration) {
		deadline := time.Now().Add(length)
		var wg sync.WaitGroup
		for worker := range 16 {
			wg.Go(func() {
				random := rand.New(rand.NewPCG(uint64(worker), 2))
				for n := 0; time.Now().Before(deadline); n++ {
					if n%5 != 0 {
						good, err := at.post(t.Context(), v1alpha1.PathToken, "grant_type", "client_credentials")
						if err != nil || good.status != http.StatusOK {
							t.Errorf("a good request among bad ones: %d %s, %v", good.status, good.body, err)
							return
						}
						served.Add(1)
						continue
					}
					resp, err := at.hc.Do(abuse(t.Context(), random, at, token))
					if err != nil {
						if !cutOff(err) {
							t.Errorf("a bad request: %v", err)
						}
						continue
					}
					var body bytes.Buffer
					_, _ = io.Copy(&body, resp.Body)
					_ = resp.Body.Close()
					inactive := resp.StatusCode == http.StatusOK && strings.HasPrefix(body.String(), `{"active":false`)
					if !inactive && (resp.StatusCode < 400 || resp.StatusCode >= 500) {
						t.Errorf("a bad request got %d %s", resp.StatusCode, body.String())
					}
					refused.Add(1)
				}
			})
		}
		wg.Wait()
	}
	load(3 * time.Second) // Until connections, caches and the heap have grown to their size.
	before := residentBytes(t, r)
	load(8 * time.Second)
	after := residentBytes(t, r)
	t.Logf("%d served, %d refused; resident %s before, %s after", served.Load(), refused.Load(), mebibytes(before), mebibytes(after))
	if after > before*1.25+16<<20 {
		t.Errorf("the resident memory grew from %s to %s", mebibytes(before), mebibytes(after))
	}
	if served.Load() < 1000 || refused.Load() < 200 {
		t.Error("there was too little load to see anything")
	}
	// Limits hit those who fail: neither the client whose ID they used, nor the users who come from the same address.
	at.login(t)
	r.running()
}

func mebibytes(n float64) string { return fmt.Sprintf("%.0f MiB", n/(1<<20)) }
