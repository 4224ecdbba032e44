// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package passwords

import (
	"bytes"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// What a hash may cost. The bounds let every usual setting through, and keep one hash from taking the server's memory, or a CPU for
// much more than half a second.
const (
	minBcryptCost = 4
	maxBcryptCost = 13
	// maxBcryptPassword is how many bytes of a password bcrypt reads.
	maxBcryptPassword = 72

	maxArgon2Memory  = 64 << 10 // KiB
	maxArgon2Time    = 10
	maxArgon2Threads = 4
	// maxArgon2Work bounds m times t, which is what an argon2id hash costs: 64 MiB with 4 passes, or 32 MiB with 8.
	maxArgon2Work    = 256 << 10 // KiB
	minSalt, maxSalt = 8, 64
	minKey, maxKey   = 16, 64
)

var (
	errUnknownHash = errors.New("it is neither a bcrypt hash ($2a$, $2b$ or $2y$) nor an argon2id one ($argon2id$)")
	errBcryptForm  = errors.New("a bcrypt hash has 60 characters: $2b$, the cost in two digits, $, and 53 letters, digits, . or /")
	errArgon2Form  = errors.New(
		"an argon2id hash looks like $argon2id$v=19$m=65536,t=3,p=4$SALT$KEY, with SALT and KEY in base64 without padding")
	errArgon2Work = fmt.Errorf(
		"the memory m of an argon2id hash times its number of passes t must be at most %d, such as m=%d with t=%d",
		maxArgon2Work, maxArgon2Memory, maxArgon2Work/maxArgon2Memory)
)

// bcryptForm captures the cost, argon2Form the version, m, t and p, the salt and the key.
var (
	bcryptForm = regexp.MustCompile(`^\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}$`)
	argon2Form = regexp.MustCompile(
		`^\$argon2id\$v=([0-9]{1,9})\$m=([0-9]{1,9}),t=([0-9]{1,9}),p=([0-9]{1,9})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$`)
)

// Parse returns a Password for one of which only a hash is known: bcrypt ($2a$, $2b$ or $2y$, of cost 4 to 13), or argon2id in the
// PHC string format (version 19, m at most 65536, t at most 10, p at most 4, and m times t at most 262144). A line break behind the
// hash is ignored. The error says what is out of bounds and quotes nothing of the hash.
func Parse(stored []byte) (*Password, error) {
	if err := checkLength(stored); err != nil {
		return nil, err
	}
	stored = bytes.TrimRight(stored, "\r\n")
	var parsed hash
	var err error
	switch {
	case bytes.HasPrefix(stored, []byte("$2")):
		parsed, err = parseBcrypt(stored)
	case bytes.HasPrefix(stored, []byte("$argon2id$")):
		parsed, err = parseArgon2(stored)
	default:
		err = errUnknownHash
	}
	if err != nil {
		return nil, err
	}
	return &Password{digest: digestOf(domainHash, stored), hash: parsed}, nil
}

// A bcryptHash is the hash as it is written, which names its own salt and cost.
type bcryptHash []byte

func parseBcrypt(stored []byte) (hash, error) {
	fields := bcryptForm.FindSubmatch(stored)
	if fields == nil {
		return nil, errBcryptForm
	}
	if err := checkRange("the cost of a bcrypt hash", number(fields[1]), minBcryptCost, maxBcryptCost); err != nil {
		return nil, err
	}
	return bcryptHash(bytes.Clone(stored)), nil
}

func (h bcryptHash) verify(candidate []byte) bool {
	return len(candidate) <= maxBcryptPassword && bcrypt.CompareHashAndPassword(h, candidate) == nil
}

// An argon2Hash is an argon2id hash of version 19 (RFC 9106).
type argon2Hash struct {
	memory, time uint32
	threads      uint8
	salt, key    []byte
}

func parseArgon2(stored []byte) (hash, error) {
	fields := argon2Form.FindSubmatch(stored)
	if fields == nil {
		return nil, errArgon2Form
	}
	version, memory, time, threads := number(fields[1]), number(fields[2]), number(fields[3]), number(fields[4])
	salt, saltErr := base64.RawStdEncoding.Strict().DecodeString(string(fields[5]))
	key, keyErr := base64.RawStdEncoding.Strict().DecodeString(string(fields[6]))
	if saltErr != nil || keyErr != nil {
		return nil, errArgon2Form
	}
	// RFC 9106 section 3.1 asks for 8 KiB of memory a thread.
	err := errors.Join(
		checkRange("the version v of an argon2id hash", version, argon2.Version, argon2.Version),
		checkRange("the number of passes t of an argon2id hash", time, 1, maxArgon2Time),
		checkRange("the number of threads p of an argon2id hash", threads, 1, maxArgon2Threads),
		checkRange("the memory m of an argon2id hash", memory, 8*max(1, min(threads, maxArgon2Threads)), maxArgon2Memory),
		checkRange("the number of bytes in the salt of an argon2id hash", len(salt), minSalt, maxSalt),
		checkRange("the number of bytes in the key of an argon2id hash", len(key), minKey, maxKey),
	)
	if err != nil {
		return nil, err
	}
	if memory*time > maxArgon2Work {
		return nil, errArgon2Work
	}
	//nolint:gosec // All three are within the bounds checked above.
	return &argon2Hash{memory: uint32(memory), time: uint32(time), threads: uint8(threads), salt: salt, key: key}, nil
}

func (h *argon2Hash) verify(candidate []byte) bool {
	//nolint:gosec // A key has at most maxKey bytes.
	key := argon2.IDKey(candidate, h.salt, h.time, h.memory, h.threads, uint32(len(h.key)))
	return subtle.ConstantTimeCompare(key, h.key) == 1
}

// number returns the value of a run of digits, which the forms above keep short enough for an int.
func number(digits []byte) int {
	n, err := strconv.Atoi(string(digits))
	if err != nil {
		return -1
	}
	return n
}

func checkRange(what string, got, least, most int) error {
	switch {
	case got >= least && got <= most:
		return nil
	case least == most:
		return fmt.Errorf("%s must be %d", what, least)
	default:
		return fmt.Errorf("%s must be from %d to %d", what, least, most)
	}
}
