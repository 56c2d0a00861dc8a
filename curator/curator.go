package curator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"strings"
	"time"

	"millrace/curator/corpus"
	"millrace/curator/leak"
	"millrace/curator/read"
	"millrace/curator/spool"
	"millrace/event"
	"millrace/trainer/token"
)

// Errors of Run a caller may want to branch on, besides ErrRecipe.
var (
	// ErrSource: a source cannot be read as the recipe says.
	ErrSource = read.ErrSource
	// ErrEmpty: no document was left.
	ErrEmpty = errors.New("the corpus is empty")
	// ErrSplitEmpty: every document fell into one split.
	ErrSplitEmpty = errors.New("a split is empty")
	// ErrSourceChanged: a file was changed while it was read.
	ErrSourceChanged = read.ErrChanged
)

// Sink keeps the bytes of a dataset. The name is a hint for people ("tokenizer.json", "train/00000.bin",
// "train/00000.index"); the digest is the event.DigestOf the data. Put must not keep data after it returns. It is called from other
// goroutines than that of Run, but one at a time.
type Sink interface {
	Put(ctx context.Context, name string, data []byte) (event.Digest, error)
}

// The phases of Run, in order.
const (
	PhaseFetch     = "fetch"     // from the web, a model, or a snapshot of either; pages, samples or files. Only when there is such a source
	PhaseSurvey    = "survey"    // read, filter, de-duplicate, count; bytes on disk
	PhaseRepeats   = "repeats"   // find and cut what was there before, if the recipe wants that; bytes of text
	PhaseTokenizer = "tokenizer" // learn the vocabulary; bytes of text, then merges
	PhaseEncode    = "encode"    // encode and pack; bytes of text
)

// Progress says how far Run is. Done of Total is in Unit.
type Progress struct {
	Phase string
	Done  int64
	Total int64
	Unit  string // "bytes", "merges", "pages", "samples" or "files"
	// Read is what the survey has seen so far, files that are no documents included. Documents and Dropped are how many of them
	// nothing has dropped yet, and how many something has: duplicates are known when all has been read.
	Read      int64
	Documents int64
	Dropped   int64
	// Received is the bytes that PhaseFetch has had over the network since it was told last.
	Received int64

	dropped *corpus.Ledger
}

// Reasons yields what was dropped by reason, while the call with the Progress lasts.
func (p Progress) Reasons() iter.Seq2[string, int64] {
	return func(yield func(string, int64) bool) {
		for _, t := range p.dropped.Tallies() {
			if !yield(t.Reason, t.Documents) {
				return
			}
		}
	}
}

// Curator runs recipes.
type Curator struct {
	Sink Sink
	// Objects is what sources of the form s3:// are read from; with nil they are an error.
	Objects read.Objects
	// Blobs reads stored objects, for sources with a snapshot; with nil those are an error.
	Blobs func(ctx context.Context, digest event.Digest) (io.ReadCloser, error)
	// Now is the clock of crawls; nil is time.Now. It goes into the archives that they store.
	Now func() time.Time
	// Say, when set, is told for people what was fetched, in a line for each source.
	Say func(line string)
	// Workers is how many goroutines count words and encode; 0 means GOMAXPROCS. It does not change the result.
	Workers int
	// TempDir is where the kept text waits, compressed, to be encoded, and where the searches for what was there before keep
	// what does not fit into memory (see package dedup); the system's folder when empty. What is fetched lies there too, in the
	// folder "fetch", until Forget: a run that is killed goes on with it.
	TempDir string
	// Progress, when set, is called from the goroutine of Run, at least once a phase.
	Progress func(Progress)
	// Reuse, when set, is asked after the survey for the manifest of a dataset that was made from content of this digest
	// (Manifest.Source). If it is what Run would make, by recipe, tokenizer file and everything the survey found, Run
	// returns it and stores nothing; otherwise it goes on. Whether its blobs are still stored is for Reuse to know.
	Reuse func(ctx context.Context, source event.Digest) (Manifest, bool)
}

// Run makes the dataset. Its blobs are in the Sink when Run returns; the manifest is not: its bytes are Manifest.JSON. It
// returns ctx's error when that ends first, the Sink's errors as they are, and otherwise ErrRecipe, ErrSource, ErrEmpty,
// ErrSplitEmpty or ErrSourceChanged, wrapped.
//
// Sources of the web and of models are fetched first, and stored; the manifest's recipe has their snapshots, so that it makes
// the same dataset again. Then there are also package fetch's errors, beside ErrSource.
func (c Curator) Run(ctx context.Context, r Recipe) (_ Manifest, err error) {
	if err := r.Check(); err != nil {
		return Manifest{}, err
	}
	r = r.Resolve()
	if c.Workers <= 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	refiner, err := newRefiner(r)
	if err != nil {
		return Manifest{}, fmt.Errorf("%w: %w", ErrRecipe, err)
	}
	brought, err := c.fetch(ctx, r)
	if err != nil {
		return Manifest{}, err
	}
	defer func() { err = errors.Join(err, brought.close()) }()
	r = brought.recipe
	w := &work{Curator: c, fetched: brought.fetched, recipe: r, refiner: refiner, held: map[docKey]refined{}, index: index{on: r.Attributes}}
	w.index.Dir = c.TempDir
	listing, err := read.List(ctx, c.Objects, brought.sources, func(d corpus.Drop) {
		w.dropped.Add(d)
		w.unlisted = append(w.unlisted, d)
	})
	if err != nil {
		return Manifest{}, err
	}
	w.listing = listing
	if w.spool, err = spool.Create(ctx, c.TempDir, c.Workers); err != nil {
		return Manifest{}, errors.Join(err, listing.Close())
	}
	m, err := w.run(ctx)
	return m, errors.Join(err, w.spool.Close(), w.index.Close(), listing.Close())
}

// work is one Run.
type work struct {
	Curator
	fetched []Fetched
	recipe  Recipe
	listing *read.Listing
	index   index
	refiner *refiner
	spool   *spool.Spool
	dropped corpus.Ledger
	held    map[docKey]refined // in the steps
	changed changes
	removed []Removed
	notes   notes
	failed  error // of reading, or of storing notes
	// unlisted are files that were left out before anything was read.
	unlisted []corpus.Drop
	mix      *mix          // of the recipe's mixture, if it has one
	flagged  corpus.Ledger // what is told of, but not dropped
	leaks    *leak.Index   // of the recipe's evaluations, if it has any

	survey survey
}

func (w *work) run(ctx context.Context) (Manifest, error) {
	w.listing.UTF16 = w.recipe.readsUTF16()
	if w.recipe.LimitBytes > 0 {
		w.listing.Shuffle(w.recipe.Seed)
	}
	var evaluations *Evaluations
	if how := w.recipe.Decontaminate; how != nil {
		var err error
		if evaluations, err = w.readEvaluations(ctx, *how); err != nil {
			return Manifest{}, err
		}
	}
	if err := w.makeSurvey(ctx); err != nil {
		return Manifest{}, err
	}
	m := Manifest{
		Format: ManifestFormat, Recipe: w.recipe, RecipeDigest: w.recipe.Digest(), Source: w.survey.source,
		Dropped: []Dropped{}, Sources: w.survey.counts, Cleaned: w.changed.cleaned(), Redacted: w.changed.redacted(), Removed: w.removed, Attributes: w.notes.blobs,
		Evaluations: evaluations, FilterFiles: w.refiner.models.Used,
	}
	m.Fetched = w.fetched
	m.Dropped = append(m.Dropped, w.report(&w.dropped)...)
	m.Flagged = w.report(&w.flagged)
	if w.Reuse != nil {
		if old, ok := w.Reuse(ctx, m.Source); ok && w.same(ctx, old, m) {
			return old, nil
		}
	}
	if err := w.makeMix(ctx); err != nil {
		return Manifest{}, err
	}
	tok, err := w.tokenizer(ctx)
	if err != nil {
		return Manifest{}, err
	}
	if err := w.encode(ctx, tok, &m); err != nil {
		return Manifest{}, err
	}
	if m.AttributeIndex, err = w.putIndex(ctx); err != nil {
		return Manifest{}, err
	}
	return m, nil
}

// report is a ledger as manifests have it.
func (w *work) report(l *corpus.Ledger) []Dropped {
	var out []Dropped
	for _, t := range l.Tallies() {
		d := Dropped{Reason: t.Reason, Documents: t.Documents, Bytes: t.Bytes}
		for _, e := range t.Examples {
			d.Examples = append(d.Examples, Example{Source: w.recipe.Sources[e.Source].Name, Document: e.ID, Value: e.Value, Limit: e.Limit, Repeats: (*Repeated)(e.Repeats)})
		}
		out = append(out, d)
	}
	return out
}

// same tells whether old is what this run would make, of which m has what the survey found. Recipe and content decide the
// rest, but for a tokenizer's file, which is neither; one that is named by its digest is looked at too.
func (w *work) same(ctx context.Context, old, m Manifest) bool {
	if w.recipe.Tokenizer.taken() {
		tok, err := w.taken(ctx, w.recipe.Tokenizer)
		if err != nil || token.ID(tok) != string(old.Tokenizer.Digest) {
			return false // the run goes on, and meets the error
		}
	}
	old.Tokenizer, old.DType, old.Splits, old.AttributeIndex, old.Mixture, old.Report = m.Tokenizer, m.DType, m.Splits, m.AttributeIndex, m.Mixture, m.Report
	return old.Digest() == m.Digest()
}

func (w *work) tell(p Progress) {
	if w.Progress != nil {
		p.Dropped = w.dropped.Documents()
		p.Read, p.Documents, p.dropped = w.survey.passed+p.Dropped, w.survey.passed, &w.dropped
		w.Progress(p)
	}
}

// put stores data, and does not believe a sink that says it stored something else.
func (c Curator) put(ctx context.Context, name string, data []byte) (event.Digest, error) {
	got, err := c.Sink.Put(ctx, name, data)
	if err != nil {
		return "", fmt.Errorf("curator: put %s: %w", name, err)
	}
	if want := event.DigestOf(data); got != want {
		return "", fmt.Errorf("curator: put %s: the sink has %q, the data is %q", name, got, want)
	}
	return got, nil
}

// whyNothing lists what was dropped, for an error.
func (w *work) whyNothing() string {
	tallies := w.dropped.Tallies()
	if len(tallies) == 0 {
		return "no file matched: check include, exclude and the folder"
	}
	var parts []string
	for _, t := range tallies {
		e := t.Examples[0]
		part := fmt.Sprintf("%d %s (as %s)", t.Documents, t.Reason, e.ID)
		if t.Reason == read.TooLarge {
			part += fmt.Sprintf(" of %.0f bytes when max_bytes is %.0f: raise it, or split files at a separator", e.Value, e.Limit)
		}
		parts = append(parts, part)
	}
	return fmt.Sprintf("all %d were dropped: %s", w.dropped.Documents(), strings.Join(parts, ", "))
}
