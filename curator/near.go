package curator

import (
	"context"
	"errors"
	"iter"

	"millrace/curator/corpus"
	"millrace/curator/dedup"
)

// keepFirst keeps the first of nearly equal documents, and drops the others. It knows which those are when it has seen
// all, so keep gets documents without their text, and its size. When docs ended because of an error in failed, it keeps
// none.
func (w *work) keepFirst(ctx context.Context, docs iter.Seq[corpus.Doc], failed *error, keep func(d corpus.Doc, size int64)) (err error) {
	search, err := dedup.MinHash{Workers: w.Workers, Dir: w.TempDir}.Search(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, search.Close()) }()
	for d := range docs {
		if err := search.Add(d); err != nil {
			return err
		}
	}
	if *failed != nil {
		return nil // the caller has it
	}
	for v, err := range search.Verdicts() {
		if err != nil {
			return err
		}
		if v.Of == nil {
			keep(v.Doc, v.Bytes)
			continue
		}
		v.Why.Repeats = &corpus.Repeated{Source: w.survey.counts[v.Of.Source].Name, Document: v.Of.ID}
		w.dropped.Add(corpus.Drop{Why: v.Why, Source: v.Doc.Source, ID: v.Doc.ID, Bytes: v.Bytes})
	}
	return nil
}
