package curator

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"millrace/curator/corpus"
	"millrace/curator/pack"
	"millrace/curator/read"
	"millrace/event"
	"millrace/trainer/token"
)

// Errors of questions about texts.
var (
	// ErrNotKept says that a document is not in the dataset.
	ErrNotKept = errors.New("not in the dataset")
	// ErrNotAsRead says that a source does not have a document any more as it was read.
	ErrNotAsRead = errors.New("the source is not as it was read")
)

// Text is a document's text as it is in the shards, decoded from its tokens: what a model is trained on. A document that was cut
// in two is put together. e is an answer of Why. Errors: ErrNotKept, and Open's.
func (d Dataset) Text(ctx context.Context, e Explanation) (string, error) {
	if len(e.Places) == 0 {
		if e.Kept && len(d.Manifest.AttributeIndex) > 0 {
			return "", fmt.Errorf("document %.200q is %w: the filters keep it, and the mixture leaves it out", e.Document, ErrNotKept)
		}
		if e.Kept {
			return "", fmt.Errorf("document %.200q is kept, but the dataset has no index that says where: curate again", e.Document)
		}
		return "", fmt.Errorf("document %.200q is %w: it was dropped by %s", e.Document, ErrNotKept, e.Rule)
	}
	raw, err := d.read(ctx, d.Manifest.Tokenizer.Digest, d.Manifest.Tokenizer.Size)
	if err != nil {
		return "", err
	}
	tok, err := token.Parse(raw)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	seen := map[string]bool{} // of each split once, however often it is taken
	for _, p := range e.Places {
		if seen[p.Split] {
			continue
		}
		seen[p.Split] = true
		ids, err := d.ids(ctx, p)
		if err != nil {
			return "", err
		}
		part, err := token.Decode(tok, ids)
		if err != nil {
			return "", err
		}
		text.Write(part)
	}
	return text.String(), nil
}

// ids are the tokens of a document. The shard is read up to them, and not held.
func (d Dataset) ids(ctx context.Context, p Place) (ids []int32, err error) {
	s, ok := d.Manifest.Split(p.Split)
	if !ok || p.Shard < 0 || p.Shard >= int64(len(s.Shards)) || p.Document < 0 || p.Document >= s.Shards[p.Shard].Documents {
		return nil, fmt.Errorf("%w: document %d of shard %d of %s is not in the manifest", ErrManifest, p.Document, p.Shard, p.Split)
	}
	shard := s.Shards[p.Shard]
	from, to, err := d.stretch(ctx, shard, p.Document)
	if err != nil {
		return nil, err
	}
	in, err := d.Open(ctx, shard.Digest)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	width := int64(pack.Width(d.Manifest.DType))
	if _, err := io.CopyN(io.Discard, in, from*width); err != nil {
		return nil, fmt.Errorf("%w: %s ends before token %d: %w", ErrBlob, shard.Digest, from, err)
	}
	data := make([]byte, (to-from)*width)
	if _, err := io.ReadFull(in, data); err != nil {
		return nil, fmt.Errorf("%w: %s ends before token %d: %w", ErrBlob, shard.Digest, to, err)
	}
	return pack.Decode(nil, data, d.Manifest.DType)
}

// stretch is where a document is in its shard, in tokens.
func (d Dataset) stretch(ctx context.Context, shard Shard, n int64) (from, to int64, err error) {
	index, err := d.read(ctx, shard.Index, 8*shard.Documents)
	if err != nil {
		return 0, 0, err
	}
	if int64(len(index)) != 8*shard.Documents {
		return 0, 0, fmt.Errorf("%w: %s has %d bytes for %d documents", ErrBlob, shard.Index, len(index), shard.Documents)
	}
	at := func(i int64) int64 { return int64(binary.LittleEndian.Uint64(index[8*i:])) }
	if n > 0 {
		from = at(n - 1)
	}
	if to = at(n); from < 0 || to <= from || to > shard.Tokens {
		return 0, 0, fmt.Errorf("%w: %s: document %d is from token %d to %d of %d", ErrBlob, shard.Index, n, from, to, shard.Tokens)
	}
	return from, to, nil
}

// Before is a document's text as its source has it, if that is still what was read. It reads the source where it is: a folder on
// this machine, objects, or what is stored of what was fetched. Errors: ErrNotAsRead when another text, or none, goes by that id now; ErrSource when the source
// cannot be read.
func (d Dataset) Before(ctx context.Context, objects read.Objects, e Explanation) (string, error) {
	for _, source := range d.Manifest.Recipe.Sources {
		if source.Name != e.Source {
			continue
		}
		source, done, err := d.local(ctx, source, e.Document)
		if err != nil {
			return "", errors.Join(err, done())
		}
		listing, err := read.List(ctx, objects, []Source{source}, func(corpus.Drop) {})
		if err != nil {
			return "", errors.Join(err, done())
		}
		text, err := d.before(ctx, listing, e)
		return text, errors.Join(err, listing.Close(), done())
	}
	return "", fmt.Errorf("%w: the recipe has no source %.200q", ErrSource, e.Source)
}

func (d Dataset) before(ctx context.Context, listing *read.Listing, e Explanation) (string, error) {
	listing.UTF16 = d.Manifest.Recipe.readsUTF16()
	var of []read.File
	for _, f := range listing.Files {
		if f.Path == e.Document || strings.HasPrefix(e.Document, f.Path+"#") {
			of = append(of, f)
		}
	}
	listing.Files = of
	for doc, err := range listing.Docs(ctx, nil, nil) {
		if err != nil {
			return "", err
		}
		if doc.ID != e.Document {
			continue
		}
		if got := event.DigestOf([]byte(doc.Text)); got != e.Digest {
			return "", fmt.Errorf("%w: %s/%s is another text now: it was %s, and is %s", ErrNotAsRead, e.Source, e.Document, e.Digest.Short(), got.Short())
		}
		return doc.Text, nil
	}
	return "", fmt.Errorf("%w: %s/%s is not there any more", ErrNotAsRead, e.Source, e.Document)
}
