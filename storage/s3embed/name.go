package s3embed

import (
	"errors"
	"path/filepath"
	"strings"
)

// objectSuffix ends the name of every object's file, so that the keys "a" and
// "a/b" can exist side by side: the file "a.object" and the directory "a".
const objectSuffix = ".object"

// maxSegment is the longest escaped path segment, in bytes, that leaves room
// for objectSuffix in the 255 bytes that file systems allow.
const maxSegment = 240

var (
	errEmptyKey    = errors.New("the key is empty")
	errLongSegment = errors.New("a path segment of the key is too long")
)

const upperHex = "0123456789ABCDEF"

// plain says whether a byte of a key stands for itself in a file name. Capital
// letters do not: on a file system that ignores case "A" and "a" would be one
// object.
func plain(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		return true
	}
	return strings.IndexByte("-_.~+=,@", c) >= 0
}

// escapeSegment turns what stands between two slashes of a key into a name that
// is safe on every file system: %XX for all but a few bytes, "%" for the empty
// segment. No two segments have one name, and none ends in objectSuffix.
func escapeSegment(seg string) string {
	if seg == "" {
		return "%"
	}
	// "." and ".." are not names, a leading dot hides a file, and an object's
	// suffix must not be counterfeited: their dot is escaped.
	dot := -1
	if seg[0] == '.' {
		dot = 0
	}
	if strings.HasSuffix(seg, objectSuffix) {
		dot = len(seg) - len(objectSuffix)
	}
	var b strings.Builder
	for i := range len(seg) {
		c := seg[i]
		if plain(c) && i != dot && (i != 0 || c != '.') {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(upperHex[c>>4])
		b.WriteByte(upperHex[c&15])
	}
	return b.String()
}

// unescapeSegment is the inverse of escapeSegment; ok is false for a name that
// escapeSegment does not make.
func unescapeSegment(name string) (seg string, ok bool) {
	if name == "%" {
		return "", true
	}
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] != '%' {
			b.WriteByte(name[i])
			continue
		}
		if i+2 >= len(name) {
			return "", false
		}
		hi, lo := strings.IndexByte(upperHex, name[i+1]), strings.IndexByte(upperHex, name[i+2])
		if hi < 0 || lo < 0 {
			return "", false
		}
		b.WriteByte(byte(hi<<4 | lo))
		i += 2
	}
	seg = b.String()
	return seg, escapeSegment(seg) == name
}

// keyPath is the path of a key's file below its bucket's directory.
func keyPath(key string) (string, error) {
	if key == "" {
		return "", errEmptyKey
	}
	segs := strings.Split(key, "/")
	for i, seg := range segs {
		segs[i] = escapeSegment(seg)
		if len(segs[i]) > maxSegment {
			return "", errLongSegment
		}
	}
	segs[len(segs)-1] += objectSuffix
	return filepath.Join(segs...), nil
}
