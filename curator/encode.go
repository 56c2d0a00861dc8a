package curator

import (
	"cmp"
	"context"
	"fmt"
	"iter"

	"millrace/curator/corpus"
	"millrace/curator/pack"
	"millrace/event"
	"millrace/trainer/token"
)

// piece is a stretch of a part, small enough that one large document keeps all workers busy, or a conversation; last ends its part.
type piece struct {
	doc   corpus.Doc // of the part
	text  string
	size  int // of the part's text
	split int
	copy  int
	last  bool
}

// encoded is a piece as ids. A conversation has a mask: which of them count in the loss.
type encoded struct {
	piece
	ids  []int32
	mask []bool
}

// Sizes of what a worker encodes at once.
const (
	pieceBytes = 256 << 10
	batchBytes = 256 << 10
)

// batches cuts parts into pieces and gathers small ones. Conversations stay whole if asked.
func batches(parts iter.Seq2[part, error], chats bool) iter.Seq2[[]piece, error] {
	return func(yield func([]piece, error) bool) {
		var batch []piece
		size := 0
		add := func(p part, text string, last bool) bool {
			batch = append(batch, piece{p.doc, text, len(p.text), p.split, p.copy, last})
			if size += len(text); size < batchBytes && len(batch) < maxReadings {
				return true
			}
			full := batch
			batch, size = nil, 0
			return yield(full, nil)
		}
		for p, err := range parts {
			if err != nil {
				yield(nil, err)
				return
			}
			if chats && p.doc.Chat != nil {
				if !add(p, p.text, true) {
					return
				}
				continue
			}
			left := len(p.text)
			for text := range token.Chunks(p.text, pieceBytes) {
				if left -= len(text); !add(p, text, left == 0) {
					return
				}
			}
		}
		if len(batch) > 0 {
			yield(batch, nil)
		}
	}
}

// encodePiece makes ids of a piece.
func (w *work) encodePiece(tok token.Tokenizer, p piece) (encoded, error) {
	if w.recipe.ChatTemplate != "" && p.doc.Chat != nil {
		c, err := w.recipe.ChatTemplate.Encode(tok, p.doc.Chat, false)
		if err != nil {
			return encoded{}, fmt.Errorf("%w: document %s: %w", ErrRecipe, p.doc.ID, err)
		}
		return encoded{p, c.IDs, c.Loss}, nil
	}
	ids, err := tok.Append(make([]int32, 0, len(p.text)/3+1), p.text)
	if err != nil {
		return encoded{}, fmt.Errorf("curator: document %s: %w", p.doc.ID, err)
	}
	return encoded{p, ids, nil}, nil
}

// textBytes is how much text there is to encode, about.
func (w *work) textBytes() int64 {
	if w.mix == nil {
		return w.survey.bytes
	}
	available := int64(0)
	for _, s := range w.mix.sources {
		available += s.Available
	}
	return w.survey.bytes - available + w.mix.bytes
}

// encode encodes the parts with all workers, packs the ids in order, and fills in what the manifest says of them.
func (w *work) encode(ctx context.Context, tok token.Tokenizer, m *Manifest) (err error) {
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
	ship := newShipper(func(split int, s pack.Shard) error { return w.putShard(ctx, &m.Splits[split], s) })
	defer func() { err = cmp.Or(ship.wait(), err) }() // a shard that could not be stored is why the rest failed
	for i, name := range wanted {
		m.Splits[i] = Split{Name: name, Shards: []Shard{}}
		writers[i] = &pack.Writer{DType: m.DType, EndOfText: tok.EndOfText(), MaxTokens: w.recipe.ShardTokens, Masked: w.recipe.ChatTemplate != "",
			PackLength: w.recipe.PackLength, Put: func(s pack.Shard) error { return ship.send(i, s) }}
	}
	results := corpus.Parallel(ctx, w.Workers, batches(w.parts(ctx), w.recipe.ChatTemplate != ""), func(batch []piece) ([]encoded, error) {
		out := make([]encoded, len(batch))
		for i, p := range batch {
			var err error
			if out[i], err = w.encodePiece(tok, p); err != nil {
				return nil, err
			}
		}
		return out, nil
	})
	reporter := newReporter(w.recipe)
	p := Progress{Phase: PhaseEncode, Total: w.textBytes(), Unit: "bytes"}
	for batch, err := range results {
		if err != nil {
			return err
		}
		for _, e := range batch {
			if err := w.pack(writers[e.split], e); err != nil {
				return err
			}
			reporter.add(w.recipe.Sources[e.doc.Source].Name, e)
			p.Done = min(p.Done+int64(len(e.text)), p.Total)
		}
		w.tell(p)
	}
	m.Mixture, m.Report = w.mix.report(), reporter.end()
	for _, writer := range writers {
		if err := writer.Close(); err != nil {
			return err
		}
	}
	if err := ship.wait(); err != nil {
		return err
	}
	for i := range m.Splits {
		if m.Splits[i].Documents == 0 {
			return w.splitEmpty(m.Splits[i].Name)
		}
	}
	return nil
}

func (w *work) splitEmpty(name string) error {
	return fmt.Errorf("%w: %s got none of the %d documents (%d bytes) with held_out %v by %s: more text or another held_out helps, "+
		"and for a corpus of few documents held_out_by: tail, or a separator", ErrSplitEmpty, name, w.survey.documents, w.survey.bytes,
		w.recipe.HeldOut, w.recipe.HeldOutBy)
}

// pack adds a piece to its split.
func (w *work) pack(writer *pack.Writer, e encoded) error {
	writer.Add(e.ids, e.mask, int64(len(e.text)))
	if e.split == 0 {
		w.mix.count(e.doc.Source, e.copy, int64(len(e.text)), int64(len(e.ids)), e.last)
	}
	if !e.last {
		return nil
	}
	if err := writer.EndDocument(); err != nil {
		return err
	}
	if e.copy > 0 {
		return nil // the index names a document's first place
	}
	return w.index.place(w.survey.counts[e.doc.Source].Name, e.doc.ID, e.split, writer)
}

func (w *work) putShard(ctx context.Context, split *Split, s pack.Shard) error {
	name := fmt.Sprintf("%s/%05d", split.Name, len(split.Shards))
	var digests [3]event.Digest
	for i, blob := range []struct {
		suffix string
		data   []byte
	}{{".bin", s.Data}, {".index", s.Index}, {".mask", s.Mask}} {
		if blob.data == nil {
			continue
		}
		var err error
		if digests[i], err = w.put(ctx, name+blob.suffix, blob.data); err != nil {
			return err
		}
	}
	split.Shards = append(split.Shards, Shard{Digest: digests[0], Index: digests[1], Mask: digests[2], Tokens: s.Tokens, LossTokens: s.LossTokens,
		Documents: s.Documents, Bytes: s.Bytes, Size: int64(len(s.Data))})
	split.Tokens += s.Tokens
	split.LossTokens += s.LossTokens
	split.Documents += s.Documents
	split.Bytes += s.Bytes
	return nil
}
