// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package restarts decides which workloads are restarted after a rotation of a client secret, and when.
//
// It owns what a workload is and whether it uses a Secret (Of, Uses), when a rotation calls for restarts (Begin), and what comes next
// (Next). It is pure: it reads no cluster and no clock. The Integration controller lists the workloads, writes what is decided, and asks
// again.
//
// A restart takes two passes, so that no workload is restarted twice for one rotation whatever is interrupted:
//
//	rotation seen ──▶ a batch is recorded in status.restart, each workload with its generation
//	              ──▶ those of which the generation is still the recorded one are patched, which raises it
//	              ──▶ when they have come up, or after ten minutes, the next batch is recorded
//	              ──▶ when none is left, completionTime is recorded, and nothing happens before the next rotation
//
// A workload of which the generation is another than the recorded one has been restarted, or changed by somebody else in the second between
// the two passes, and is not touched again.
//
// Restarts are owed only for rotations that come after spec.restart was seen: the first pass that sees it records what is there as
// complete. So an operator that is restarted or upgraded, or that finds a restored cluster without status, restarts nothing.
package restarts
