package dedup

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"testing"

	"millrace/curator/corpus"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A run as it lies on disk.
func TestRunGolden(t *testing.T) {
	require.Equal(t, []byte("\x08\x07\x06\x05\x04\x03\x02\x01\x01\x00\x00\x00\x08\x07\x06\x05\x04\x03\x02\x01\x02\x01\x00\x00"),
		appendRun(nil, []mark{{0x0102030405060708, 1}, {0x0102030405060708, 0x102}}))
}

func TestMergeSorts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var file []byte
		var runs []run
		all := map[mark]bool{}
		for range rapid.IntRange(0, 9).Draw(t, "runs") {
			var marks []mark
			for range rapid.IntRange(0, 30).Draw(t, "marks") {
				m := mark{rapid.Uint64Range(0, 20).Draw(t, "key"), rapid.Uint32Range(0, 200).Draw(t, "document")}
				if !all[m] { // a document has a key once
					all[m] = true
					marks = append(marks, m)
				}
			}
			slices.SortFunc(marks, compareMarks)
			runs = append(runs, run{int64(len(file)), int64(len(marks))})
			file = appendRun(file, marks)
		}
		var readers []*runReader
		for _, r := range runs {
			readers = append(readers, newRunReader(bytes.NewReader(file), r, 201, 16))
		}
		var got []mark
		for m, err := range merge(context.Background(), readers) {
			require.NoError(t, err)
			got = append(got, m)
		}
		require.True(t, slices.IsSortedFunc(got, compareMarks))
		require.Len(t, got, len(all))
		for _, m := range got {
			require.True(t, all[m])
		}
	})
}

func TestLinksArePairsOfAKey(t *testing.T) {
	marks := func(yield func(mark, error) bool) {
		for _, m := range []mark{{0, 4}, {1, 0}, {1, 2}, {1, 7}, {2, 2}, {5, 1}, {5, 3}} {
			if !yield(m, nil) {
				return
			}
		}
	}
	var got []link
	for l, err := range links(marks) {
		require.NoError(t, err)
		got = append(got, l)
	}
	require.Equal(t, []link{{0, 2}, {0, 7}, {1, 3}}, got)
}

// However the links come, the first document of a cluster is the same.
func TestClustersDoNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const n = 30
		pairs := rapid.SliceOf(rapid.Custom(func(t *rapid.T) link {
			return link{rapid.Uint32Range(0, n-1).Draw(t, "a"), rapid.Uint32Range(0, n-1).Draw(t, "b")}
		})).Draw(t, "links")
		var first [n]uint32 // by spreading the least until nothing changes
		for i := range first {
			first[i] = uint32(i)
		}
		for changed := true; changed; {
			changed = false
			for _, p := range pairs {
				least := min(first[p.first], first[p.other])
				changed = changed || first[p.first] != least || first[p.other] != least
				first[p.first], first[p.other] = least, least
			}
		}
		for _, p := range [][]link{pairs, rapid.Permutation(pairs).Draw(t, "order")} {
			c := newClusters(n)
			for _, l := range p {
				c.link(l.first, l.other)
			}
			for i := range first {
				require.Equal(t, first[i], c.first(uint32(i)))
			}
		}
	})
}

func FuzzRunReader(f *testing.F) {
	f.Add(appendRun(nil, []mark{{1, 1}, {2, 0}, {2, 2}}), int64(0), int64(3), uint32(3))
	f.Add([]byte("short"), int64(1), int64(2), uint32(1))
	f.Fuzz(func(t *testing.T, file []byte, offset, marks int64, documents uint32) {
		r := newRunReader(bytes.NewReader(file), run{max(0, offset) % 1000, max(0, marks) % 1000}, documents, 16)
		var last mark
		n := int64(0)
		for {
			m, err := r.next()
			if errors.Is(err, io.EOF) {
				require.Equal(t, r.marks, n)
				return
			}
			if err != nil {
				require.ErrorIs(t, err, errSpill)
				return
			}
			require.Less(t, m.document, documents)
			require.True(t, n == 0 || compareMarks(last, m) < 0)
			last = m
			n++
		}
	})
}

func FuzzReadEntry(f *testing.F) {
	f.Add(appendEntry(nil, entry{corpus.New(3, "a/b.txt#7", "text"), 4, []byte("note")}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := readEntry(bufio.NewReader(bytes.NewReader(data)))
		if err != nil {
			require.ErrorIs(t, err, errSpill)
			return
		}
		again, err := readEntry(bufio.NewReader(bytes.NewReader(appendEntry(nil, e))))
		require.NoError(t, err)
		require.Equal(t, e, again)
	})
}

// What was spilled and does not come back as it was is an error, not another result.
func TestDamageIsNoticed(t *testing.T) {
	for name, damage := range map[string]func(s *Search) error{
		"entries cut off":      func(s *Search) error { return s.entries.Truncate(s.written - 1) },
		"sketches cut off":     func(s *Search) error { return s.sketches.Truncate(sketchBytes) },
		"marks cut off":        func(s *Search) error { return s.marks.Truncate(s.marksEnd - 5) },
		"marks out of order":   func(s *Search) error { _, err := s.marks.WriteAt(bytes.Repeat([]byte{255}, 8), 0); return err },
		"an entry from beyond": func(s *Search) error { _, err := s.sketches.WriteAt(bytes.Repeat([]byte{255}, 8), 0); return err },
	} {
		t.Run(name, func(t *testing.T) {
			s, err := MinHash{Dir: t.TempDir(), Workers: 1}.Search(context.Background())
			require.NoError(t, err)
			defer func() { require.NoError(t, s.Close()) }()
			for range 3 {
				require.NoError(t, s.Add(corpus.New(0, "id", "one two three four five six"), nil))
			}
			_, err = s.cluster()
			require.NoError(t, err)
			require.NoError(t, damage(s))
			// A second time, over what is there now.
			s.work = make(chan batch)
			s.next = batch{}
			for _, err = range s.Verdicts() {
				if err != nil {
					break
				}
			}
			require.ErrorIs(t, err, errSpill)
		})
	}
}

func TestFilesHaveNoNames(t *testing.T) {
	if os.PathSeparator == '\\' {
		t.Skip("Windows keeps an open file's name")
	}
	dir := t.TempDir()
	s, err := MinHash{Dir: dir}.Search(context.Background())
	require.NoError(t, err)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left, "a killed process leaves nothing behind")
	require.NoError(t, s.Close())
}
