package spool

import (
	"context"
	"testing"

	"millrace/curator/corpus"
	"millrace/trainer/token"

	"github.com/stretchr/testify/require"
)

func FuzzRecords(f *testing.F) {
	plain := appendDoc(nil, corpus.Doc{ID: "a#1", Source: 1, Ordinal: 200, Text: "text", URL: "u"})
	f.Add(string(plain), 1)
	f.Add(string(appendDoc(plain, corpus.Doc{ID: "b", Chat: []token.Message{{Role: "user", Content: "hello"}, {Role: "assistant", Content: "no"}}})), 2)
	f.Add("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 3)
	f.Fuzz(func(t *testing.T, data string, documents int) {
		docs, err := readDocs(data, max(documents, 0), nil)
		if err != nil {
			return
		}
		var again []byte
		for _, d := range docs {
			again = appendDoc(again, d)
		}
		back, err := readDocs(string(again), len(docs), nil)
		require.NoError(t, err)
		require.Equal(t, docs, back)
	})
}

func TestDamageIsNoticed(t *testing.T) {
	for name, damage := range map[string]func(s *Spool) error{
		"cut off": func(s *Spool) error { return s.file.Truncate(s.size - 1) },
		"flipped": func(s *Spool) error { _, err := s.file.WriteAt([]byte{0xaa, 0x55}, s.size/2); return err },
		"zeroed":  func(s *Spool) error { _, err := s.file.WriteAt(make([]byte, s.size), 0); return err },
		"one document less": func(s *Spool) error {
			s.blocks[0].documents--
			return nil
		},
	} {
		s, err := Create(context.Background(), t.TempDir(), 1)
		require.NoError(t, err)
		for i := range 100 {
			require.NoError(t, s.Add(corpus.Doc{ID: "document", Ordinal: int64(i), Text: "some text that is its own"}))
		}
		require.NoError(t, s.Finish())
		require.NoError(t, damage(s))
		var failed error
		for _, err := range s.Docs(context.Background(), 1, nil, nil) {
			failed = err
		}
		require.ErrorIs(t, failed, ErrDamaged, name)
		require.NoError(t, s.Close())
	}
}

// A file that cannot be written ends Add or Finish with what to do, and Close still closes.
func TestUnwritable(t *testing.T) {
	s, err := Create(context.Background(), t.TempDir(), 1)
	require.NoError(t, err)
	require.NoError(t, s.file.File.Close())
	for i := 0; err == nil && i < 5_000_000; i++ {
		err = s.Add(corpus.Doc{ID: "document", Ordinal: int64(i), Text: "some text"})
	}
	require.ErrorContains(t, err, "takes the kept text")
	require.ErrorContains(t, s.Finish(), "takes the kept text")
	require.Error(t, s.Close(), "closed already")
}
