package filter_test

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millrace/curator/corpus"
	"millrace/curator/filter"
	"millrace/curator/measure"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func chain(t *testing.T, text string) filter.Chain {
	t.Helper()
	var c filter.Chain
	require.NoError(t, json.Unmarshal([]byte(text), &c))
	require.NoError(t, c.Check())
	return c
}

// folder is a folder of files, and a way to open them by their names.
func folder(t *testing.T, files map[string]string) func(string) (io.ReadCloser, error) {
	dir := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return func(name string) (io.ReadCloser, error) { return os.Open(filepath.Join(dir, name)) }
}

func ask(t *testing.T, c filter.Chain, open func(string) (io.ReadCloser, error), d corpus.Doc) measure.Values {
	t.Helper()
	m, err := c.Open(open)
	require.NoError(t, err)
	var v measure.Values
	m.AskBefore(&v, d)
	m.AskAfter(&v, d.Text)
	return v
}

func TestAskingLists(t *testing.T) {
	open := folder(t, map[string]string{"d1": "spam.example\n", "d2": "ads.fine.example\n", "u": "http://fine.example/x\n", "w": "casino\n", "s": "free\nwin\n", "b": "jackpot\n"})
	c := chain(t, `{"url":{"domains":["d1","d2"],"urls":["u"],"words":["w"],"soft_words":["s"],"subwords":["b"]}}`)
	for url, want := range map[string]string{
		"": "", "http://fine.example/y": "", "http://www.spam.example/": "url.domains", "http://ads.fine.example/": "url.domains", "http://fine.example/x": "url.urls",
		"http://fine.example/casino": "url.words", "http://fine.example/free": "", "http://fine.example/free/win": "url.max_soft_words", "http://fine.example/jack-pot": "url.subwords",
	} {
		v := ask(t, c, open, corpus.Doc{URL: url, Text: "text"})
		why, _ := filter.NewDecider(c).Decide(&v, [32]byte{})
		require.Equal(t, want, why.Reason, url)
	}
	m, err := c.Open(open)
	require.NoError(t, err)
	require.Len(t, m.Used, 6)
	require.Equal(t, filter.UsedFile{Filter: "url.domains[0]", Digest: "sha256:58e19610b389b0fab6604ceccebebbbfd919f7691f2dd9122c0774a0d4e87222", Size: 13}, m.Used[0])
}

func TestAskingForTheLanguage(t *testing.T) {
	english, german := "The mill stands by the river and its wheel turns all day long, as everybody knows.", "Die Mühle steht am Fluss und ihr Rad dreht sich den ganzen Tag, wie alle wissen."
	builtIn := chain(t, `{"language":{"keep":["en"],"min_score":0.2}}`)
	model := chain(t, `{"language":{"keep":["en"],"min_score":0.2,"model":"../fasttext/testdata/softmax.bin"}}`)
	for _, c := range []filter.Chain{builtIn, model} {
		m, err := c.Open(nil)
		require.NoError(t, err)
		decider := filter.NewDecider(c, m.Languages()...)
		for text, want := range map[string]string{english: "", german: "language.keep"} {
			var v measure.Values
			m.AskBefore(&v, corpus.Doc{Text: text})
			why, _ := decider.Decide(&v, [32]byte{})
			require.Equal(t, want, why.Reason, "%s: %d", text, v[measure.LanguageScore])
			require.Positive(t, v[measure.LanguageScore])
		}
	}
}

func TestAskingForUnigrams(t *testing.T) {
	open := folder(t, map[string]string{"f": "word,count\nthe,600\nmill,300\n\nturns\t100\n"})
	c := chain(t, `{"unigram":{"frequencies":"f","min_log_prob":-3}}`)
	// ln 0.6, ln 0.3, ln 0.1
	require.EqualValues(t, 1_339_128, ask(t, c, open, corpus.Doc{Text: "THE mill turns"})[measure.UnigramLoss])
	require.EqualValues(t, 20_723_266, ask(t, c, open, corpus.Doc{Text: "unseen"})[measure.UnigramLoss])
	require.Zero(t, ask(t, c, open, corpus.Doc{Text: " "})[measure.UnigramLoss])
	for text, want := range map[string]string{"the": "line 1", "a,1\nb,x": "line 2", "a,0": "line 1", "": "no words", "h,c": "no words", "a,1\nb": "line 2"} {
		_, err := c.Open(folder(t, map[string]string{"f": text}))
		if text == "a,0" {
			want = "1 or more"
		}
		require.ErrorContains(t, err, want, text)
		require.ErrorIs(t, err, filter.ErrFile)
	}
}

func TestAskingModels(t *testing.T) {
	c := chain(t, `{"classifier":{"model":"../classify/testdata/model.bin"},"perplexity":{"model":"../ngram/testdata/model.bin","max":100}}`)
	v := ask(t, c, nil, corpus.Doc{Text: "the wheel of the mill turns"})
	require.Positive(t, v[measure.ClassifierScore])
	require.Positive(t, v[measure.Perplexity])
	other := ask(t, c, nil, corpus.Doc{Text: "Buy zygote xylophones"})
	require.Greater(t, other[measure.Perplexity], v[measure.Perplexity])
	arpa := chain(t, `{"words":"whitespace","perplexity":{"model":"../ngram/testdata/model.arpa","max":100}}`)
	require.InDelta(t, 3_408_705, ask(t, arpa, nil, corpus.Doc{Text: "the wheel turns all day"})[measure.Perplexity], 10, "kenlm says 3.408705")
	named := chain(t, `{"classifier":{"model":"../fasttext/testdata/ova.bin","label":"__label__de"}}`)
	good, bad := ask(t, named, nil, corpus.Doc{Text: "Die Mühle steht am Fluss"}), ask(t, named, nil, corpus.Doc{Text: "The mill stands by the river"})
	require.Greater(t, good[measure.ClassifierScore], bad[measure.ClassifierScore])
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		`{"language":{"model":"nowhere.bin"}}`:                                                                        "language.model: open nowhere.bin",
		`{"language":{"model":"../classify/testdata/model.bin"}}`:                                                     "language.model: ../classify/testdata/model.bin: no usable fastText model",
		`{"language":{"keep":["tlh"]}}`:                                                                               `"tlh" is no language of the model: it knows af`,
		`{"classifier":{"model":"../ngram/testdata/model.arpa"}}`:                                                     "want a file of \"millrace classifier train\"",
		`{"classifier":{"model":"../fasttext/testdata/hs.bin"}}`:                                                      `label is "": want the one whose score counts, of de, en`,
		`{"classifier":{"model":"../classify/testdata/model.bin","label":"hq"}}`:                                      "label is for fastText models",
		`{"perplexity":{"model":"../classify/testdata/model.bin"}}`:                                                   "perplexity.model: ../classify/testdata/model.bin: no n-gram model",
		`{"classifier":{"model":"../classify/testdata/model.bin","digest":"sha256:` + strings.Repeat("0", 64) + `"}}`: "has changed: it is sha256:",
	} {
		c := chain(t, text)
		_, err := c.Open(nil)
		require.ErrorIs(t, err, filter.ErrFile, text)
		require.ErrorContains(t, err, want, text)
	}
}

func TestPin(t *testing.T) {
	c := chain(t, `{"language":{},"classifier":{"model":"a"},"perplexity":{"model":"b"},"url":{"words":["w"]}}`)
	known := "sha256:" + strings.Repeat("1", 64)
	pinned := c.Pin(func(path string) (string, bool) { return known, path != "b" })
	require.Empty(t, c.Classifier.Digest)
	require.Equal(t, known, pinned.Classifier.Digest)
	require.Empty(t, pinned.Perplexity.Digest)
	require.NoError(t, pinned.Check())
	require.True(t, c.MeasuresAs(pinned))
	require.Len(t, pinned.Files(), 3)
}
