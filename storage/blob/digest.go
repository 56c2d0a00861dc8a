package blob

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// Digest names content: "sha256:" and the 64 lower-case hex digits of its
// SHA-256 (FIPS 180-4). Two objects with one digest have the same bytes.
type Digest string

const digestPrefix = "sha256:"

// DigestOf is the digest of b.
func DigestOf(b []byte) Digest { return digestOf(sha256.Sum256(b)) }

func digestOf(sum [sha256.Size]byte) Digest {
	return Digest(digestPrefix + hex.EncodeToString(sum[:]))
}

// ParseDigest reads the one spelling of a digest; anything else, capital
// letters included, is an error.
func ParseDigest(s string) (Digest, error) {
	digits, ok := strings.CutPrefix(s, digestPrefix)
	if !ok || !isHex(digits) {
		if len(s) > 100 {
			s = s[:100] + "…"
		}
		return "", fmt.Errorf("blob: %q is not a digest: want sha256: and 64 lower-case hex digits", s)
	}
	return Digest(s), nil
}

func isHex(s string) bool {
	if len(s) != 2*sha256.Size {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// Hex is the digest without "sha256:". For a Digest that ParseDigest would
// refuse it is meaningless.
func (d Digest) Hex() string { return strings.TrimPrefix(string(d), digestPrefix) }

// Key is where a digest's object lies in a bucket, below the store's prefix:
// "sha256/", its first two hex digits, "/", all 64 of them. For a Digest that
// ParseDigest would refuse it is empty.
func (d Digest) Key() string {
	if _, err := ParseDigest(string(d)); err != nil {
		return ""
	}
	h := d.Hex()
	return digestDir + h[:2] + "/" + h
}

const digestDir = "sha256/"

// digestOfKey is the inverse of Key, or with another directory of listKey.
func digestOfKey(key, dir string) (Digest, bool) {
	rest, ok := strings.CutPrefix(key, dir)
	if !ok || len(rest) < 3 || !isHex(rest[3:]) || rest[2] != '/' || rest[:2] != rest[3:5] {
		return "", false
	}
	return Digest(digestPrefix + rest[3:]), true
}

// Ref is what to remember of an object: which, and how large it is in bytes.
type Ref struct {
	Digest Digest `json:"digest"`
	Size   int64  `json:"size"`
}

// Info is what a store knows of an object.
type Info struct {
	Ref
	Modified time.Time // when it was stored
}
