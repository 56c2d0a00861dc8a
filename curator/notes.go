package curator

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"millrace/curator/attribute"
	"millrace/curator/clean"
	"millrace/curator/corpus"
	"millrace/curator/privacy"
)

// attributeBytes is how large a blob of attributes becomes before the next begins.
const attributeBytes = 8 << 20

// notes are the attributes on their way into the sink.
type notes struct {
	writer *attribute.Writer
	blobs  []AttributeBlob
}

// docKey names a document.
type docKey struct {
	source int
	id     string
}

// hold remembers what was found out about a document while the steps decide whether it stays; not its text.
func (w *work) hold(r refined) {
	if w.recipe.Attributes || r.cleaned != (clean.Counts{}) || r.redacted != (privacy.Counts{}) {
		r.Text = ""
		w.held[docKey{r.Source, r.ID}] = r
	}
}

// leave drops a document that was held.
func (w *work) leave(ctx context.Context, d corpus.Drop) {
	key := docKey{d.Source, d.ID}
	r := w.held[key]
	delete(w.held, key)
	r.why = d.Why
	w.dropped.Add(d)
	w.note(ctx, r)
}

// stay keeps one.
func (w *work) stay(ctx context.Context, d corpus.Doc) {
	key := docKey{d.Source, d.ID}
	r := w.held[key]
	delete(w.held, key)
	w.changed.add(r)
	w.note(ctx, r)
}

// suspend appends to dst what is held of a document, and holds it no more: nothing if nothing is held. It is for a step
// that cannot decide before it has seen every document.
func (w *work) suspend(dst []byte, d corpus.Doc) []byte {
	key := docKey{d.Source, d.ID}
	r, held := w.held[key]
	if !held {
		return dst
	}
	delete(w.held, key)
	dst = append(dst, r.raw[:]...)
	dst = binary.AppendUvarint(dst, uint64(r.rawBytes))
	dst = appendNumbers(dst, r.cleaned[:])
	dst = appendNumbers(dst, r.redacted[:])
	if r.measured {
		dst = appendNumbers(dst, r.values[:])
	}
	return dst
}

// resume holds again what suspend wrote.
func (w *work) resume(d corpus.Doc, note []byte) error {
	if len(note) == 0 {
		return nil
	}
	r := refined{Doc: d, keep: true}
	in := bytes.NewReader(note)
	_, err := io.ReadFull(in, r.raw[:])
	size, sizeErr := binary.ReadUvarint(in)
	r.rawBytes = int64(size)
	err = errors.Join(err, sizeErr, readNumbers(in, r.cleaned[:]), readNumbers(in, r.redacted[:]))
	if r.measured = in.Len() > 0; r.measured {
		err = errors.Join(err, readNumbers(in, r.values[:]))
	}
	if err != nil || in.Len() > 0 {
		return fmt.Errorf("curator: what was measured of %s was changed or damaged in a temporary file: run the recipe again: %w", d.ID, cmp.Or(err, errors.ErrUnsupported))
	}
	w.held[docKey{d.Source, d.ID}] = r
	return nil
}

func appendNumbers(dst []byte, numbers []int64) []byte {
	for _, n := range numbers {
		dst = binary.AppendUvarint(dst, uint64(n))
	}
	return dst
}

func readNumbers(in *bytes.Reader, numbers []int64) error {
	for i := range numbers {
		n, err := binary.ReadUvarint(in)
		if err != nil {
			return err
		}
		numbers[i] = int64(n)
	}
	return nil
}

// note writes a document's attributes, if the recipe wants them.
func (w *work) note(ctx context.Context, r refined) {
	if !w.recipe.Attributes || w.failed != nil {
		return
	}
	if w.notes.writer == nil {
		w.notes.writer = attribute.NewWriter(w.refiner.header(w.recipe))
	}
	if w.failed = w.index.number(w.recipe.Sources[r.Source].Name, r.ID); w.failed != nil {
		return
	}
	w.notes.writer.Add(attribute.Record{Source: r.Source, ID: r.ID, Digest: r.raw, Bytes: r.rawBytes, Why: r.why, Measured: r.measured, Values: r.values})
	if len(w.notes.writer.Bytes()) >= attributeBytes {
		w.failed = w.flushAttributes(ctx)
	}
}

// flushAttributes stores what has been noted.
func (w *work) flushAttributes(ctx context.Context) error {
	n := &w.notes
	if w.failed != nil || n.writer == nil {
		return w.failed
	}
	data := n.writer.Bytes()
	digest, err := w.put(ctx, fmt.Sprintf("attributes/%05d.bin", len(n.blobs)), data)
	if err != nil {
		return err
	}
	n.blobs = append(n.blobs, AttributeBlob{Digest: digest, Documents: n.writer.Documents(), Size: int64(len(data))})
	n.writer = nil
	return nil
}

// changes counts what was changed in kept documents.
type changes struct {
	clean   [clean.Kinds]Change
	privacy [privacy.Kinds]Change
}

func (c *changes) add(r refined) {
	for k, n := range r.cleaned {
		c.clean[k].add(n)
	}
	for k, n := range r.redacted {
		c.privacy[k].add(n)
	}
}

func (c *Change) add(n int64) {
	if n > 0 {
		c.Documents++
		c.Count += n
	}
}

// cleaned and redacted are the kinds that occurred.
func (c *changes) cleaned() (list []Change) {
	for k, change := range c.clean {
		if change.Kind = clean.Kind(k).String(); change.Count > 0 {
			list = append(list, change)
		}
	}
	return list
}

func (c *changes) redacted() (list []Change) {
	for k, change := range c.privacy {
		if change.Kind = privacy.Kind(k).String(); change.Count > 0 {
			list = append(list, change)
		}
	}
	return list
}
