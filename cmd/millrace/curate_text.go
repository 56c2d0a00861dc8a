package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"millrace/curator"
)

// textCmd prints a document as models read it, and as it was.
type textCmd struct {
	Dataset  string `arg:"" help:"Dataset: its name or digest."`
	Document string `arg:"" help:"Document: its id, source/id, or the digest of its text."`
	Before   bool   `help:"The text as it was read, from its source on this machine, if that is still the same." xor:"what"`
	Diff     bool   `help:"What was changed between the two." xor:"what"`
}

// documentText is a document with its texts.
type documentText struct {
	Source   string  `json:"source"`
	Document string  `json:"document"`
	Before   *string `json:"before,omitempty"`
	After    *string `json:"after,omitempty"`
}

func (cmd *textCmd) Run(ctx context.Context, g *Global) error {
	set, err := openDataset(ctx, g, cmd.Dataset)
	if err != nil {
		return err
	}
	found, err := set.Why(ctx, cmd.Document)
	if err != nil {
		return refused(err)
	}
	why, err := one(cmd.Document, found)
	if err != nil {
		return err
	}
	text := documentText{Source: why.Source, Document: why.Document}
	if cmd.Before || cmd.Diff {
		before, err := set.Before(ctx, nil, why)
		if err != nil {
			return refused(err)
		}
		text.Before = &before
	}
	if !cmd.Before {
		after, err := set.Text(ctx, why)
		if err != nil {
			return refused(err)
		}
		text.After = &after
	}
	return g.print(text, func(w io.Writer) error { return text.tell(w) })
}

// one is the only document of several that may be meant: the first that is kept, where the text is that of all.
func one(name string, found []curator.Explanation) (curator.Explanation, error) {
	meant := found[0]
	for _, e := range found[1:] {
		if e.Digest != meant.Digest {
			return meant, &exitError{exitRefused, fmt.Errorf("document %q: several go by this id: %s/%s and %s/%s: name one of them so", name, meant.Source, meant.Document, e.Source, e.Document)}
		}
		if e.Kept && !meant.Kept {
			meant = e
		}
	}
	return meant, nil
}

func (t documentText) tell(w io.Writer) error {
	switch {
	case t.Before == nil:
		_, err := io.WriteString(w, *t.After)
		return err
	case t.After == nil:
		_, err := io.WriteString(w, *t.Before)
		return err
	case *t.Before == *t.After:
		_, err := fmt.Fprintln(w, "the text is as it was read")
		return err
	}
	_, err := w.Write(diff.Diff("before/"+t.Document, visible(*t.Before), "after/"+t.Document, visible(*t.After)))
	return err
}

// visible writes characters that are not seen as escapes, so that a change of them is.
func visible(text string) []byte {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\n' || r == '\t' || r >= ' ' && r != 0x7f && r != 0xfeff && (r < 0x80 || r > 0xa0) && r != '\u2028' && r != '\u2029':
			b.WriteRune(r)
		case r == '\r':
			b.WriteString(`\r`)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return []byte(b.String())
}
