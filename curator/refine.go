package curator

import (
	"crypto/sha256"
	"sync"

	"millrace/curator/attribute"
	"millrace/curator/clean"
	"millrace/curator/corpus"
	"millrace/curator/dedup"
	"millrace/curator/filter"
	"millrace/curator/measure"
	"millrace/curator/privacy"
)

// refiner does to a document what can be done to it alone: clean, judge, measure, decide, rewrite, redact. Any number of
// goroutines may use it.
type refiner struct {
	clean    *clean.Options
	judges   []corpus.Judge // of text that is not measured yet
	bounds   corpus.Judge   // likewise
	measure  bool
	describe bool // count more than the text as what was read
	index    bool // say what texts are found by
	rewrite  bool
	decider  filter.Decider
	models   *filter.Models
	early    filter.Decider // what it drops needs no model that takes its time,
	hasty    bool           // unless what that says is to be stored
	redact   *privacy.Redactor
	pool     *sync.Pool // of *measure.Measurer
}

// refined is a document that was seen to.
type refined struct {
	corpus.Doc // with the text that is left
	raw        [sha256.Size]byte
	identity   [sha256.Size]byte // what the source's digest has of it
	rawBytes   int64
	why        corpus.Why
	keep       bool
	measured   bool
	values     measure.Values
	cleaned    clean.Counts
	redacted   privacy.Counts
	flag       corpus.Why // why it is flagged, kept or not; without a reason if it is not
	// before and after are the sha256 of the text as duplicates are compared, as the filters got it and as it was left: for the
	// index.
	before, after [sha256.Size]byte
}

func newRefiner(r Recipe) (*refiner, error) {
	opt, err := r.Filters.Options()
	if err != nil {
		return nil, err
	}
	models, err := r.Filters.Open(nil)
	if err != nil {
		return nil, err
	}
	f := &refiner{
		clean: r.Clean, judges: []corpus.Judge{filter.UTF8(), filter.NotEmpty()}, bounds: filter.Chars(r.Filters.MinChars, r.Filters.MaxChars),
		measure: r.Filters.Measured() || r.Attributes, describe: r.Report, index: r.Attributes, rewrite: opt.Rewrite, decider: filter.NewDecider(r.Filters, models.Languages()...), models: models,
		pool: &sync.Pool{New: func() any { return measure.New(opt) }},
	}
	early, all := f.decider.Early()
	f.early, f.hasty = early, !all && !r.Attributes
	if r.Privacy != nil {
		f.redact = privacy.New(*r.Privacy)
	}
	return f, nil
}

// changes tells whether kept text may differ from what was read.
func (f *refiner) changes() bool { return f.clean != nil || f.rewrite || f.redact != nil }

func (f *refiner) refine(d corpus.Doc) refined {
	out := refined{Doc: d, raw: d.Digest, identity: identity(d), rawBytes: int64(len(d.Text))}
	if f.describe {
		out.identity = described(out.identity, d)
	}
	if f.clean != nil {
		f.change(&out.Doc, func(s string) string { return f.clean.Text(s, &out.cleaned) })
	}
	for _, judge := range f.judges {
		if out.why, out.keep = judge(out.Doc); !out.keep {
			return out
		}
	}
	if f.index {
		out.before = alike(out.Text)
		out.after = out.before
	}
	if !f.measure {
		out.why, out.keep = f.bounds(out.Doc)
	} else {
		m := f.pool.Get().(*measure.Measurer)
		out.measured = true
		given := out.Doc
		var rewritten string
		if out.values, rewritten = m.Measure(out.Text); out.Chat == nil { // a conversation is judged by its lines, and stays whole
			out.Text = rewritten
		}
		f.pool.Put(m)
		f.models.AskBefore(&out.values, given)
		out.Language = f.models.Language(&out.values)
		if f.hasty {
			if out.why, out.keep = f.early.Decide(&out.values, out.raw); !out.keep {
				return out
			}
		}
		f.models.AskAfter(&out.values, rewritten)
		out.why, out.keep = f.decider.Decide(&out.values, out.raw)
	}
	if !out.keep {
		return out
	}
	out.why = corpus.Why{}
	if f.redact != nil {
		f.change(&out.Doc, func(s string) string { return f.redact.Redact(s, &out.redacted) })
	}
	if f.changes() && out.Text != d.Text {
		out.Digest = sha256.Sum256([]byte(out.Text))
		if f.index {
			out.after = alike(out.Text)
		}
	}
	return out
}

// header is the header of attributes of what the recipe measures.
func (f *refiner) header(r Recipe) attribute.Header {
	var names []string
	for _, s := range r.Sources {
		names = append(names, s.Name)
	}
	h := attribute.NewHeader(r.Digest(), names)
	if r.Filters.Asks() {
		h = h.WithScores(f.models.Languages())
	}
	return h
}

// change changes a text, or each message of a conversation.
func (f *refiner) change(d *corpus.Doc, change func(string) string) {
	if d.Chat != nil {
		mapChat(d, change)
		return
	}
	d.Text = change(d.Text)
}

// alike is the sha256 of a text as duplicates are compared: white space aside.
func alike(text string) [sha256.Size]byte {
	return sha256.Sum256(dedup.Normalize(make([]byte, 0, len(text)), text))
}
