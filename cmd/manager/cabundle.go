// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/event"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

const (
	// bundlePoll is how often the file is looked at; a mounted Secret takes the kubelet about as long to update.
	bundlePoll = 30 * time.Second
	// maxBundleSize bounds what is copied into every Secret.
	maxBundleSize = 64 << 10
)

// A directoryBundle reads the CA certificates that clients need from ca.crt beside the serving certificate, and tells when they
// change. No such file means that the certificate is publicly trusted.
type directoryBundle struct {
	path    string
	changed chan event.GenericEvent
}

func newDirectoryBundle(dir string) *directoryBundle {
	return &directoryBundle{path: filepath.Join(dir, v1alpha1.KeyCABundle), changed: make(chan event.GenericEvent)}
}

// read returns the file's content, and none when there is no file.
func (b *directoryBundle) read(context.Context) ([]byte, error) {
	content, err := os.ReadFile(b.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read the CA certificates: %w", err)
	case len(content) > maxBundleSize:
		return nil, fmt.Errorf("%s has %d bytes, want at most %d: leave out what does not sign the serving certificate",
			b.path, len(content), maxBundleSize)
	}
	return content, nil
}

// Start looks at the file until ctx is done. A file that cannot be read changes nothing: reconciling reports it.
func (b *directoryBundle) Start(ctx context.Context) error {
	last, _ := b.read(ctx)
	ticker := time.NewTicker(bundlePoll)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		content, err := b.read(ctx)
		if err != nil || bytes.Equal(content, last) {
			continue
		}
		last = content
		select {
		case <-ctx.Done():
			return nil
		case b.changed <- event.GenericEvent{Object: &v1alpha1.Integration{}}:
		}
	}
}
