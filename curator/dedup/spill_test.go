package dedup

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"millrace/curator/corpus"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A run as it lies on disk.
func TestRunGolden(t *testing.T) {
	require.Equal(t, []byte("\x08\x07\x06\x05\x04\x03\x02\x01\x01\x00\x00\x00\x08\x07\x06\x05\x04\x03\x02\x01\x02\x01\x00\x00"),
		appendRun(nil, []mark{{0x0102030405060708, 1}, {0x0102030405060708, 0x102}}))
	require.Equal(t, []byte("abcdefghijklmnop\x01\x00\x00\x00"), appendRun(nil, []textMark{{[16]byte([]byte("abcdefghijklmnop")), 1}}))
	require.Equal(t, []byte("\x01\x00\x00\x00\x02\x00\x00\x00"), appendRun(nil, []link{{1, 2}}))
	require.Equal(t, []byte("\x02\x05\x04"+"\x00\x80\x01\x01"+"\x01\x00\x02"), appendRun(nil, []place{{2, 5, 9}, {2, 133, 134}, {3, 0, 2}}))
	require.Equal(t, []byte("\x07\x02\x05\x04"+"\x00\x01\x05\x01"+"\x01\x00\x01\x02"),
		appendRun(nil, []pieceMark{{7, place{2, 5, 9}}, {7, place{3, 5, 6}}, {8, place{0, 1, 3}}}))
}

func TestSorterSorts(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		s, err := newSorter[pieceMark](dir, "test-*", 2)
		require.NoError(t, err)
		defer func() { require.NoError(t, s.Close()) }()
		all := map[pieceMark]bool{}
		var raw []byte
		for range rapid.IntRange(0, 9).Draw(t, "runs") {
			var list []pieceMark
			for range rapid.IntRange(0, 30).Draw(t, "marks") {
				start := rapid.Uint32Range(0, 300).Draw(t, "start")
				m := pieceMark{rapid.OneOf(rapid.Uint64Range(0, 20), rapid.Uint64()).Draw(t, "key"),
					place{rapid.Uint32Range(0, 200).Draw(t, "document"), start, start + rapid.Uint32Range(1, 1<<31).Draw(t, "length")}}
				if !all[m] {
					all[m] = true
					list = append(list, m)
				}
			}
			raw, err = s.spill(1, list, raw)
			require.NoError(t, err)
		}
		var got []pieceMark
		for m, err := range s.merged(context.Background(), 1, 201, 0) {
			require.NoError(t, err)
			got = append(got, m)
		}
		require.True(t, slices.IsSortedFunc(got, pieceMark.compare))
		require.Len(t, got, len(all))
		for _, m := range got {
			require.True(t, all[m])
		}
		for range s.merged(context.Background(), 0, 201, 0) {
			require.Fail(t, "the other part is empty")
		}
	})
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

// readAll believes no bytes, of whatever record.
func readAll[T record[T]](t *testing.T, file []byte, r run, documents uint32) {
	in := newRunReader[T](bytes.NewReader(file), r, documents, 16)
	var last T
	for n := int64(0); ; n++ {
		m, err := in.next()
		if errors.Is(err, io.EOF) {
			require.Equal(t, r.records, n)
			return
		}
		if err != nil {
			require.ErrorIs(t, err, errSpill)
			return
		}
		require.True(t, m.within(documents))
		require.True(t, n == 0 || last.compare(m) < 0)
		last = m
	}
}

func FuzzRunReader(f *testing.F) {
	f.Add(appendRun(nil, []mark{{1, 1}, {2, 0}, {2, 2}}), int64(0), int64(36), int64(3), uint32(3))
	f.Add(appendRun(nil, []pieceMark{{1, place{1, 0, 3}}, {1, place{1, 3, 4}}, {1 << 63, place{0, 1, 1 << 31}}}), int64(0), int64(99), int64(3), uint32(3))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), int64(1), int64(2), int64(2), uint32(1))
	f.Fuzz(func(t *testing.T, file []byte, offset, size, records int64, documents uint32) {
		r := run{max(0, offset) % 1000, max(0, size) % 1000, max(0, records) % 1000}
		readAll[mark](t, file, r, documents)
		readAll[textMark](t, file, r, documents)
		readAll[link](t, file, r, documents)
		readAll[place](t, file, r, documents)
		readAll[pieceMark](t, file, r, documents)
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
	for name, damage := range map[string]func(s *Search, f *nearFinder) error{
		"entries cut off":  func(s *Search, _ *nearFinder) error { return s.journal.entries.Truncate(s.journal.written - 1) },
		"offsets cut off":  func(s *Search, _ *nearFinder) error { return s.journal.offsets.Truncate(0) },
		"sketches cut off": func(_ *Search, f *nearFinder) error { return f.sketches.Truncate(sketchBytes) },
		"marks cut off":    func(_ *Search, f *nearFinder) error { return f.marks.file.Truncate(f.marks.end - 5) },
		"marks out of order": func(_ *Search, f *nearFinder) error {
			_, err := f.marks.file.WriteAt(bytes.Repeat([]byte{255}, 8), 0)
			return err
		},
		"an entry from beyond": func(s *Search, _ *nearFinder) error {
			_, err := s.journal.offsets.WriteAt(bytes.Repeat([]byte{255}, 8), 0)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := MinHash{Dir: t.TempDir(), Workers: 1}.Search(context.Background())
			require.NoError(t, err)
			defer func() { require.NoError(t, s.Close()) }()
			for range 3 {
				require.NoError(t, s.Add(corpus.New(0, "id", "one two three four five six"), nil))
			}
			require.NoError(t, s.crew.finish())
			require.NoError(t, s.journal.finish())
			require.NoError(t, damage(s, s.finder.(*nearFinder)))
			s.crew.work = make(chan batch) // Verdicts finishes a second time, over what is there now
			for _, err = range s.Verdicts() {
				if err != nil {
					break
				}
			}
			require.ErrorIs(t, err, errSpill)
		})
	}
}

// full is a temporary file on a disk that is.
func full(t *testing.T) *spillFile {
	f, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip("there is no disk that is full here")
	}
	return &spillFile{File: f, dir: "the folder"}
}

// A full disk ends a search with where it is and what to do, and everything is removed all the same.
func TestFullDisk(t *testing.T) {
	long := strings.Repeat("one two three. Four five six!\n", 2000)
	for name, fill := range map[string]func(s *Search, f *nearFinder) **os.File{
		"entries":  func(s *Search, _ *nearFinder) **os.File { return &s.journal.entries.File },
		"offsets":  func(s *Search, _ *nearFinder) **os.File { return &s.journal.offsets.File },
		"marks":    func(_ *Search, f *nearFinder) **os.File { return &f.marks.file.File },
		"sketches": func(_ *Search, f *nearFinder) **os.File { return &f.sketches.File },
	} {
		t.Run(name, func(t *testing.T) {
			disk := full(t)
			dir := t.TempDir()
			s, err := MinHash{Dir: dir, Workers: 2, SpillBytes: 100}.Search(context.Background())
			require.NoError(t, err)
			file := fill(s, s.finder.(*nearFinder))
			require.NoError(t, (*file).Close())
			*file = disk.File
			for i := 0; i < 100 && err == nil; i++ {
				err = s.Add(corpus.New(0, strings.Repeat("id", 1000), long), nil)
			}
			for _, failed := range s.Verdicts() {
				if failed != nil {
					err = cmp.Or(err, failed)
					break
				}
			}
			require.ErrorContains(t, err, "no space left")
			require.ErrorContains(t, err, "temporary files are in "+dir)
			require.NoError(t, s.Close())
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Empty(t, left)
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
