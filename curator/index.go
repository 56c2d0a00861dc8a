package curator

import (
	"context"
	"fmt"

	"millrace/curator/attribute"
	"millrace/curator/pack"
)

// index collects what the index of attributes says, if the recipe wants attributes.
type index struct {
	attribute.Indexer
	on    bool
	count uint64 // of records
}

// texts says which texts are a document's.
func (x *index) texts(source string, r refined) error {
	if !x.on {
		return nil
	}
	key := attribute.DocumentKey(source, r.ID)
	none := [32]byte{}
	err := x.Add(attribute.TextEntry(r.raw, attribute.AsRead, key))
	if err == nil && r.before != none && r.before != r.raw {
		err = x.Add(attribute.TextEntry(r.before, attribute.Nearly, key))
	}
	if err == nil && r.after != r.before && r.after != r.raw {
		err = x.Add(attribute.TextEntry(r.after, attribute.Nearly, key))
	}
	return err
}

// number says which record is a document's: the next.
func (x *index) number(source, id string) error {
	x.count++
	return x.Add(attribute.Entry{Key: attribute.DocumentKey(source, id), Kind: attribute.Number, Value: x.count - 1})
}

// place says where a document is that a writer has just ended.
func (x *index) place(source, id string, split int, w *pack.Writer) error {
	if !x.on {
		return nil
	}
	shard, n := w.Last()
	return x.Add(attribute.PlaceEntry(attribute.DocumentKey(source, id), split == 1, shard, n))
}

// putIndex stores the index.
func (w *work) putIndex(ctx context.Context) ([]IndexBlob, error) {
	var blobs []IndexBlob
	for part, err := range w.index.Blobs(ctx, w.recipe.Digest()) {
		if err != nil {
			return nil, fmt.Errorf("curator: %w", err)
		}
		digest, err := w.put(ctx, fmt.Sprintf("attributes/%05d.index", len(blobs)), part.Data)
		if err != nil {
			return nil, err
		}
		blobs = append(blobs, IndexBlob{Digest: digest, First: fmt.Sprintf("%016x", uint64(part.First)), Size: int64(len(part.Data))})
	}
	return blobs, nil
}
