package dedup

import (
	"bytes"
	"cmp"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDamageOfRepeatsIsNoticed(t *testing.T) {
	for name, damage := range map[string]func(s *RepeatSearch) error{
		"marks cut off": func(s *RepeatSearch) error { return s.marks.file.Truncate(s.marks.end - 1) },
		"marks out of order": func(s *RepeatSearch) error {
			_, err := s.marks.file.WriteAt(bytes.Repeat([]byte{255}, 12), 0)
			return err
		},
		"marks gone": func(s *RepeatSearch) error { return s.marks.file.Truncate(0) },
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Repeats{Level: Lines{MinChars: 1}, Dir: t.TempDir(), Workers: 1}.Search(context.Background())
			require.NoError(t, err)
			defer func() { require.NoError(t, s.Close()) }()
			for range 3 {
				require.NoError(t, s.Add("one line\nanother line\nand so on\n"))
			}
			require.NoError(t, s.crew.finish())
			require.NoError(t, damage(s))
			s.crew.work = make(chan batch) // Removals finishes a second time, over what is there now
			for _, err = range s.Removals() {
				if err != nil {
					break
				}
			}
			require.ErrorIs(t, err, errSpill)
		})
	}
}

func TestFullDiskOfRepeats(t *testing.T) {
	text := strings.Repeat("one line of a text that is there again and again\n", 100)
	for name, fill := range map[string]func(s *RepeatSearch) **os.File{
		"marks": func(s *RepeatSearch) **os.File { return &s.marks.file.File },
		"cuts":  func(s *RepeatSearch) **os.File { return &s.cuts.file.File },
	} {
		t.Run(name, func(t *testing.T) {
			disk := full(t)
			dir := t.TempDir()
			s, err := Repeats{Level: DefaultLines(), Dir: dir, Workers: 2, SpillBytes: 100}.Search(context.Background())
			require.NoError(t, err)
			file := fill(s)
			require.NoError(t, (*file).Close())
			*file = disk.File
			for i := 0; i < 20 && err == nil; i++ {
				err = s.Add(text)
			}
			for _, failed := range s.Removals() {
				err = cmp.Or(err, failed)
			}
			require.ErrorContains(t, err, "no space left")
			require.ErrorContains(t, err, "temporary files are in "+dir+": free room there")
			require.NoError(t, s.Close())
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}
