package serving

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"millrace/trainer/token"
)

// However a text is cut into tokens: what is sent, put together, is the text up to its first stop string, and no piece of it has
// half a character.
func TestWriterSendsTheTextUpToAStop(t *testing.T) {
	tok := token.NewByte()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.RuneFrom([]rune("abcü€😀 \n"))).Draw(t, "text")
		if rapid.Bool().Draw(t, "broken") {
			text += string(rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(t, "bytes"))
		}
		stops := rapid.SliceOfN(rapid.StringOfN(rapid.RuneFrom([]rune("abü€😀\n")), 1, 4, -1), 0, 3).Draw(t, "stops")
		w, sent, stopped := writer{tok: tok, stops: stops}, "", false
		for _, b := range []byte(text) {
			piece, end := w.push(int32(b))
			if !strings.Contains(text, piece) && !strings.Contains(piece, "\uFFFD") {
				t.Fatalf("%q is not of %q", piece, text)
			}
			if sent += piece; end {
				stopped = true
				break
			}
		}
		if !stopped {
			sent += w.rest()
		}
		// The stop string that is complete first decides; of several at one byte the one that begins first.
		want, cut := []byte(text), false
		for end := 1; end <= len(text) && !cut; end++ {
			first := -1
			for _, s := range stops {
				if strings.HasSuffix(text[:end], s) && (first < 0 || end-len(s) < first) {
					first = end - len(s)
				}
			}
			if first >= 0 {
				want, cut = []byte(text[:first]), true
			}
		}
		if cut != stopped || sent != valid(bytes.Clone(want)) {
			t.Fatalf("of %q with stops %q: %q (stopped %t), want %q", text, stops, sent, stopped, valid(want))
		}
	})
}
