package attribute_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"millrace/curator/attribute"
	"millrace/curator/corpus"
	"millrace/curator/measure"
	"millrace/event"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func records() []attribute.Record {
	var v measure.Values
	for i := range measure.Counted {
		v[i] = int64(i) * int64(i) * 10
	}
	return []attribute.Record{
		{Source: 0, ID: "a.txt", Digest: [32]byte{1, 2, 3, 31: 255}, Bytes: 1234, Measured: true, Values: v},
		{Source: 1, ID: "b.jsonl#2", Digest: [32]byte{9}, Bytes: 7, Why: corpus.Why{Reason: "gopher_quality.min_words", Value: 1, Limit: 50}, Measured: true, Values: measure.Values{measure.Chars: 7, measure.Words: 1}},
		{Source: 0, ID: "c.bin", Bytes: 1 << 40, Why: corpus.Why{Reason: "too_large", Value: 1 << 40, Limit: 1 << 25}},
		{Source: 1, ID: "", Digest: [32]byte{8}, Why: corpus.Why{Reason: "gopher_quality.min_words", Value: 0.1, Limit: 50}},
	}
}

func blob() []byte {
	w := attribute.NewWriter(attribute.NewHeader(event.DigestOf([]byte("recipe")), []string{"files", "lines"}))
	for _, r := range records() {
		w.Add(r)
	}
	return w.Bytes()
}

func read(data []byte) (attribute.Header, []attribute.Record, error) {
	h, records, err := attribute.Read(data)
	if err != nil {
		return h, nil, err
	}
	var list []attribute.Record
	for r, err := range records {
		if err != nil {
			return h, list, err
		}
		list = append(list, r)
	}
	return h, list, nil
}

func TestGolden(t *testing.T) {
	const path = "testdata/golden/attributes.bin"
	if *update {
		require.NoError(t, os.MkdirAll("testdata/golden", 0o755))
		require.NoError(t, os.WriteFile(path, blob(), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, want, blob())
	h, got, err := read(want)
	require.NoError(t, err)
	require.Equal(t, records(), got)
	require.Equal(t, []string{"files", "lines"}, h.Sources)
	require.Len(t, h.Values, int(measure.Counted))
}

// What lists and models were asked is stored behind what was counted, and the header has the languages.
func TestScores(t *testing.T) {
	want := records()
	want[0].Values[measure.Language], want[0].Values[measure.LanguageScore], want[0].Values[measure.UnigramLoss] = 2, 987_654, 8_123_456
	h := attribute.NewHeader(event.DigestOf(nil), []string{"files", "lines"}).WithScores([]string{"de", "en"})
	require.Len(t, h.Values, int(measure.Count))
	w := attribute.NewWriter(h)
	for _, r := range want {
		w.Add(r)
	}
	head, got, err := read(w.Bytes())
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Equal(t, "en", head.Language(got[0].Values))
	require.Empty(t, head.Language(got[1].Values))
	require.Contains(t, string(w.Bytes()), `"perplexity","unigram_loss"],"languages":["de","en"]}`)
}

// The text that a document repeats is stored with the reason; a record without one has the bytes it always had.
func TestRepeats(t *testing.T) {
	want := records()
	want[0].Why = corpus.Why{Reason: "near_duplicate", Value: 0.8, Limit: 0.7, Repeats: &corpus.Repeated{Source: "lines", Document: "b.jsonl#2"}}
	want[3].Why = corpus.Why{Reason: "contaminated", Value: 5, Repeats: &corpus.Repeated{Source: "riddles", Document: "q#1", Text: "how many sheep"}}
	w := attribute.NewWriter(attribute.NewHeader(event.DigestOf(nil), []string{"files", "lines"}))
	for _, r := range want {
		w.Add(r)
	}
	_, got, err := read(w.Bytes())
	require.NoError(t, err)
	require.Equal(t, want, got)
	for n := range w.Bytes() {
		if _, list, err := read(w.Bytes()[:n]); err == nil {
			require.Equal(t, want[:len(list)], append([]attribute.Record{}, list...))
		} else {
			require.ErrorIs(t, err, attribute.ErrAttributes, n)
		}
	}
	// Who is kept repeats nothing.
	kept := attribute.NewWriter(attribute.NewHeader(event.DigestOf(nil), []string{"x"}))
	kept.Add(attribute.Record{})
	_, _, err = read(append(kept.Bytes()[:len(kept.Bytes())-1], 2, 0, 0, 0))
	require.ErrorIs(t, err, attribute.ErrAttributes)
}

// A header with fewer values is one of an earlier version: what it did not measure is 0.
func TestFewerValues(t *testing.T) {
	h := attribute.NewHeader(event.DigestOf(nil), []string{"x"})
	data := []byte(strings.Replace(string(blob()), `,"bad_words"]`, `]`, 1))
	_, _, err := read(data)
	require.ErrorIs(t, err, attribute.ErrAttributes, "the records do not fit the header")
	h.Values[3] = "other"
	_, _, err = read(attribute.NewWriter(h).Bytes())
	require.ErrorContains(t, err, `"other"`)
}

func TestEveryCutIsAnError(t *testing.T) {
	data := blob()
	whole, _, err := read(data)
	require.NoError(t, err)
	require.Equal(t, attribute.Format, whole.Format)
	for n := range len(data) {
		_, list, err := read(data[:n])
		if err == nil { // cut between records
			require.Equal(t, records()[:len(list)], append([]attribute.Record{}, list...))
			continue
		}
		require.ErrorIs(t, err, attribute.ErrAttributes, n)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(blob())
	w := attribute.NewWriter(attribute.NewHeader(event.DigestOf(nil), []string{"x"}))
	w.Add(attribute.Record{Why: corpus.Why{Reason: "contaminated", Repeats: &corpus.Repeated{Source: "a", Document: "b", Text: "c"}}})
	f.Add(w.Bytes())
	f.Add([]byte(`{"format":"millrace.attributes/1","sources":[]}` + "\n" + strings.Repeat("\x00", 40)))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, list, err := read(data)
		if err != nil {
			require.ErrorIs(t, err, attribute.ErrAttributes)
			return
		}
		w := attribute.NewWriter(h)
		for _, r := range list {
			w.Add(r)
		}
		_, again, err := read(w.Bytes())
		require.NoError(t, err)
		require.Len(t, again, len(list))
		for i, r := range list {
			require.Equal(t, r.Why.Repeats, again[i].Why.Repeats)
		}
	})
}
