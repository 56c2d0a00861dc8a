package pack_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"millrace/curator/pack"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestShardBytes(t *testing.T) {
	var data, index []byte
	w := pack.Writer{DType: pack.Uint16, EndOfText: 256, MaxTokens: 100, Put: func(s pack.Shard) error {
		data, index = bytes.Clone(s.Data), bytes.Clone(s.Index)
		return nil
	}}
	w.Add([]int32{1, 2}, nil, 2)
	w.Add([]int32{65535}, nil, 1)
	require.NoError(t, w.EndDocument())
	require.NoError(t, w.EndDocument()) // an empty document
	require.NoError(t, w.Close())
	require.Equal(t, []byte{1, 0, 2, 0, 255, 255, 0, 1, 0, 1}, data)
	require.Equal(t, []byte{4, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0}, index)
}

func TestPackedIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dtype := rapid.SampledFrom([]string{pack.Uint16, pack.Uint32}).Draw(t, "dtype")
		most := int32(65535)
		if dtype == pack.Uint32 {
			most = 1 << 20
		}
		docs := rapid.SliceOfN(rapid.SliceOfN(rapid.Int32Range(0, most-1), 0, 12), 0, 20).Draw(t, "docs")
		limit := rapid.Int64Range(1, 30).Draw(t, "limit")
		var got [][]int32
		var total int64
		w := pack.Writer{DType: dtype, EndOfText: most, MaxTokens: limit, Put: func(s pack.Shard) error {
			ids, err := pack.Decode(nil, s.Data, dtype)
			require.NoError(t, err)
			require.EqualValues(t, s.Tokens, len(ids))
			ends, err := pack.DecodeIndex(s.Index, s.Tokens)
			require.NoError(t, err)
			require.EqualValues(t, s.Documents, len(ends))
			require.True(t, s.Tokens <= limit || s.Documents == 1, "%d tokens in %d documents", s.Tokens, s.Documents)
			start := int64(0)
			for _, end := range ends {
				require.Equal(t, most, ids[end-1])
				got = append(got, ids[start:end-1:end-1])
				start = end
			}
			total += s.Bytes
			return nil
		}}
		var want int64
		for _, d := range docs {
			for i, id := range d { // one at a time, as a document that comes in pieces does
				w.Add([]int32{id}, nil, int64(i))
				want += int64(i)
			}
			require.NoError(t, w.EndDocument())
		}
		require.NoError(t, w.Close())
		require.Len(t, got, len(docs))
		for i, d := range docs {
			require.ElementsMatch(t, d, got[i])
		}
		require.Equal(t, want, total)
	})
}

func TestHeldOut(t *testing.T) {
	digest := func(n uint64) (d [32]byte) {
		binary.BigEndian.PutUint64(d[:], n)
		return d
	}
	require.True(t, pack.HeldOut(digest(499), 0.05))
	require.False(t, pack.HeldOut(digest(500), 0.05))
	require.True(t, pack.HeldOut(digest(70_000), 0.0001))
	require.False(t, pack.HeldOut(digest(0), 0))
	n := 0
	for i := range 10_000 {
		d := sha256.Sum256(fmt.Append(nil, i))
		if pack.HeldOut(d, 0.05) {
			n++
			require.True(t, pack.HeldOut(d, 0.06), "a larger fraction holds out more, and the same")
		}
	}
	require.InDelta(t, 500, n, 5*22) // 5 standard deviations of 10,000 draws at 0.05
}

func TestDamagedBytes(t *testing.T) {
	for want, f := range map[string]func() error{
		`dtype "int8"`:     func() error { _, err := pack.Decode(nil, nil, "int8"); return err },
		"3 bytes":          func() error { _, err := pack.Decode(nil, make([]byte, 3), pack.Uint16); return err },
		"id 4294967295":    func() error { _, err := pack.Decode(nil, []byte{255, 255, 255, 255}, pack.Uint32); return err },
		"an index of 0":    func() error { _, err := pack.DecodeIndex(nil, 0); return err },
		"ends at 3, after": func() error { _, err := pack.DecodeIndex([]byte{3, 0, 0, 0, 0, 0, 0, 0}, 2); return err },
		"has 9 tokens":     func() error { _, err := pack.DecodeIndex([]byte{3, 0, 0, 0, 0, 0, 0, 0}, 9); return err },
	} {
		err := f()
		require.ErrorIs(t, err, pack.ErrShard)
		require.ErrorContains(t, err, want)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{1, 0, 2, 0}, []byte{2, 0, 0, 0, 0, 0, 0, 0}, int64(2))
	f.Fuzz(func(t *testing.T, data, index []byte, tokens int64) {
		for _, dtype := range []string{pack.Uint16, pack.Uint32} {
			if ids, err := pack.Decode(nil, data, dtype); err == nil {
				require.Len(t, ids, len(data)/pack.Width(dtype))
			}
		}
		if ends, err := pack.DecodeIndex(index, tokens); err == nil {
			require.Equal(t, tokens, ends[len(ends)-1])
		}
	})
}

func TestMaskBytes(t *testing.T) {
	var got pack.Shard
	w := pack.Writer{DType: pack.Uint16, EndOfText: 256, MaxTokens: 100, Masked: true, Put: func(s pack.Shard) error {
		got = s
		got.Mask = bytes.Clone(s.Mask)
		return nil
	}}
	w.Add([]int32{1, 2, 3, 4, 5}, []bool{false, false, true, true, false}, 5) // a conversation, whose <|endoftext|> does not count
	require.NoError(t, w.EndDocument())
	w.Add([]int32{6, 7, 8}, nil, 3) // text
	require.NoError(t, w.EndDocument())
	require.NoError(t, w.Close())
	require.Equal(t, []byte{0b11001100, 0b00000011}, got.Mask)
	require.EqualValues(t, 6, got.LossTokens)
	require.EqualValues(t, len(got.Mask), pack.MaskBytes(got.Tokens))
	mask, err := pack.DecodeMask(got.Mask, got.Tokens)
	require.NoError(t, err)
	require.Equal(t, []bool{false, false, true, true, false, false, true, true, true, true}, mask)
	for _, wrong := range []struct {
		mask   []byte
		tokens int64
	}{{got.Mask, 8}, {got.Mask, 17}, {[]byte{0xff}, 7}, {nil, 1}} {
		_, err := pack.DecodeMask(wrong.mask, wrong.tokens)
		require.ErrorIs(t, err, pack.ErrShard)
	}
}

// Documents of a packed shard do not go across stretches, and nothing is lost or counted that is filling.
func TestPackedStretches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		length := rapid.Int64Range(2, 12).Draw(t, "stretch")
		limit := rapid.Int64Range(length, 40).Draw(t, "limit")
		docs := rapid.SliceOfN(rapid.SliceOfN(rapid.Int32Range(0, 255), 0, 20), 1, 20).Draw(t, "docs")
		var got [][]int32
		counted := int64(0)
		w := pack.Writer{DType: pack.Uint16, EndOfText: 256, MaxTokens: limit, Masked: true, PackLength: length, Put: func(s pack.Shard) error {
			require.Zero(t, s.Tokens%length)
			require.True(t, s.Tokens <= limit || s.Documents == 1, "%d tokens in %d documents", s.Tokens, s.Documents)
			ids, err := pack.Decode(nil, s.Data, pack.Uint16)
			require.NoError(t, err)
			ends, err := pack.DecodeIndex(s.Index, s.Tokens)
			require.NoError(t, err)
			mask, err := pack.DecodeMask(s.Mask, s.Tokens)
			require.NoError(t, err)
			start := int64(0)
			for _, end := range ends {
				doc := ids[start:end]
				size := int64(1 + slices.Index(doc, 256))
				require.True(t, start%length == 0 || start%length+size <= length, "%d tokens at %d", size, start)
				for i := range doc {
					require.Equal(t, int64(i) < size, mask[start+int64(i)], "all but the filling counts")
				}
				got = append(got, doc[:size-1])
				counted += size
				start = end
			}
			counted -= s.LossTokens
			return nil
		}}
		for _, ids := range docs {
			w.Add(ids, nil, int64(len(ids)))
			require.NoError(t, w.EndDocument())
		}
		require.NoError(t, w.Close())
		require.Zero(t, counted)
		require.Len(t, got, len(docs))
		for i := range docs {
			require.True(t, slices.Equal(docs[i], got[i]))
		}
	})
}
