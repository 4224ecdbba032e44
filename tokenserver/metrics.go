// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package tokenserver

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/integration-operator/integration-operator/tokenserver/grants"
	"github.com/integration-operator/integration-operator/tokenserver/limits"
	"github.com/integration-operator/integration-operator/tokenserver/sealing"
)

const namespace = "integration_operator_token_server"

// Metrics are the metrics of the token server. It is a prometheus.Collector: register it with the manager's registry. Every
// label value comes from the code, so that no request can make new series. A nil *Metrics counts nothing.
type Metrics struct {
	requests *prometheus.CounterVec
	audited  *prometheus.CounterVec
	limited  *prometheus.CounterVec
	previous prometheus.Counter
	duration *prometheus.HistogramVec
	clients  prometheus.GaugeFunc
	keyAge   *prometheus.Desc
	keys     grants.Keys
	now      func() time.Time
}

// NewMetrics returns metrics that ask clients for the number of known clients, and keys and now for the age of the signing keys,
// whenever they are scraped.
func NewMetrics(clients func() int, keys grants.Keys, now func() time.Time) *Metrics {
	return &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "requests_total",
			Help: "Requests by route, grant and result; the result is ok or an error code.",
		}, []string{"route", "grant", "result"}),
		audited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "audit_events_total",
			Help: "Lines of the audit log by action and result; the result is ok or an error code.",
		}, []string{"action", "result"}),
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "limited_attempts_total",
			Help: "Attempts that were refused after too many failures, by what was counted: client, user or address.",
		}, []string{"by"}),
		previous: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "previous_secret_uses_total",
			Help: "Requests of clients that got in by the client secret from before their last rotation.",
		}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "request_duration_seconds",
			Help:    "How long requests took, by route.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5},
		}, []string{"route"}),
		clients: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Name: "clients",
			Help: "Clients that this replica knows.",
		}, func() float64 { return float64(clients()) }),
		keyAge: prometheus.NewDesc(namespace+"_signing_key_age_seconds",
			"How long the key that signs has been active, by algorithm.", []string{"algorithm"}, nil),
		keys: keys,
		now:  now,
	}
}

// Describe sends the descriptions of all metrics.
func (m *Metrics) Describe(descriptions chan<- *prometheus.Desc) {
	m.requests.Describe(descriptions)
	m.audited.Describe(descriptions)
	m.limited.Describe(descriptions)
	m.previous.Describe(descriptions)
	m.duration.Describe(descriptions)
	m.clients.Describe(descriptions)
	descriptions <- m.keyAge
}

// Collect sends the current values of all metrics.
func (m *Metrics) Collect(metrics chan<- prometheus.Metric) {
	m.requests.Collect(metrics)
	m.audited.Collect(metrics)
	m.limited.Collect(metrics)
	m.previous.Collect(metrics)
	m.duration.Collect(metrics)
	m.clients.Collect(metrics)
	set := m.keys.Keys()
	for _, algorithm := range set.Algorithms() {
		if key, ok := set.Active(algorithm); ok {
			m.collectKeyAge(metrics, algorithm, key.ActivatedAt)
		}
	}
	if key, ok := m.keys.SealingKeys().Active(); ok {
		m.collectKeyAge(metrics, sealing.Algorithm, key.ActivatedAt)
	}
}

// collectKeyAge sends how long a key has been active, if that is known.
func (m *Metrics) collectKeyAge(metrics chan<- prometheus.Metric, algorithm string, since time.Time) {
	if !since.IsZero() {
		metrics <- prometheus.MustNewConstMetric(m.keyAge, prometheus.GaugeValue, m.now().Sub(since).Seconds(), algorithm)
	}
}

// observe counts a request and how long it took.
func (m *Metrics) observe(route, grant, result string, took time.Duration) {
	m.count(route, grant, result)
	if m != nil {
		m.duration.WithLabelValues(route).Observe(took.Seconds())
	}
}

// count counts a request.
func (m *Metrics) count(route, grant, result string) {
	if m != nil {
		m.requests.WithLabelValues(route, grant, result).Inc()
	}
}

// CountAudit counts a line of the audit log.
func (m *Metrics) CountAudit(action, result string) {
	if m != nil {
		m.audited.WithLabelValues(action, result).Inc()
	}
}

// countPreviousUse counts a use of a previous client secret.
func (m *Metrics) countPreviousUse() {
	if m != nil {
		m.previous.Inc()
	}
}

// CountLimited counts an attempt that was refused after too many failures.
func (m *Metrics) CountLimited(by limits.Kind) {
	if m != nil {
		m.limited.WithLabelValues(string(by)).Inc()
	}
}
