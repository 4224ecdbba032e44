// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package valkey keeps sessions and spent token IDs in Valkey or Redis, for installations with more logins than etcd should hold. Its
// Store is a sessions.Store; cmd/manager makes one, and the package limits shares its connection.
//
// The client library is valkey-go: it is the project's own and maintained with the server.
//
// # What is in the server
//
// Every key begins with Prefix. Names are made of SHA-256 digests of an owner and an ID, each told from the next by its length, so
// that nothing that a client sends can collide with, or reach, anything else. Values hold digests and what the audit log shows as
// well; no token, secret or password is in the server.
//
//	integration-operator:session:<owner and ID>     a version, and the session in JSON
//	integration-operator:sessions:<owner>           sorted set of the owner's sessions by when they expire, for the cap
//	integration-operator:visitors:<owner>           sorted set of visitors' among them, which make room before others
//	integration-operator:spent:<owner, kind and ID>  a spent token ID
//	integration-operator:spents:<owner and kind>    sorted set of those by when they expire, for their bound
//
// Keys expire by themselves. What has to happen at once is one Lua script: to create with the cap, to replace from a version, to spend
// within the bound. Each can be sent twice, in case its answer was lost: whoever writes chooses the new version, or the value of the spent ID, so
// a script finds out that it has been there before. The end of all of a user's sessions is a loop over the owner's sorted set as it was at
// the beginning, as a script that reads thousands of sessions would keep the server from others.
//
// # What it expects of the server
//
// One primary, or an address that leads to it. A cluster will not do: a script touches several keys, which are on several of its nodes,
// and reading from a replica would miss what was just written. A database for each installation, as Cleaner judges
// every session by the clients and keys of its own. The policy noeviction and, to survive a restart, an append-only file: a server that forgets
// sessions logs people out, and one that forgets spent IDs lets revoked tokens live again until they expire. So does a primary that fails over to a
// replica before that has the last writes.
package valkey
