package curator

import (
	"context"
	"iter"
	"math"
	"unicode/utf8"

	"millrace/curator/corpus"
	"millrace/curator/pack"
	"millrace/curator/spool"
)

// part is a kept document, or the piece of one that belongs to a split.
type part struct {
	doc   corpus.Doc
	text  string
	split int // index into splitNames
	copy  int // 0 for the first time that the document is in its split
}

// splitNames are the splits by the index that part uses.
var splitNames = [...]string{Train, HeldOut}

// parts gives the kept documents in order, and says which split each belongs to. A mixture leaves some out, and repeats others
// when all have been there once, then again: so a document's copies are far apart.
func (w *work) parts(ctx context.Context) iter.Seq2[part, error] {
	return func(yield func(part, error) bool) {
		c := cutter{by: w.recipe.HeldOutBy, fraction: w.recipe.HeldOut, tail: int64(math.Floor(float64(w.survey.bytes) * (1 - w.recipe.HeldOut)))}
		for pass := range w.mix.passes() {
			for d, err := range w.keptDocs(ctx, w.mix.wanted(pass)) {
				if err != nil {
					yield(part{}, err)
					return
				}
				cut := c.cut(d)
				if cut > 0 && w.mix.copies(d) > pass && !yield(part{d, d.Text[:cut], 0, pass}, nil) {
					return
				}
				if cut < len(d.Text) && pass == 0 && !yield(part{d, d.Text[cut:], 1, 0}, nil) {
					return
				}
			}
		}
	}
}

// keptDocs gives the kept documents in order, as the survey left them, but for blocks of the spool that are not wanted.
func (w *work) keptDocs(ctx context.Context, wanted spool.Wanted) iter.Seq2[corpus.Doc, error] {
	return func(yield func(corpus.Doc, error) bool) {
		for batch, err := range w.spool.Docs(ctx, w.Workers, wanted, w.stays) {
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

// cutter says how much of a document is trained on. By the tail it must see every document once, in order, before it sees one
// again.
type cutter struct {
	by       string
	fraction float64
	tail     int64 // bytes of the training split

	before int64 // bytes of the documents that were seen
	last   int64 // ordinal of the last that was seen
	across int64 // ordinal of the document in which the training split ends, once it is known
	at     int   // and where
	known  bool
}

func (c *cutter) cut(d corpus.Doc) int {
	switch {
	case c.fraction == 0:
		return len(d.Text)
	case c.by == ByDocument:
		if pack.HeldOut(d.Digest, c.fraction) {
			return 0
		}
		return len(d.Text)
	case c.known && d.Ordinal == c.across:
		return c.at
	case c.known && d.Ordinal > c.across:
		return 0
	case c.known || d.Ordinal <= c.last && c.before > 0:
		return len(d.Text)
	}
	size := int64(len(d.Text))
	cut := int(min(max(c.tail-c.before, 0), size))
	for cut > 0 && cut < len(d.Text) && !utf8.RuneStart(d.Text[cut]) {
		cut++
	}
	if cut > 0 && d.Chat != nil { // a conversation is never cut
		cut = len(d.Text)
	}
	c.before += size
	c.last = d.Ordinal
	if cut < len(d.Text) {
		c.across, c.at, c.known = d.Ordinal, cut, true
	}
	return cut
}
