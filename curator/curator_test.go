package curator_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"millrace/curator"
	"millrace/curator/corpus"
	"millrace/curator/pack"
	"millrace/event"
	"millrace/trainer/token"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) {
	if os.Getenv(memoryCorpus) != "" {
		os.Exit(curateInChild())
	}
	goleak.VerifyTestMain(m)
}

// memoryCorpus names the corpus that a child of this test binary curates, so that its memory can be looked at by itself.
const memoryCorpus = "MILLRACE_TEST_MEMORY_CORPUS"

// curateInChild curates that corpus and prints the most memory the process has had, in bytes.
func curateInChild() int {
	r, err := curator.ParseRecipe(fmt.Appendf(nil, "name: x\nsources: [{jsonl: %q}]\nclean: {}\ntokenizer: {kind: byte}\nshard_tokens: 1048576\n", os.Getenv(memoryCorpus)))
	if err == nil {
		_, err = curator.Curator{Sink: discard{}, Workers: 2}.Run(context.Background(), r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	status, err := os.ReadFile("/proc/self/status") // not getrusage, which counts the parent before exec too
	_, most, found := strings.Cut(string(status), "VmHWM:")
	var kilobytes int64
	if _, scanErr := fmt.Sscan(most, &kilobytes); err != nil || scanErr != nil || !found {
		fmt.Fprintln(os.Stderr, err, scanErr)
		return 1
	}
	fmt.Println(kilobytes << 10)
	return 0
}

// memory keeps blobs by digest.
type memory struct {
	mu    sync.Mutex
	blobs map[event.Digest][]byte
	names []string
}

func (s *memory) Put(_ context.Context, name string, data []byte) (event.Digest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := event.DigestOf(data)
	if s.blobs == nil {
		s.blobs = map[event.Digest][]byte{}
	}
	s.blobs[d] = bytes.Clone(data)
	s.names = append(s.names, name)
	return d, nil
}

func (s *memory) open(_ context.Context, d event.Digest) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	blob, ok := s.blobs[d]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(blob)), nil
}

func (s *memory) dataset(m curator.Manifest) curator.Dataset {
	return curator.Dataset{Manifest: m, Open: s.open}
}

func recipe(sources ...curator.Source) curator.Recipe {
	r := curator.DefaultRecipe()
	r.Name = "test"
	r.Sources = sources
	r.Tokenizer = curator.Tokenizer{Kind: token.KindByte}
	return r
}

// folder writes files into a new folder.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return dir
}

// texts decodes the documents of a split.
func texts(t require.TestingT, s *memory, m curator.Manifest, split string) []string {
	tok, err := token.Parse(s.blobs[m.Tokenizer.Digest])
	require.NoError(t, err)
	part, ok := m.Split(split)
	require.True(t, ok)
	var out []string
	for _, shard := range part.Shards {
		ids, err := pack.Decode(nil, s.blobs[shard.Digest], m.DType)
		require.NoError(t, err)
		require.EqualValues(t, shard.Tokens, len(ids))
		require.EqualValues(t, shard.Size, len(s.blobs[shard.Digest]))
		ends, err := pack.DecodeIndex(s.blobs[shard.Index], shard.Tokens)
		require.NoError(t, err)
		require.Len(t, ends, int(shard.Documents))
		start, size := int64(0), int64(0)
		for _, end := range ends {
			require.Equal(t, tok.EndOfText(), ids[end-1])
			require.NotContains(t, ids[start:end-1], tok.EndOfText())
			text, err := token.Decode(tok, ids[start:end-1])
			require.NoError(t, err)
			out = append(out, string(text))
			start = end
			size += int64(len(text))
		}
		require.Equal(t, shard.Bytes, size)
	}
	return out
}

const goldenRecipe = `
name: poems
sources:
  - folder: testdata/corpus
    include: ["*.txt"]
    exclude: [vendor]
    max_bytes: 1000
  - jsonl: testdata/more.jsonl
filters: {min_chars: 10, max_chars: 900}
tokenizer: {kind: bpe, vocab_size: 320}
held_out: 0.25
shard_tokens: 300
`

func TestManifestGolden(t *testing.T) {
	r, err := curator.ParseRecipe([]byte(goldenRecipe))
	require.NoError(t, err)
	var sink memory
	var phases []string
	m, err := curator.Curator{Sink: &sink, Progress: func(p curator.Progress) {
		require.LessOrEqual(t, p.Done, p.Total)
		if len(phases) == 0 || phases[len(phases)-1] != p.Phase {
			phases = append(phases, p.Phase)
		}
	}}.Run(context.Background(), r)
	require.NoError(t, err)
	require.Equal(t, []string{curator.PhaseSurvey, curator.PhaseTokenizer, curator.PhaseEncode}, phases)
	path := "testdata/golden/manifest.json"
	if *update {
		require.NoError(t, os.WriteFile(path, m.JSON(), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(m.JSON()))

	again, err := curator.ParseManifest(want)
	require.NoError(t, err)
	require.Equal(t, m, again)
	require.Equal(t, event.DigestOf(want), again.Digest())
	var size int64
	for _, blob := range sink.blobs {
		size += int64(len(blob))
	}
	require.Equal(t, size, m.Size())

	reasons := map[string]int64{}
	for _, d := range m.Dropped {
		reasons[d.Reason] = d.Documents
		require.Len(t, d.Examples, int(d.Documents))
	}
	require.Equal(t, map[string]int64{"binary": 1, "duplicate": 2, "empty": 1, "no_text": 2, "not_json": 1, "not_utf8": 1, "too_large": 1, "too_short": 1}, reasons)
	kept := slices.Concat(texts(t, &sink, m, curator.Train), texts(t, &sink, m, curator.HeldOut))
	require.Len(t, kept, 17)
	require.Contains(t, strings.Join(kept, ""), "日本語")
	require.NotContains(t, strings.Join(kept, ""), "third party")
}

func TestSameInputSameManifest(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		require.NoError(rt, err)
		n := rapid.IntRange(1, 30).Draw(rt, "documents")
		want := map[string]bool{}
		for i := range n {
			text := rapid.StringN(0, 300, -1).Draw(rt, "text") + fmt.Sprint(" document ", i)
			require.NoError(rt, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.txt", i)), []byte(text), 0o644))
			want[text] = !strings.Contains(text, "\x00")
		}
		maps.DeleteFunc(want, func(_ string, keep bool) bool { return !keep })
		r := recipe(curator.Source{Name: "x", Folder: dir})
		r.Tokenizer = curator.Tokenizer{Kind: rapid.SampledFrom([]token.Kind{token.KindBPE, token.KindByte, token.KindChar}).Draw(rt, "kind")}
		r.HeldOut = rapid.SampledFrom([]float64{0, 0.3, 0.5}).Draw(rt, "held out")
		r.HeldOutBy = rapid.SampledFrom([]string{curator.ByDocument, curator.ByTail}).Draw(rt, "by")
		r.ShardTokens = int64(rapid.IntRange(1, 400).Draw(rt, "shard"))
		r.Seed = 3
		var first curator.Manifest
		for i := range 2 {
			var sink memory
			m, err := curator.Curator{Sink: &sink, Workers: rapid.IntRange(1, 4).Draw(rt, "workers")}.Run(context.Background(), r)
			if err != nil {
				if errors.Is(err, curator.ErrEmpty) {
					require.Empty(rt, want)
				} else {
					require.ErrorIs(rt, err, curator.ErrSplitEmpty)
				}
				return
			}
			if i == 0 {
				first = m
				var got []string
				for _, s := range m.Splits {
					got = append(got, texts(rt, &sink, m, s.Name)...)
				}
				if r.HeldOutBy == curator.ByDocument || r.HeldOut == 0 {
					require.ElementsMatch(rt, slices.Collect(maps.Keys(want)), got)
				}
				parsed, err := curator.ParseManifest(m.JSON())
				require.NoError(rt, err)
				require.Equal(rt, m, parsed)
				continue
			}
			require.Equal(rt, string(first.JSON()), string(m.JSON()))
		}
	})
}

func TestHeldOutTailIsNanoGPTs(t *testing.T) {
	text := strings.Repeat("0123456789 abcdefgh\n", 500) // 10,000 bytes
	r := recipe(curator.Source{Folder: folder(t, map[string]string{"input.txt": text})})
	r.HeldOut, r.HeldOutBy = 0.1, curator.ByTail
	r.Tokenizer.Kind = token.KindChar
	var sink memory
	m, err := curator.Curator{Sink: &sink}.Run(context.Background(), r)
	require.NoError(t, err)
	require.Equal(t, []string{text[:9000]}, texts(t, &sink, m, curator.Train))
	require.Equal(t, []string{text[9000:]}, texts(t, &sink, m, curator.HeldOut))
	require.Equal(t, 21, m.Tokenizer.VocabSize, "10 digits, 8 letters, space, newline, <|endoftext|>")
}

func TestTailCutsBetweenCharacters(t *testing.T) {
	text := strings.Repeat("日", 10)
	r := recipe(curator.Source{Folder: folder(t, map[string]string{"input.txt": text})})
	r.HeldOut, r.HeldOutBy = 0.5, curator.ByTail // 15 of 30 bytes is between characters; 16 would not be
	var sink memory
	m, err := curator.Curator{Sink: &sink}.Run(context.Background(), r)
	require.NoError(t, err)
	require.Equal(t, text[:15], texts(t, &sink, m, curator.Train)[0])
	r.HeldOut = 0.45
	m, err = curator.Curator{Sink: &sink}.Run(context.Background(), r)
	require.NoError(t, err)
	require.Equal(t, text[:18], texts(t, &sink, m, curator.Train)[0])
}

func many(t testing.TB, n int) string {
	files := map[string]string{}
	for i := range n {
		files[fmt.Sprintf("%c/%03d.txt", 'a'+i%5, i)] = strings.Repeat(fmt.Sprintf("text number %d. ", i), 10)
	}
	return folder(t, files)
}

func TestLimitTakesAMixedSubset(t *testing.T) {
	dir := many(t, 200)
	run := func(limit, seed int64) []string {
		r := recipe(curator.Source{Name: "x", Folder: dir})
		r.LimitBytes, r.Seed, r.HeldOut = limit, seed, 0
		var sink memory
		m, err := curator.Curator{Sink: &sink}.Run(context.Background(), r)
		require.NoError(t, err)
		require.LessOrEqual(t, m.Splits[0].Bytes, limit)
		require.Greater(t, m.Splits[0].Bytes, limit-200)
		return texts(t, &sink, m, curator.Train)
	}
	small := run(4000, 1)
	require.Equal(t, small, run(4000, 1))
	require.NotEqual(t, small, run(4000, 2))
	require.Equal(t, small, run(8000, 1)[:len(small)], "a larger limit adds to the same beginning")
	require.False(t, slices.IsSorted(small))
	r := recipe(curator.Source{Name: "x", Folder: dir})
	r.LimitBytes = 5
	_, err := curator.Curator{Sink: &memory{}}.Run(context.Background(), r)
	require.ErrorIs(t, err, curator.ErrEmpty)
	require.ErrorContains(t, err, "limit_bytes is 5")
}

func TestErrorsSayWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*curator.Recipe)
		is     error
		says   string
	}{
		"no folder": {func(r *curator.Recipe) { r.Sources[0].Folder += "/nowhere" }, curator.ErrSource, "correct the path"},
		"nothing matches": {func(r *curator.Recipe) { r.Sources[0].Include = []string{"*.go"} }, curator.ErrEmpty,
			"no file matched"},
		"all dropped": {func(r *curator.Recipe) { r.Filters.MinChars = 10_000 }, curator.ErrEmpty, "all 200 were dropped: 200 too_short (as a/000.txt)"},
		"one large file": {func(r *curator.Recipe) { r.Sources[0].MaxBytes = 4; r.Sources[0].Include = []string{"000.txt"} }, curator.ErrEmpty,
			"1 too_large (as a/000.txt) of 150 bytes when max_bytes is 4: raise it, or split files at a separator"},
		"nothing held out": {func(r *curator.Recipe) { r.HeldOut = 0.0001 }, curator.ErrSplitEmpty, "held_out got none of the 200 documents"},
		"nothing to train on": {func(r *curator.Recipe) {
			r.Sources[0].Include, r.HeldOut, r.Tokenizer = []string{"000.txt"}, 0.9, curator.Tokenizer{Kind: token.KindWord}
		}, curator.ErrSplitEmpty, "train got none of the 1 documents"},
		"wrong recipe":      {func(r *curator.Recipe) { r.Dedup = "fuzzy" }, curator.ErrRecipe, `dedup is "fuzzy"`},
		"no tokenizer file": {func(r *curator.Recipe) { r.Tokenizer = curator.Tokenizer{File: "nowhere.json"} }, curator.ErrRecipe, "nowhere.json"},
	} {
		r := recipe(curator.Source{Name: "x", Folder: many(t, 200)})
		c.change(&r)
		_, err := curator.Curator{Sink: &memory{}}.Run(context.Background(), r)
		require.ErrorIs(t, err, c.is, name)
		require.ErrorContains(t, err, c.says, name)
	}
}

// meddler changes a file of the source in the middle of a run.
type meddler struct {
	memory
	change func()
}

func (s *meddler) Put(ctx context.Context, name string, data []byte) (event.Digest, error) {
	if name == "tokenizer.json" {
		s.change()
	}
	return s.memory.Put(ctx, name, data)
}

// What was read is kept until the shards are made: what becomes of the source meanwhile does not matter.
func TestSourceMayChangeOnceItIsRead(t *testing.T) {
	r := recipe(curator.Source{Name: "x", Folder: many(t, 50)})
	want, err := curator.Curator{Sink: &memory{}}.Run(context.Background(), r)
	require.NoError(t, err)
	for name, change := range map[string]func(dir string) error{
		"edited":  func(dir string) error { return os.WriteFile(filepath.Join(dir, "b/001.txt"), []byte("other"), 0o644) },
		"removed": os.RemoveAll,
	} {
		dir := many(t, 50)
		r.Sources[0].Folder = dir
		sink := &meddler{change: func() { require.NoError(t, change(dir)) }}
		m, err := curator.Curator{Sink: sink}.Run(context.Background(), r)
		require.NoError(t, err, name)
		require.Equal(t, want.Splits, m.Splits, name)
	}
}

func TestSourceThatChangesWhileItIsReadIsAnError(t *testing.T) {
	for name, change := range map[string]struct {
		do   func(path string) error
		is   error
		says string
	}{
		"grows":    {func(path string) error { return os.WriteFile(path, []byte("{\"text\":\"all new\"}\n"), 0o644) }, curator.ErrSourceChanged, "b.jsonl"},
		"vanishes": {os.Remove, curator.ErrSource, "c.jsonl"},
	} {
		dir := folder(t, map[string]string{"a.jsonl": "{\"text\":\"first\"}\n", "c.jsonl": "{\"text\":\"last\"}\n",
			"b.jsonl": strings.Repeat(fmt.Sprintf("{\"text\":%q}\n", strings.Repeat("many words ", 100)), 20_000)})
		r := recipe(curator.Source{JSONL: dir})
		var once sync.Once // the first file has been read, and no more than some batches of the second
		var sink memory
		_, err := curator.Curator{Sink: &sink, Workers: 1, Progress: func(curator.Progress) {
			once.Do(func() { require.NoError(t, change.do(filepath.Join(dir, change.says))) })
		}}.Run(context.Background(), r)
		require.ErrorIs(t, err, change.is, name)
		require.ErrorContains(t, err, change.says, name)
		require.Empty(t, sink.names, "nothing of a dataset")
	}
}

type failing struct{ err error }

func (s failing) Put(context.Context, string, []byte) (event.Digest, error) { return "", s.err }

type lying struct{}

func (lying) Put(context.Context, string, []byte) (event.Digest, error) {
	return event.DigestOf(nil), nil
}

func TestSinkErrorsEndTheRun(t *testing.T) {
	full := errors.New("no space left on bucket")
	_, err := curator.Curator{Sink: failing{full}}.Run(context.Background(), recipe(curator.Source{Folder: many(t, 20)}))
	require.ErrorIs(t, err, full)
	_, err = curator.Curator{Sink: lying{}}.Run(context.Background(), recipe(curator.Source{Folder: many(t, 20)}))
	require.ErrorContains(t, err, "the sink has")
}

func TestRunStopsWithItsContext(t *testing.T) {
	dir := many(t, 200)
	for _, phase := range []string{curator.PhaseSurvey, curator.PhaseTokenizer, curator.PhaseEncode} {
		for _, kind := range []token.Kind{token.KindBPE, token.KindChar} {
			ctx, cancel := context.WithCancel(context.Background())
			r := recipe(curator.Source{Folder: dir})
			r.Tokenizer.Kind = kind
			r.ShardTokens = 10
			reached := false
			sink := &meddler{change: func() {
				if phase == curator.PhaseEncode {
					reached = true
					cancel()
				}
			}}
			_, err := curator.Curator{Sink: sink, Progress: func(p curator.Progress) {
				if p.Phase == phase {
					reached = true
					cancel()
				}
			}}.Run(ctx, r)
			require.ErrorIs(t, err, context.Canceled, "%s %s", phase, kind)
			require.True(t, reached)
			cancel()
		}
	}
}

func TestTakesAFinishedTokenizer(t *testing.T) {
	dir := many(t, 50)
	r := recipe(curator.Source{Folder: dir})
	r.Tokenizer = curator.Tokenizer{Kind: token.KindBPE, VocabSize: 300}
	var sink memory
	first, err := curator.Curator{Sink: &sink}.Run(context.Background(), r)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "tokenizer.json")
	require.NoError(t, os.WriteFile(file, sink.blobs[first.Tokenizer.Digest], 0o644))
	r.Tokenizer = curator.Tokenizer{File: file}
	second, err := curator.Curator{Sink: &sink}.Run(context.Background(), r)
	require.NoError(t, err)
	require.Equal(t, first.Splits, second.Splits)
	require.Equal(t, first.Tokenizer, second.Tokenizer)
	r.Tokenizer.Kind = token.KindChar
	_, err = curator.Curator{Sink: &sink}.Run(context.Background(), r)
	require.ErrorContains(t, err, `is of kind "bpe"`)

	r.Tokenizer = curator.Tokenizer{Digest: first.Tokenizer.Digest}
	third, err := curator.Curator{Sink: &sink, Blobs: sink.open}.Run(context.Background(), r)
	require.NoError(t, err)
	require.Equal(t, first.Splits, third.Splits)
	require.Equal(t, first.Tokenizer, third.Tokenizer)
	_, err = curator.Curator{Sink: &sink}.Run(context.Background(), r)
	require.ErrorContains(t, err, "no storage")
	r.Tokenizer.Digest = first.Splits[0].Shards[0].Digest
	_, err = curator.Curator{Sink: &sink, Blobs: sink.open}.Run(context.Background(), r)
	require.ErrorIs(t, err, curator.ErrRecipe, "a shard is no tokenizer")

	// A template's tokens are added behind: the ids of text stay what they were.
	r.Tokenizer = curator.Tokenizer{Digest: first.Tokenizer.Digest, Special: token.ChatML.Special()}
	grown, err := curator.Curator{Sink: &sink, Blobs: sink.open}.Run(context.Background(), r)
	require.NoError(t, err)
	require.Equal(t, first.Splits, grown.Splits)
	require.Equal(t, first.Tokenizer.VocabSize+2, grown.Tokenizer.VocabSize)
	was, err := token.Parse(sink.blobs[first.Tokenizer.Digest])
	require.NoError(t, err)
	is, err := token.Parse(sink.blobs[grown.Tokenizer.Digest])
	require.NoError(t, err)
	require.True(t, token.Extends(is, was))
}

// A document of many pieces must come out as one.
func TestOneLargeDocument(t *testing.T) {
	text := strings.Repeat("word after word after 日本 word\n", 60_000)
	r := recipe(curator.Source{Folder: folder(t, map[string]string{"large.txt": text, "small.txt": "a small one"})})
	r.HeldOut = 0
	r.Tokenizer = curator.Tokenizer{Kind: token.KindBPE, VocabSize: 300, TrainBytes: 3 << 20}
	var sink memory
	m, err := curator.Curator{Sink: &sink, Workers: 3}.Run(context.Background(), r)
	require.NoError(t, err)
	require.Equal(t, []string{text, "a small one"}, texts(t, &sink, m, curator.Train))
	require.Equal(t, []string{"tokenizer.json", "train/00000.bin", "train/00000.index"}, sink.names)
}

func TestLedgerKeepsFirstExamples(t *testing.T) {
	var l corpus.Ledger
	for i := range 20 {
		l.Add(corpus.Drop{Why: corpus.Why{Reason: "r"}, ID: fmt.Sprint(i), Bytes: 2})
	}
	got := l.Tallies()
	require.Len(t, got, 1)
	require.EqualValues(t, 20, got[0].Documents)
	require.EqualValues(t, 40, got[0].Bytes)
	require.Len(t, got[0].Examples, corpus.MaxExamples)
	require.Equal(t, "0", got[0].Examples[0].ID)
}

func TestReuseOnlyOfTheSame(t *testing.T) {
	files := map[string]string{}
	for i := range 40 {
		files[fmt.Sprintf("%02d.txt", i)] = fmt.Sprint("a text of some words, number ", i)
	}
	dir := folder(t, files)
	vocabulary := filepath.Join(t.TempDir(), "tokenizer.json")
	require.NoError(t, os.WriteFile(vocabulary, token.NewByte().JSON(), 0o644))
	r := recipe(curator.Source{Name: "x", Folder: dir, MaxBytes: 1000})
	r.Tokenizer = curator.Tokenizer{File: vocabulary}
	r.HeldOut = 0.3
	first, err := curator.Curator{Sink: &memory{}}.Run(context.Background(), r)
	require.NoError(t, err)

	asked := func(r curator.Recipe) (stored int) {
		t.Helper()
		var sink memory
		offered := false
		m, err := curator.Curator{Sink: &sink, Reuse: func(_ context.Context, source event.Digest) (curator.Manifest, bool) {
			offered = true
			return first, true
		}}.Run(context.Background(), r)
		require.NoError(t, err)
		require.True(t, offered)
		fresh, err := curator.Curator{Sink: &memory{}}.Run(context.Background(), r)
		require.NoError(t, err)
		require.Equal(t, string(fresh.JSON()), string(m.JSON()), "what is reused is what would be made")
		return len(sink.names)
	}
	require.Zero(t, asked(r))
	other := r
	other.Seed = 1
	require.NotZero(t, asked(other), "another recipe")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "large.txt"), make([]byte, 2000), 0o644))
	require.NotZero(t, asked(r), "another file was dropped, though the same was kept")
	require.NoError(t, os.Remove(filepath.Join(dir, "large.txt")))
	require.Zero(t, asked(r))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "07.txt"), []byte("changed"), 0o644))
	require.NotZero(t, asked(r), "other content")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "07.txt"), []byte(files["07.txt"]), 0o644))
	require.Zero(t, asked(r))
	chars, err := token.NewChar([]rune("abcdefghijklmnopqrstuvwxyz0123456789 ,"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(vocabulary, chars.JSON(), 0o644))
	require.NotZero(t, asked(r), "another tokenizer in the file")
}
