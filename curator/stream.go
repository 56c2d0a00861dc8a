package curator

import (
	"context"
	"iter"

	"millrace/curator/corpus"
)

// reading is something that happened while the sources were read: a document, a file or record that is none, or bytes that
// are behind. They go through the workers together, so that they come out in order.
type reading struct {
	kind    uint8
	refined refined // of readDoc
	drop    corpus.Drop
	bytes   int64
}

const (
	readDoc = iota
	readDrop
	readBytes
)

// maxReadings bounds a batch of small documents.
const maxReadings = 256

// reading reads the sources in batches.
func (w *work) reading(ctx context.Context) iter.Seq2[[]reading, error] {
	return func(yield func([]reading, error) bool) {
		var batch []reading
		size := 0
		docs := w.listing.Docs(ctx,
			func(d corpus.Drop) { batch = append(batch, reading{kind: readDrop, drop: d}) },
			func(n int64) { batch = append(batch, reading{kind: readBytes, bytes: n}) })
		for d, err := range docs {
			if err != nil {
				if yield(batch, nil) {
					yield(nil, err)
				}
				return
			}
			batch = append(batch, reading{refined: refined{Doc: d}})
			if size += len(d.Text); size >= batchBytes || len(batch) >= maxReadings {
				if !yield(batch, nil) {
					return
				}
				batch, size = nil, 0
			}
		}
		yield(batch, nil)
	}
}

// refineBatch refines the documents of a batch in place, and looks for evaluations in what is left.
func (w *work) refineBatch(batch []reading) ([]reading, error) {
	for i := range batch {
		if batch[i].kind == readDoc {
			r := w.refiner.refine(batch[i].refined.Doc)
			w.decontaminate(&r)
			batch[i].refined = r
		}
	}
	return batch, nil
}

// keptDocs reads the kept documents again, as the survey left them.
func (w *work) keptDocs(ctx context.Context) iter.Seq2[corpus.Doc, error] {
	if !w.refiner.changes() {
		return w.keptSources(ctx)
	}
	return func(yield func(corpus.Doc, error) bool) {
		for batch, err := range corpus.Parallel(ctx, w.Workers, docBatches(w.keptSources(ctx)), func(batch []corpus.Doc) ([]corpus.Doc, error) {
			for i, d := range batch {
				batch[i] = w.refiner.refine(d).Doc
			}
			return batch, nil
		}) {
			if err != nil {
				yield(corpus.Doc{}, err)
				return
			}
			for _, d := range batch {
				if !yield(d, nil) {
					return
				}
			}
		}
	}
}

// keptSources reads the kept documents as their sources have them, up to the last.
func (w *work) keptSources(ctx context.Context) iter.Seq2[corpus.Doc, error] {
	return func(yield func(corpus.Doc, error) bool) {
		for d, err := range w.listing.Docs(ctx, nil, nil) {
			if err != nil {
				yield(corpus.Doc{}, err)
				return
			}
			if w.survey.kept.has(d.Ordinal) && !yield(d, nil) || d.Ordinal >= w.survey.last {
				return
			}
		}
	}
}

func docBatches(docs iter.Seq2[corpus.Doc, error]) iter.Seq2[[]corpus.Doc, error] {
	return func(yield func([]corpus.Doc, error) bool) {
		var batch []corpus.Doc
		size := 0
		for d, err := range docs {
			if err != nil {
				yield(nil, err)
				return
			}
			batch = append(batch, d)
			if size += len(d.Text); size >= batchBytes || len(batch) >= maxReadings {
				if !yield(batch, nil) {
					return
				}
				batch, size = nil, 0
			}
		}
		if len(batch) > 0 {
			yield(batch, nil)
		}
	}
}
