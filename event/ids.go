package event

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Ids are opaque to everyone but their maker: 26 characters of Crockford base 32, the first ten counting milliseconds, so that
// they sort by time (the ULID layout). They are safe inside a subject.
type (
	RunID        string
	ExperimentID string
	RuleID       string
	// FiringID names one decision of a rule, NotificationID one message to people.
	FiringID       string
	NotificationID string
	// WriterID names who writes points of a run: a training attempt, an evaluator, a rank of a foreign script.
	WriterID string
	// WorkerID names a process that does jobs.
	WorkerID string
)

// Digest names immutable content: "sha256:" and 64 lower-case hexadecimal digits. A dataset, a tokenizer, a checkpoint, a suite and a
// spec are each named by one.
type Digest string

// ErrBadID is returned for an id or digest that is not of its form.
var ErrBadID = errors.New("malformed id")

const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// NewID makes a 26-character id from a time and ten bytes of randomness.
func NewID(now time.Time, random io.Reader) (string, error) {
	var b [16]byte
	ms := uint64(now.UnixMilli())
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i))
	}
	if _, err := io.ReadFull(random, b[6:]); err != nil {
		return "", fmt.Errorf("event: an id needs randomness: %w", err)
	}
	return encodeID(b), nil
}

// DerivedID makes the same id from the same parts every time: a job that may be asked for twice gets one name.
func DerivedID(parts ...string) string {
	h := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	var b [16]byte
	copy(b[:], h[:16])
	return encodeID(b)
}

// encodeID writes 128 bits as 26 base-32 digits, most significant first.
func encodeID(b [16]byte) string {
	var out [26]byte
	var acc uint32
	bits, n := 2, 0 // 130 digits' bits for 128: two leading zeros
	for _, x := range b {
		acc = acc<<8 | uint32(x)
		bits += 8
		for bits >= 5 {
			bits -= 5
			out[n] = crockford[acc>>bits&31]
			n++
		}
	}
	return string(out[:])
}

// ValidID tells whether s can be an id: 1-64 letters, digits, '-' or '_', so that foreign ids fit too.
func ValidID(s string) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

// DigestOf names content by its sha256.
func DigestOf(content []byte) Digest {
	h := sha256.Sum256(content)
	return Digest("sha256:" + hex.EncodeToString(h[:]))
}

// Valid tells whether d has the form of a digest.
func (d Digest) Valid() bool {
	hexa, ok := strings.CutPrefix(string(d), "sha256:")
	if !ok || len(hexa) != 64 {
		return false
	}
	for i := range len(hexa) {
		if c := hexa[i]; !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return true
}

// Hex returns the digest's 64 digits, for subjects and file names.
func (d Digest) Hex() string { return strings.TrimPrefix(string(d), "sha256:") }

// Short returns the first twelve digits, for people.
func (d Digest) Short() string {
	h := d.Hex()
	return h[:min(12, len(h))]
}
