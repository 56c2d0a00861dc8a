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

// keptDocs gives the kept documents in order, as the survey left them.
func (w *work) keptDocs(ctx context.Context) iter.Seq2[corpus.Doc, error] {
	return func(yield func(corpus.Doc, error) bool) {
		for batch, err := range w.spool.Docs(ctx, w.Workers, nil, w.stays) {
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

// stays tells whether a document of the spool was kept in the end. Any number of goroutines may call it once the survey is over.
func (w *work) stays(d *corpus.Doc) bool { return w.survey.kept.has(d.Ordinal) }
