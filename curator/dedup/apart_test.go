package dedup

import (
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

// withoutMarks is what takeApart is for.
func withoutMarks(text []byte) string {
	var out []rune
	for _, r := range string(text) {
		if !unicode.Is(unicode.Mn, r) {
			out = append(out, r)
		}
	}
	return string(out)
}

// Every character by itself, and between two that carry marks, as norm.NFD has it.
func TestTakingApartIsNFD(t *testing.T) {
	var s simplifier
	same := func(t require.TestingT, word string) {
		s.dst = append(s.dst[:0], word...)
		s.takeApart()
		if got, want := withoutMarks(s.apart), withoutMarks(norm.NFD.Bytes([]byte(word))); got != want {
			require.Equal(t, want, got, "%+q", word)
		}
	}
	for r := rune(0); r <= unicode.MaxRune; r++ {
		same(t, string(r))
		same(t, "\u1ea5"+string(r)+"\u0323")
	}
	// Those that stay and have an order, and any others.
	runes := []rune("aé\u0301\u0323\u302e\u302f\U0001d15e\U0001d165\U0001d16e\U00016ff0\uac00\u1100\u0f71\u0f72")
	rapid.Check(t, func(t *rapid.T) {
		same(t, rapid.OneOf(rapid.StringOf(rapid.RuneFrom(runes)), rapid.String()).Draw(t, "word"))
	})
}
