package dedup

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"sync"

	"millrace/curator/corpus"
)

// NearDuplicate is the reason of a document that is, by MinHash, nearly the same as an earlier one: value is the estimated
// similarity to the document it repeats, limit is Threshold. The value is below the limit when chance had it so, or when
// other documents of the cluster are between the two.
const NearDuplicate = "near_duplicate"

// Threshold is the similarity around which documents begin to be found, (1/14)^(1/8).
const Threshold = 0.7190084519372291

// MinHash searches for near duplicates: documents that share one of 14 bands of 8 MinHash values of their 5-word shingles
// are linked, linked documents are a cluster, and of a cluster the first in corpus order stays. Texts of fewer than 5 words
// are linked when they are equal but for white space.
//
// Signatures are spilled to temporary files in sorted runs, and merged band by band, several at a time. What is held in
// memory is SpillBytes and 4 bytes a document, of which every cluster's first is found (union-find, fed by all bands at once):
// 2 GB for a terabyte of documents of 2 KB. On disk it is about 350 bytes a document and its note. Neither Workers nor
// SpillBytes changes the result.
type MinHash struct {
	Workers    int    // goroutines; 0 means GOMAXPROCS
	Dir        string // for temporary files; "" means os.TempDir
	SpillBytes int64  // of marks before they are sorted and written; 0 means 64 MiB
}

// Search begins a search. Its errors, here and later, are those of temporary files and of ctx.
func (m MinHash) Search(ctx context.Context) (*Search, error) {
	f := &nearFinder{workers: workersOf(m.Workers), spillBytes: spillOf(m.SpillBytes, 64<<20)}
	var err error
	if f.marks, err = newSorter[mark](m.Dir, "millrace-marks-*", Bands+1); err == nil {
		f.sketches, err = newSpillFile(m.Dir, "millrace-sketches-*")
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return newSearch(ctx, f.workers, m.Dir, f)
}

// nearFinder is the finder of MinHash.
type nearFinder struct {
	workers    int
	spillBytes int64
	marks      *sorter[mark] // by band; the last part is of equal short texts
	sketches   *spillFile    // sketchBytes a document
	clusters   *clusters
}

// A sketch on disk: whether there is one, the sketch.
const sketchBytes = 1 + Hashes

func (f *nearFinder) Close() error { return errors.Join(f.marks.Close(), closeAll(f.sketches)) }

func (f *nearFinder) hire() worker {
	return &nearWorker{finder: f, signer: NewSigner(), most: max(1, int(f.spillBytes/int64(f.workers)/16))} // 16 bytes a mark in memory
}

// nearWorker signs texts.
type nearWorker struct {
	finder   *nearFinder
	signer   *Signer
	lists    [Bands + 1][]mark
	held     int
	most     int
	sketches []byte
	text     []byte
	raw      []byte
}

func (w *nearWorker) see(b batch) error {
	w.sketches = w.sketches[:0]
	var sig Signature
	for i, t := range b.texts {
		document := b.first + uint32(i)
		if w.signer.Sign(&sig, t) {
			for band, key := range sig.BandKeys() {
				w.lists[band] = append(w.lists[band], mark{key, document})
			}
			w.held += Bands
			sketch := sig.Sketch()
			w.sketches = append(append(w.sketches, 1), sketch[:]...)
			continue
		}
		w.text = Normalize(w.text[:0], t)
		sum := sha256.Sum256(w.text)
		w.lists[Bands] = append(w.lists[Bands], mark{binary.LittleEndian.Uint64(sum[:]), document})
		w.held++
		w.sketches = append(w.sketches, make([]byte, sketchBytes)...)
	}
	if _, err := w.finder.sketches.WriteAt(w.sketches, int64(b.first)*sketchBytes); err != nil {
		return err
	}
	if w.held >= w.most {
		return w.end()
	}
	return nil
}

func (w *nearWorker) end() (err error) {
	for band, list := range w.lists {
		if w.raw, err = w.finder.marks.spill(band, list, w.raw); err != nil {
			return err
		}
		w.lists[band] = list[:0]
	}
	w.held = 0
	return nil
}

// find merges the bands.
func (f *nearFinder) find(ctx context.Context, documents uint32) error {
	f.clusters = newClusters(documents)
	var mu sync.Mutex
	return everyPart(ctx, f.workers, Bands+1, func(ctx context.Context, band int) error {
		found := make([]link, 0, 1024)
		join := func() {
			mu.Lock()
			defer mu.Unlock()
			for _, l := range found {
				f.clusters.link(l.first, l.other)
			}
			found = found[:0]
		}
		var first mark
		none := true
		for m, err := range f.marks.merged(ctx, band, documents, f.spillBytes/int64(f.workers)) {
			switch {
			case err != nil:
				return err
			case none || m.key != first.key:
				first, none = m, false
				continue
			}
			if found = append(found, link{first.document, m.document}); len(found) == cap(found) {
				join()
			}
		}
		join()
		return nil
	})
}

func (f *nearFinder) first(document uint32) (uint32, error) { return f.clusters.first(document), nil }

func (f *nearFinder) why(document, first uint32, e, of entry) (corpus.Why, error) {
	mine, signed, err := f.sketch(document)
	if err != nil {
		return corpus.Why{}, err
	}
	theirs, _, err := f.sketch(first)
	if err != nil {
		return corpus.Why{}, err
	}
	if !signed || of.doc.Digest == e.doc.Digest {
		return corpus.Why{Reason: Duplicate, Value: float64(e.size)}, nil
	}
	return corpus.Why{Reason: NearDuplicate, Value: mine.Similarity(&theirs), Limit: Threshold}, nil
}

// sketch reads a document's.
func (f *nearFinder) sketch(document uint32) (sk Sketch, signed bool, err error) {
	var raw [sketchBytes]byte
	if _, err := f.sketches.ReadAt(raw[:], int64(document)*sketchBytes); err != nil {
		return sk, false, spoilt(err)
	}
	return Sketch(raw[1:]), raw[0] == 1, nil
}
