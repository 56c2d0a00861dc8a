package graph_test

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"strings"
	"sync"
	"testing"

	"millrace/curator"
	"millrace/event"
)

// shelf is storage in memory.
type shelf map[event.Digest][]byte

func (s shelf) Put(_ context.Context, _ string, data []byte) (event.Digest, error) {
	d := event.DigestOf(data)
	s[d] = bytes.Clone(data)
	return d, nil
}

func (s shelf) open(_ context.Context, d event.Digest) (io.ReadCloser, error) {
	data, ok := s[d]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// judged is a real dataset, made once for all tests, and what is stored of it.
var judged = sync.OnceValues(func() (curator.Manifest, shelf) {
	stored := shelf{}
	recipe, err := curator.ParseRecipe([]byte(`
name: judged
sources: [{name: docs, folder: testdata/judged}]
clean: {}
filters: {gopher_quality: {}}
privacy: {}
decontaminate: {against: [{name: riddles, jsonl: testdata/riddles.jsonl, text_field: q}], action: flag}
attributes: true
report: true
dedup: minhash
mixture: {sources: {docs: {epochs: 1.5}}}
tokenizer: {kind: byte}
held_out: 0.4
held_out_by: tail
`))
	if err != nil {
		panic(err)
	}
	m, err := curator.Curator{Sink: stored}.Run(context.Background(), recipe)
	if err != nil {
		panic(err)
	}
	if _, err := stored.Put(context.Background(), "manifest", m.JSON()); err != nil {
		panic(err)
	}
	if _, err := stored.Put(context.Background(), "table", []byte(worst)); err != nil {
		panic(err)
	}
	return m, stored
})

// judgedPublished is the fact of it.
func judgedPublished() event.DatasetPublished {
	m, _ := judged()
	return event.DatasetPublished{Dataset: m.Digest(), Name: "judged", Recipe: m.RecipeDigest, Source: m.Source, Tokenizer: m.Tokenizer.Digest, VocabSize: m.Tokenizer.VocabSize, Bytes: m.Size()}
}

func TestQuestionsAboutDocumentsSayWhatIsWrong(t *testing.T) {
	l := newLab(t)
	l.write(t, story(t)...)
	for query, want := range map[string]string{
		`{ dataset(id: "judged") { why { match } } }`:                                                         "BAD_USER_INPUT",
		`{ dataset(id: "judged") { why(document: "a", text: "b") { match } } }`:                               "BAD_USER_INPUT",
		`{ dataset(id: "judged") { redecide(filters: {gopher_qualty: {}}) { recipeDigest } } }`:               "BAD_USER_INPUT",
		`{ dataset(id: "judged") { redecide(filters: {words: "whitespace"}) { recipeDigest } } }`:             "BAD_USER_INPUT",
		`{ dataset(id: "judged") { redecide(filters: {gopher_quality: {min_words: -1}}) { recipeDigest } } }`: "BAD_USER_INPUT",
		`{ dataset(id: "go-docs") { why(document: "a") { match } } }`:                                         "NOT_FOUND",
		`{ dataset(id: "go-docs") { redecide(filters: {}) { recipeDigest } } }`:                               "NOT_FOUND",
		`{ datasets(first: 500) { nodes { redecide(filters: {}) { recipeDigest } } } }`:                       "COMPLEXITY_LIMIT_EXCEEDED",
	} {
		if got := l.code(t, query, nil); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	a := l.ask(t, `{ dataset(id: "judged") { redecide(filters: {gopher_quality: {min_wrds: 1}}) { recipeDigest } } }`, nil)
	if len(a.Errors) != 1 || !strings.Contains(a.Errors[0].Message, "min_wrds") {
		t.Errorf("%+v", a.Errors)
	}
}
