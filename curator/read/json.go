package read

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// scanObject finds fields of a JSON object: values[i] becomes the value of names[i] as it is written, the last one of
// several, or nil. It is false for what encoding/json would not read into a map: anything but one object (or null) of
// right JSON, at most 10,000 deep. Bytes that are not UTF-8 are no error, as there.
func scanObject(data []byte, names []string, values [][]byte) bool {
	clear(values)
	i := space(data, 0)
	if i < len(data) && data[i] == 'n' {
		i = literal(data, i, "null")
		return i >= 0 && space(data, i) == len(data)
	}
	if i >= len(data) || data[i] != '{' {
		return false
	}
	i = members(data, i+1, 1, func(key, value []byte) {
		for n, name := range names {
			if isKey(key, name) {
				values[n] = value
			}
		}
	})
	return i >= 0 && space(data, i) == len(data)
}

// isKey tells whether a key as it is written, without its quotes, is name.
func isKey(key []byte, name string) bool {
	if string(key) == name {
		return true
	}
	for _, c := range key {
		if c == '\\' || c >= utf8.RuneSelf {
			return unescape(key) == name
		}
	}
	return false
}

// maxDepth is encoding/json's.
const maxDepth = 10000

// The scanners take data and where to begin, and give where what they scan has ended, or -1 if it is no JSON.

func space(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\t' || data[i] == '\r') {
		i++
	}
	return i
}

func literal(data []byte, i int, word string) int {
	if len(data)-i >= len(word) && string(data[i:i+len(word)]) == word {
		return i + len(word)
	}
	return -1
}

// members scans an object behind its brace.
func members(data []byte, i, depth int, each func(key, value []byte)) int {
	if depth > maxDepth {
		return -1
	}
	i = space(data, i)
	if i < len(data) && data[i] == '}' {
		return i + 1
	}
	for {
		if i = space(data, i); i >= len(data) || data[i] != '"' {
			return -1
		}
		key := i + 1
		if i = text(data, key); i < 0 {
			return -1
		}
		name := data[key : i-1]
		if i = space(data, i); i >= len(data) || data[i] != ':' {
			return -1
		}
		from := space(data, i+1)
		if i = value(data, from, depth); i < 0 {
			return -1
		}
		if each != nil {
			each(name, data[from:i])
		}
		if i = space(data, i); i >= len(data) {
			return -1
		}
		switch data[i] {
		case ',':
			i++
		case '}':
			return i + 1
		default:
			return -1
		}
	}
}

// list scans an array behind its bracket.
func list(data []byte, i, depth int) int {
	if depth > maxDepth {
		return -1
	}
	i = space(data, i)
	if i < len(data) && data[i] == ']' {
		return i + 1
	}
	for {
		if i = value(data, space(data, i), depth); i < 0 {
			return -1
		}
		if i = space(data, i); i >= len(data) {
			return -1
		}
		switch data[i] {
		case ',':
			i++
		case ']':
			return i + 1
		default:
			return -1
		}
	}
}

func value(data []byte, i, depth int) int {
	if i >= len(data) {
		return -1
	}
	switch c := data[i]; {
	case c == '"':
		return text(data, i+1)
	case c == '{':
		return members(data, i+1, depth+1, nil)
	case c == '[':
		return list(data, i+1, depth+1)
	case c == 't':
		return literal(data, i, "true")
	case c == 'f':
		return literal(data, i, "false")
	case c == 'n':
		return literal(data, i, "null")
	case c == '-' || isDigit(c):
		return number(data, i)
	}
	return -1
}

func isDigit(c byte) bool { return c-'0' < 10 }

func digits(data []byte, i int) int {
	for i < len(data) && isDigit(data[i]) {
		i++
	}
	return i
}

func number(data []byte, i int) int {
	if data[i] == '-' {
		i++
	}
	whole := i
	if i = digits(data, i); i == whole || data[whole] == '0' && i > whole+1 {
		return -1
	}
	if i < len(data) && data[i] == '.' {
		if from := i + 1; digits(data, from) > from {
			i = digits(data, from)
		} else {
			return -1
		}
	}
	if i < len(data) && (data[i] == 'e' || data[i] == 'E') {
		i++
		if i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		if from := i; digits(data, from) > from {
			i = digits(data, from)
		} else {
			return -1
		}
	}
	return i
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// text scans a string behind its quote, and ends behind the other.
func text(data []byte, i int) int {
	for {
		for len(data)-i >= 8 {
			// A byte becomes its high bit where it is below 0x20, a quote or a backslash. Carries go upwards only, so the
			// lowest is right.
			x := binary.LittleEndian.Uint64(data[i:])
			quote, slash := x^(ones*'"'), x^(ones*'\\')
			if m := ((x-ones*0x20)&^x | (quote-ones)&^quote | (slash-ones)&^slash) & highs; m != 0 {
				i += bits.TrailingZeros64(m) / 8
				break
			}
			i += 8
		}
		if i >= len(data) {
			return -1
		}
		switch c := data[i]; {
		case c == '"':
			return i + 1
		case c < 0x20:
			return -1
		case c != '\\':
			i++
			continue
		}
		if i+1 >= len(data) {
			return -1
		}
		switch data[i+1] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			i += 2
		case 'u':
			if hex(data[i:]) < 0 {
				return -1
			}
			i += 6
		default:
			return -1
		}
	}
}

// hex is the number of \uXXXX, or -1.
func hex[T string | []byte](s T) rune {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return -1
	}
	var r rune
	for _, c := range []byte(s[2:6]) {
		switch {
		case isDigit(c):
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// scanText is the string that a value as it is written is, if it is one.
func scanText(value []byte) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	return unescape(value[1 : len(value)-1]), true
}

// unescape makes text of what is between the quotes, which text has scanned. As with encoding/json, bytes that are not
// UTF-8 and halves of surrogates become U+FFFD.
func unescape(raw []byte) string {
	at := bytes.IndexByte(raw, '\\')
	if at < 0 && utf8.Valid(raw) {
		return string(raw)
	}
	var b strings.Builder
	b.Grow(len(raw))
	for {
		if at < 0 {
			writeValid(&b, raw)
			return b.String()
		}
		writeValid(&b, raw[:at])
		raw = raw[at:]
		if raw[1] == 'u' {
			r := hex(raw)
			raw = raw[6:]
			if utf16.IsSurrogate(r) {
				if r = utf16.DecodeRune(r, hex(raw)); r != utf8.RuneError {
					raw = raw[6:]
				}
			}
			b.WriteRune(r)
		} else {
			b.WriteByte(escapes[raw[1]])
			raw = raw[2:]
		}
		at = bytes.IndexByte(raw, '\\')
	}
}

var escapes = [utf8.RuneSelf]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func writeValid(b *strings.Builder, raw []byte) {
	if utf8.Valid(raw) {
		b.Write(raw)
		return
	}
	for len(raw) > 0 {
		r, n := utf8.DecodeRune(raw)
		b.WriteRune(r)
		raw = raw[n:]
	}
}
