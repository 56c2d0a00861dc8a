package curator

import (
	"context"
	"iter"

	"millrace/curator/corpus"
	"millrace/curator/read"
)

// reading is something that happened while the sources were read: a document, a file or record that is none, or bytes that
// are behind. They go through the workers together, so that they come out in order.
type reading struct {
	kind    uint8
	record  read.Record // of readRecord: what a worker makes one of the others of
	refined refined     // of readDoc
	drop    corpus.Drop
	bytes   int64
}

const (
	readRecord = iota
	readDoc
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
		records := w.listing.Records(ctx, func(n int64) { batch = append(batch, reading{kind: readBytes, bytes: n}) })
		for r, err := range records {
			if err != nil {
				if yield(batch, nil) {
					yield(nil, err)
				}
				return
			}
			batch = append(batch, reading{record: r})
			if size += r.Size(); size >= batchBytes || len(batch) >= maxReadings {
				if !yield(batch, nil) {
					return
				}
				batch, size = nil, 0
			}
		}
		yield(batch, nil)
	}
}

// refineBatch makes documents of the records of a batch, in place, refines them, and looks for evaluations in what is left.
func (w *work) refineBatch(batch []reading) ([]reading, error) {
	for i := range batch {
		if batch[i].kind != readRecord {
			continue
		}
		d, drop := w.listing.Extract(batch[i].record)
		if drop != nil {
			batch[i] = reading{kind: readDrop, drop: *drop}
			continue
		}
		r := w.refiner.refine(d)
		w.decontaminate(&r)
		batch[i] = reading{kind: readDoc, refined: r}
	}
	return batch, nil
}
