package curator

import (
	"context"
	"errors"
	"iter"

	"millrace/curator/corpus"
	"millrace/curator/dedup"
)

// searchDuplicates begins the search that the recipe wants.
func (w *work) searchDuplicates(ctx context.Context) (*dedup.Search, error) {
	if w.recipe.Dedup == DedupMinHash {
		return dedup.MinHash{Workers: w.Workers, Dir: w.TempDir}.Search(ctx)
	}
	return dedup.Exact{Workers: w.Workers, Dir: w.TempDir}.Search(ctx)
}

// keepFirst keeps the first of equal or nearly equal documents, and drops the others. It knows which those are when it has
// seen all, so keep gets documents without their text, and its size. What is held of a document waits on disk with it. When
// docs ended because of w.failed, it keeps none.
func (w *work) keepFirst(ctx context.Context, docs iter.Seq[corpus.Doc], keep func(d corpus.Doc, size int64)) (err error) {
	search, err := w.searchDuplicates(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, search.Close()) }()
	var note []byte
	for d := range docs {
		note = w.suspend(note[:0], d)
		if err := search.Add(d, note); err != nil {
			return err
		}
	}
	if w.failed != nil {
		return nil // the caller has it
	}
	for v, err := range search.Verdicts() {
		if err != nil {
			return err
		}
		if err := w.resume(v.Doc, v.Note); err != nil {
			return err
		}
		if w.failed != nil {
			return nil
		}
		if v.Of == nil {
			keep(v.Doc, v.Bytes)
			continue
		}
		v.Why.Repeats = &corpus.Repeated{Source: w.survey.counts[v.Of.Source].Name, Document: v.Of.ID}
		w.survey.passed--
		w.leave(ctx, corpus.Drop{Why: v.Why, Source: v.Doc.Source, ID: v.Doc.ID, Bytes: v.Bytes})
	}
	return nil
}
