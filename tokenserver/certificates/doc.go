// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package certificates serves the token server's certificate from a directory that somebody else keeps fresh, such as a
// mounted Secret of cert-manager (--tls-cert-dir).
//
// It owns the loading and reloading of the two files and nothing else: the self-made certificate comes from kubestore, and
// the TLS listener is the Runnable's. cmd/manager makes the Directory, adds it to the manager and gives its GetCertificate to
// the Runnable.
package certificates
