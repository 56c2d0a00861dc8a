package token

import "unicode/utf8"

// byteLevel is GPT-2's way to write any bytes as printable characters: printable Latin-1 stands for itself, the other 68
// bytes, in ascending order, are U+0100, U+0101, … So a space is written Ġ and a newline Ċ.
type byteLevel struct {
	chars [256]rune
	bytes map[rune]byte
	order [256]byte // the bytes in the order GPT-2 numbers them: the printable ones first
}

func newByteLevel() *byteLevel {
	m := &byteLevel{bytes: make(map[rune]byte, 256)}
	n := 0
	for b := range 256 {
		if printable(b) {
			m.chars[b] = rune(b)
			m.order[n] = byte(b)
			n++
		}
	}
	next := rune(256)
	for b := range 256 {
		if !printable(b) {
			m.chars[b] = next
			m.order[n] = byte(b)
			next++
			n++
		}
	}
	for b, r := range m.chars {
		m.bytes[r] = byte(b)
	}
	return m
}

func printable(b int) bool {
	return b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE && b <= 0xFF
}

// write appends the printable form of token.
func (m *byteLevel) write(dst []byte, token []byte) []byte {
	for _, b := range token {
		dst = utf8.AppendRune(dst, m.chars[b])
	}
	return dst
}

// read gives the bytes a printable form stands for; false when it has a character that stands for none.
func (m *byteLevel) read(s string) ([]byte, bool) {
	out := make([]byte, 0, len(s))
	for _, r := range s {
		b, ok := m.bytes[r]
		if !ok {
			return nil, false
		}
		out = append(out, b)
	}
	return out, true
}
