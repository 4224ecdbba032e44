// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package certificates

import (
	"context"
	"crypto/tls"
	"fmt"
	"path/filepath"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/certwatcher"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// A Directory serves the certificate of a directory and follows its changes while it is started.
//
// certwatcher does the watching, as the manager brings it along and it knows both ways in which mounted files change: file
// events, and a poll for the file systems that send none.
type Directory struct {
	path    string
	watcher *certwatcher.CertWatcher
}

// NewDirectory reads tls.crt and tls.key in the directory path. It returns an error that names the directory when a file is
// missing or the two do not belong together. The files are looked at again on every file event and every interval; zero means
// every ten seconds.
func NewDirectory(path string, interval time.Duration) (*Directory, error) {
	watcher, err := certwatcher.New(filepath.Join(path, v1alpha1.KeyCertificate), filepath.Join(path, v1alpha1.KeyCertificateKey))
	if err != nil {
		return nil, fmt.Errorf("load the serving certificate from directory %s, which must hold %s and the matching %s: %w",
			path, v1alpha1.KeyCertificate, v1alpha1.KeyCertificateKey, err)
	}
	if interval > 0 {
		watcher = watcher.WithWatchInterval(interval)
	}
	return &Directory{path: path, watcher: watcher}, nil
}

// GetCertificate returns the last sound certificate, in the form that tls.Config asks for. Files that are missing or broken
// after the start are logged and change nothing.
func (d *Directory) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return d.watcher.GetCertificate(hello)
}

// Start follows the files until ctx is done. It returns an error when the directory cannot be watched.
func (d *Directory) Start(ctx context.Context) error {
	if err := d.watcher.Start(ctx); err != nil {
		return fmt.Errorf("watch the serving certificate in directory %s: %w", d.path, err)
	}
	return nil
}

// NeedLeaderElection returns false, as every replica serves.
func (d *Directory) NeedLeaderElection() bool { return false }
