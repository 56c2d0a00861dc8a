package curator

import (
	"context"
	"fmt"
	"iter"

	"millrace/curator/corpus"
	"millrace/curator/pack"
	"millrace/event"
	"millrace/trainer/token"
)

// splitNames are the splits by the index that part uses.
var splitNames = [...]string{Train, HeldOut}

// piece is a stretch of a part, small enough that one large document keeps all workers busy; last ends its part.
type piece struct {
	source int
	id     string
	text   string
	split  int
	last   bool
}

// encoded is a piece's ids.
type encoded struct {
	ids    []int32
	bytes  int64
	source int
	id     string
	split  int
	last   bool
}

// Sizes of what a worker encodes at once.
const (
	pieceBytes = 256 << 10
	batchBytes = 256 << 10
)

// batches cuts parts into pieces and gathers small ones.
func batches(parts iter.Seq2[part, error]) iter.Seq2[[]piece, error] {
	return func(yield func([]piece, error) bool) {
		var batch []piece
		size := 0
		for p, err := range parts {
			if err != nil {
				yield(nil, err)
				return
			}
			left := len(p.text)
			for text := range token.Chunks(p.text, pieceBytes) {
				left -= len(text)
				batch = append(batch, piece{p.doc.Source, p.doc.ID, text, p.split, left == 0})
				if size += len(text); size >= batchBytes {
					if !yield(batch, nil) {
						return
					}
					batch, size = nil, 0
				}
			}
		}
		if len(batch) > 0 {
			yield(batch, nil)
		}
	}
}

// encode encodes the parts with all workers, packs the ids in order, and fills in what the manifest says of them.
func (w *work) encode(ctx context.Context, tok token.Tokenizer, m *Manifest) error {
	file := tok.JSON()
	digest, err := w.put(ctx, "tokenizer.json", file)
	if err != nil {
		return err
	}
	m.Tokenizer = TokenizerBlob{Digest: digest, Kind: tok.Kind(), VocabSize: tok.VocabSize(), EndOfText: tok.EndOfText(), Size: int64(len(file))}
	m.DType = pack.DType(tok.VocabSize())

	wanted := splitNames[:]
	if w.recipe.HeldOut == 0 {
		wanted = wanted[:1]
	}
	m.Splits = make([]Split, len(wanted))
	writers := make([]*pack.Writer, len(wanted))
	for i, name := range wanted {
		m.Splits[i] = Split{Name: name, Shards: []Shard{}}
		writers[i] = &pack.Writer{DType: m.DType, EndOfText: tok.EndOfText(), MaxTokens: w.recipe.ShardTokens, Put: func(s pack.Shard) error {
			return w.putShard(ctx, &m.Splits[i], s)
		}}
	}
	results := corpus.Parallel(ctx, w.Workers, batches(w.parts(ctx)), func(batch []piece) ([]encoded, error) {
		out := make([]encoded, len(batch))
		for i, p := range batch {
			ids, err := tok.Append(make([]int32, 0, len(p.text)/3+1), p.text)
			if err != nil {
				return nil, fmt.Errorf("curator: document %s: %w", p.id, err)
			}
			out[i] = encoded{ids, int64(len(p.text)), p.source, p.id, p.split, p.last}
		}
		return out, nil
	})
	p := Progress{Phase: PhaseEncode, Total: w.survey.bytes, Unit: "bytes"}
	for batch, err := range results {
		if err != nil {
			return err
		}
		for _, e := range batch {
			writers[e.split].Add(e.ids, e.bytes)
			if e.last {
				if err := writers[e.split].EndDocument(); err != nil {
					return err
				}
				if err := w.index.place(w.survey.counts[e.source].Name, e.id, e.split, writers[e.split]); err != nil {
					return err
				}
			}
			p.Done += e.bytes
		}
		w.tell(p)
	}
	for i, writer := range writers {
		if err := writer.Close(); err != nil {
			return err
		}
		if m.Splits[i].Documents == 0 {
			return fmt.Errorf("%w: %s got none of the %d documents (%d bytes) with held_out %v by %s: more text or another held_out helps, "+
				"and for a corpus of few documents held_out_by: tail, or a separator", ErrSplitEmpty, m.Splits[i].Name, w.survey.documents, w.survey.bytes,
				w.recipe.HeldOut, w.recipe.HeldOutBy)
		}
	}
	return nil
}

func (w *work) putShard(ctx context.Context, split *Split, s pack.Shard) error {
	name := fmt.Sprintf("%s/%05d", split.Name, len(split.Shards))
	var digests [2]event.Digest
	for i, blob := range []struct {
		suffix string
		data   []byte
	}{{".bin", s.Data}, {".index", s.Index}} {
		var err error
		if digests[i], err = w.put(ctx, name+blob.suffix, blob.data); err != nil {
			return err
		}
	}
	split.Shards = append(split.Shards, Shard{Digest: digests[0], Index: digests[1], Tokens: s.Tokens, Documents: s.Documents, Bytes: s.Bytes, Size: int64(len(s.Data))})
	split.Tokens += s.Tokens
	split.Documents += s.Documents
	split.Bytes += s.Bytes
	return nil
}
