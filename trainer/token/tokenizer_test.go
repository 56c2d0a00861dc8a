package token_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"millrace/trainer/token"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestBytesSurvive(t *testing.T) {
	bpe := train(t, 400, sample)
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(text(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "text")
		for _, tok := range []token.Tokenizer{bpe, token.NewByte()} {
			ids, err := tok.Append([]int32{7}, s)
			require.NoError(t, err)
			require.Equal(t, int32(7), ids[0])
			back, err := token.Decode(tok, ids[1:])
			require.NoError(t, err)
			require.Equal(t, s, string(back))
			require.NotContains(t, ids[1:], tok.EndOfText(), "text never makes the special token")
		}
	})
}

// literalMerge is the definition of byte-pair encoding: join the adjacent pair of lowest rank, the leftmost first, again and again.
func literalMerge(b *token.BPE, piece string) []string {
	var parts []string
	for i := range len(piece) {
		parts = append(parts, piece[i:i+1])
	}
	ranks := map[[2]string]int{}
	for rank, m := range b.MergePairs() {
		ranks[[2]string{string(b.Bytes(m[0])), string(b.Bytes(m[1]))}] = rank
	}
	for {
		low, at := len(ranks), -1
		for i := range len(parts) - 1 {
			if rank, ok := ranks[[2]string{parts[i], parts[i+1]}]; ok && rank < low {
				low, at = rank, i
			}
		}
		if at < 0 {
			return parts
		}
		parts[at] += parts[at+1]
		parts = slices.Delete(parts, at+1, at+2)
	}
}

func TestMergesAreTheDefinition(t *testing.T) {
	bpe := train(t, 600, strings.Repeat(sample, 3), "aaaa aaaaaa aaaaaaaaa aaaaaaaa", "abababab abab ababababab")
	written := func(ids []int32) (parts []string) {
		for _, id := range ids {
			parts = append(parts, string(bpe.Bytes(id)))
		}
		return parts
	}
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.OneOf(rapid.StringOfN(rapid.RuneFrom([]rune("ab")), 1, 90, -1),
			rapid.StringOfN(rapid.RuneFrom([]rune("thewasofimn ")), 1, 90, -1), rapid.StringN(1, 40, -1)).Draw(t, "piece")
		want := literalMerge(bpe, piece)
		require.Equal(t, want, written(bpe.Merge(piece)))
		require.Equal(t, want, written(bpe.MergeLong(piece)))
	})
}

// Whatever the caches hold, a text's ids are those of its pieces.
func TestIDsAreThoseOfThePieces(t *testing.T) {
	for _, p := range token.Patterns() {
		bpe, err := token.Trainer{VocabSize: 500, Pattern: p}.Train(context.Background(), slices.Values([]string{strings.Repeat(sample, 3)}))
		require.NoError(t, err)
		rapid.Check(t, func(t *rapid.T) {
			s := rapid.OneOf(text(), rapid.StringOfN(rapid.RuneFrom([]rune("thewasofimn .\n")), 0, 300, -1)).Draw(t, "text")
			var want []int32
			for piece := range p.Split(s) {
				want = append(want, bpe.Merge(piece)...)
			}
			for range 2 {
				got, err := token.Encode(bpe, s)
				require.NoError(t, err)
				require.Equal(t, want, got)
			}
		})
	}
}

func FuzzEncode(f *testing.F) {
	bpe := train(f, 500, strings.Repeat(sample, 3))
	f.Add(sample)
	f.Add("times times timestimestimestimestimes \xff\xfe 1859\n\n\t")
	f.Fuzz(func(t *testing.T, s string) {
		var want, got []string
		for piece := range token.Split(s) {
			want = append(want, literalMerge(bpe, piece)...)
		}
		ids, err := token.Encode(bpe, s)
		require.NoError(t, err)
		for _, id := range ids {
			got = append(got, string(bpe.Bytes(id)))
		}
		require.Equal(t, want, got)
	})
}

func TestEncodeKnownAnswer(t *testing.T) {
	// Pairs at first: l·o and o·w 5, ␣·l 4, w·e 2. l·o wins the tie, its left id being lower; then lo·w 5, ␣·low 4,
	// ␣low·e 2, and no pair is left that occurs twice.
	bpe := train(t, 300, "low low low lower lowest")
	require.Equal(t, 4, bpe.Merges())
	ids, err := token.Encode(bpe, "low lower")
	require.NoError(t, err)
	var got []string
	for _, id := range ids {
		got = append(got, string(bpe.Bytes(id)))
	}
	require.Equal(t, []string{"low", " lowe", "r"}, got)
	require.EqualValues(t, bpe.VocabSize()-1, bpe.EndOfText())
	require.Empty(t, bpe.Bytes(bpe.EndOfText()))
}

func TestConcurrentAppend(t *testing.T) {
	bpe := train(t, 400, sample)
	want, err := token.Encode(bpe, sample)
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				got, err := token.Encode(bpe, sample)
				if err != nil || len(got) != len(want) {
					t.Errorf("got %d ids, %v", len(got), err)
				}
			}
		})
	}
	wg.Wait()
}

func TestChar(t *testing.T) {
	c := char(t, "hello wörld")
	require.Equal(t, 10, c.VocabSize(), "9 characters and <|endoftext|>")
	ids, err := token.Encode(c, "oh")
	require.NoError(t, err)
	require.Equal(t, []int32{5, 3}, ids)
	back, err := token.Decode(c, []int32{8, 7, c.EndOfText(), 0})
	require.NoError(t, err)
	require.Equal(t, "öw ", string(back))

	kept := []int32{1}
	for _, bad := range []string{"help", "h\xff"} {
		ids, err = c.Append(kept, bad)
		require.ErrorIs(t, err, token.ErrUnknownText)
		require.Equal(t, kept, ids)
	}
	_, err = token.NewChar(nil)
	require.ErrorIs(t, err, token.ErrInvalid)
	_, err = token.NewChar([]rune{0xD800})
	require.ErrorIs(t, err, token.ErrInvalid)
}

func TestDecodeRefusesUnknownIDs(t *testing.T) {
	for _, id := range []int32{-1, 257} {
		_, err := token.Decode(token.NewByte(), []int32{65, id})
		require.ErrorIs(t, err, token.ErrUnknownID)
	}
}

func TestByteLengths(t *testing.T) {
	bpe := train(t, 300, sample)
	lengths := token.ByteLengths(bpe)
	require.Zero(t, lengths[bpe.EndOfText()])
	ids, err := token.Encode(bpe, sample)
	require.NoError(t, err)
	total := 0
	for _, id := range ids {
		total += int(lengths[id])
	}
	require.Equal(t, len(sample), total)
}
