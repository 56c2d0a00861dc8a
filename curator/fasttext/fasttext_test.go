package fasttext_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"millrace/curator/fasttext"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// golden is what fastText predicts: of each model, for each text, the score of each label.
type golden struct {
	Texts []string
	Want  map[string][]map[string]float64
}

func load(t testing.TB) golden {
	t.Helper()
	var g golden
	data, err := os.ReadFile("testdata/golden.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &g))
	return g
}

func open(t testing.TB, name string) *fasttext.Model {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	require.NoError(t, err)
	defer f.Close()
	m, err := fasttext.Read(f)
	require.NoError(t, err, name)
	return m
}

func TestScoresAreFastText(t *testing.T) {
	g := load(t)
	require.Len(t, g.Want, 6)
	for name, want := range g.Want {
		m := open(t, name)
		labels := m.Labels()
		require.ElementsMatch(t, []string{"de", "en", "fr", "ru"}, labels, name)
		for i, text := range g.Texts {
			best, bestScore := 0, -1.0
			for at, label := range labels {
				score, ok := m.Score(text, at)
				require.True(t, ok)
				require.InDelta(t, want[i][label], score, 1e-5, "%s: %q: %s", name, text, label)
				if score > bestScore {
					best, bestScore = at, score
				}
			}
			at, score, ok := m.Predict(text)
			require.True(t, ok)
			require.Equal(t, labels[best], labels[at], "%s: %q", name, text)
			require.Equal(t, bestScore, score)
		}
	}
}

// A line feed is a space.
func TestLineFeeds(t *testing.T) {
	m := open(t, "softmax.bin")
	a, x, _ := m.Predict("Der Müller\nmahlt das\r\nKorn\n")
	b, y, _ := m.Predict("Der Müller mahlt das  Korn")
	require.Equal(t, a, b)
	require.Equal(t, x, y)
}

func TestManyGoroutines(t *testing.T) {
	m := open(t, "ova.bin")
	g := load(t)
	done := make(chan bool)
	for range 4 {
		go func() {
			same := true
			for i, text := range g.Texts {
				score, _ := m.Score(text, 0)
				same = same && max(score-g.Want["ova.bin"][i][m.Labels()[0]], g.Want["ova.bin"][i][m.Labels()[0]]-score) < 1e-5
			}
			done <- same
		}()
	}
	for range 4 {
		require.True(t, <-done)
	}
}

func TestEveryCutIsAnError(t *testing.T) {
	for _, name := range []string{"hs.bin", "pruned.ftz"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		require.NoError(t, err)
		for n := 0; n < len(data); n += 1 + n/64 {
			_, err := fasttext.Read(bytes.NewReader(data[:n]))
			require.ErrorIs(t, err, fasttext.ErrModel, "%s to %d", name, n)
		}
	}
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	data, err := os.ReadFile("testdata/hs.bin")
	require.NoError(t, err)
	for want, change := range map[string]func([]byte){
		"does not begin as a model": func(b []byte) { b[0] = 0 },
		"version 99":                func(b []byte) { b[4] = 99 },
		"dim is 0":                  func(b []byte) { b[8] = 0 },
		"loss is 77":                func(b []byte) { b[32] = 77 },
		"model 2":                   func(b []byte) { b[36] = 2 },
		"n-grams without buckets":   func(b []byte) { b[40] = 0 },
		"in a dictionary of":        func(b []byte) { b[64]++ },
		"do not fit":                func(b []byte) { b[40]++ },
	} {
		b := slices.Clone(data)
		change(b)
		_, err := fasttext.Read(bytes.NewReader(b))
		require.ErrorIs(t, err, fasttext.ErrModel)
		require.ErrorContains(t, err, want)
	}
	require.True(t, fasttext.IsModel(data))
	require.False(t, fasttext.IsModel([]byte("{}")))
}

// Whatever the bytes, reading gives an error or a model that works.
func FuzzRead(f *testing.F) {
	names, err := filepath.Glob("testdata/*.[bf][it][nz]")
	require.NoError(f, err)
	require.Len(f, names, 6)
	for _, name := range names {
		data, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(data, "The mill — __label__en Mühle </s> x")
	}
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		m, err := fasttext.Read(bytes.NewReader(data))
		if err != nil {
			require.ErrorIs(t, err, fasttext.ErrModel)
			return
		}
		if at, _, ok := m.Predict(text); ok {
			require.Less(t, at, len(m.Labels()))
			_, ok = m.Score(text, at)
			require.True(t, ok)
		}
	})
}

func BenchmarkPredict(b *testing.B) {
	m := open(b, "softmax.bin")
	train, err := os.ReadFile("testdata/train.txt")
	require.NoError(b, err)
	text := strings.Repeat(string(train), 8)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		m.Predict(text)
	}
}
