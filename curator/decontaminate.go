package curator

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"millrace/curator/corpus"
	"millrace/curator/leak"
	"millrace/curator/read"
	"millrace/event"
)

// Decontaminate finds documents that share a run of words with an evaluation, so that a model is not measured by what it
// was trained on. The reason names the evaluation's document and the words; see package leak.
type Decontaminate struct {
	// Against are the evaluations' texts: folders, or JSON Lines by one field. A text of several fields, such as question
	// and answer, is two sources with different names.
	Against []Source `json:"against"`
	// NGram is how many words in a row are too many; 0 is 13, as GPT-3 took.
	NGram int `json:"ngram"`
	// Action is "drop", the default, or "flag": then the documents stay, and the manifest has them under flagged.
	Action string `json:"action"`
}

// The values of Action.
const (
	ActionDrop = "drop"
	ActionFlag = "flag"
)

// The bounds of NGram. Below them every document has one, above them hardly a question does.
const (
	defaultNGram = 13
	leastNGram   = 4
	mostNGram    = 64
)

func (d *Decontaminate) resolve() *Decontaminate {
	if d == nil {
		return nil
	}
	out := Decontaminate{NGram: cmp.Or(d.NGram, defaultNGram), Action: cmp.Or(d.Action, ActionDrop)}
	for _, s := range d.Against {
		out.Against = append(out.Against, s.Resolve())
	}
	return &out
}

func (d *Decontaminate) check() error {
	if d == nil {
		return nil
	}
	if d.NGram != 0 && (d.NGram < leastNGram || d.NGram > mostNGram) {
		return fmt.Errorf("ngram is %d: want %d to %d words", d.NGram, leastNGram, mostNGram)
	}
	if d.Action != "" && d.Action != ActionDrop && d.Action != ActionFlag {
		return fmt.Errorf("action is %q: want %q or %q", d.Action, ActionDrop, ActionFlag)
	}
	if len(d.Against) == 0 {
		return errors.New("against is empty: name folders or jsonl files of evaluations")
	}
	names := map[string]bool{}
	for i, s := range d.Against {
		if err := s.Check(); err != nil {
			return fmt.Errorf("against[%d]: %w", i, err)
		}
		if s.IsFetched() {
			return fmt.Errorf("against[%d]: crawl and synthetic are for sources: evaluations do not change", i)
		}
		name := s.Resolve().Name
		if names[name] {
			return fmt.Errorf("against[%d]: there is another source %q: give each a name", i, name)
		}
		names[name] = true
	}
	return nil
}

// Evaluations says what documents were compared with: other evaluations, another dataset.
type Evaluations struct {
	// Digest is of the texts, as Manifest.Source is of what was read.
	Digest event.Digest `json:"digest"`
	Texts  int64        `json:"texts"` // that have an n-gram
	Short  int64        `json:"short"` // that have too few words for one, and cannot be found
	NGrams int64        `json:"ngrams"`
}

// readEvaluations fills w.leaks. A text that cannot be read is an error: it would not be found.
func (w *work) readEvaluations(ctx context.Context, how Decontaminate) (_ *Evaluations, err error) {
	var unread error
	drop := func(d corpus.Drop) {
		if unread == nil {
			unread = fmt.Errorf("%w: decontaminate: %s of %q is %s: an evaluation that is not read is not found; correct it, or leave it out with exclude",
				ErrRecipe, d.ID, how.Against[d.Source].Name, d.Reason)
		}
	}
	listing, err := read.List(ctx, w.Objects, how.Against, drop)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, listing.Close()) }()
	all := sha256.New()
	used := make([]bool, len(how.Against))
	texts := func(yield func(leak.Text, error) bool) {
		for d, err := range listing.Docs(ctx, drop, nil) {
			if err = errors.Join(unread, err); err != nil {
				yield(leak.Text{}, err)
				return
			}
			name := how.Against[d.Source].Name
			sealDoc(all, name, d.ID, d.Digest)
			used[d.Source] = true
			if !yield(leak.Text{Source: name, Document: d.ID, Text: d.Text}, nil) {
				return
			}
		}
	}
	w.leaks, err = leak.NewIndex(how.NGram, texts)
	switch {
	case errors.Is(err, leak.ErrTooMany):
		return nil, fmt.Errorf("%w: decontaminate: %w", ErrRecipe, err)
	case err != nil:
		return nil, err
	case unread != nil:
		return nil, unread
	}
	for i, ok := range used {
		if !ok {
			return nil, fmt.Errorf("%w: decontaminate: against %q has no texts: correct its path or include", ErrRecipe, how.Against[i].Name)
		}
	}
	if w.leaks.NGrams() == 0 {
		return nil, fmt.Errorf("%w: decontaminate: none of the %d texts has %d words: choose a smaller ngram", ErrRecipe, w.leaks.Short(), how.NGram)
	}
	return &Evaluations{
		Digest: event.Digest("sha256:" + hex.EncodeToString(all.Sum(nil))), Texts: w.leaks.Texts(), Short: w.leaks.Short(), NGrams: w.leaks.NGrams(),
	}, nil
}

// decontaminate drops or flags a document in which w.leaks finds something. Any number of goroutines may call it.
func (w *work) decontaminate(r *refined) {
	if w.leaks == nil || !r.keep {
		return
	}
	why, clean := w.leaks.Judge()(r.Doc)
	switch {
	case clean:
	case w.recipe.Decontaminate.Action == ActionDrop:
		r.why, r.keep = why, false
	default:
		r.flag = why
	}
}
