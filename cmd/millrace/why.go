package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"

	"millrace/curator"
	"millrace/event"
)

// whyCmd tells why a document is in a dataset or not.
type whyCmd struct {
	Dataset  string `arg:"" help:"Dataset: its name or digest."`
	Document string `arg:"" optional:"" help:"Document: its id, source/id, or the digest of its text; @FILE for the text in a file, - for the text on standard input."`
	Text     string `help:"A text, instead of a document." placeholder:"TEXT"`
}

// whyAnswer is what is known of a document or a text.
type whyAnswer struct {
	// Match says how a text was found; "" for a document.
	Match     curator.Match         `json:"match,omitempty"`
	Documents []curator.Explanation `json:"documents"`
}

func (cmd *whyCmd) Run(ctx context.Context, g *Global) error {
	set, err := openDataset(ctx, g, cmd.Dataset)
	if err != nil {
		return err
	}
	answer, err := cmd.ask(ctx, set)
	if err != nil {
		return refused(err)
	}
	return g.print(answer, func(w io.Writer) error { return cmd.tell(w, answer) })
}

func (cmd *whyCmd) ask(ctx context.Context, set curator.Dataset) (whyAnswer, error) {
	text, isText, err := cmd.text()
	if err != nil {
		return whyAnswer{}, err
	}
	if !isText {
		found, err := set.Why(ctx, cmd.Document)
		if err == nil || !isFile(cmd.Document) {
			return whyAnswer{Documents: found}, err
		}
		raw, errRead := os.ReadFile(cmd.Document)
		if errRead != nil {
			return whyAnswer{}, err
		}
		text = string(raw)
	}
	found, match, err := set.WhyText(ctx, text)
	return whyAnswer{match, found}, err
}

// text is the text that is asked about, unless a document is.
func (cmd *whyCmd) text() (text string, is bool, err error) {
	file, isFile := strings.CutPrefix(cmd.Document, "@")
	switch {
	case cmd.Text != "" && cmd.Document != "":
		return "", false, &exitError{exitUsage, fmt.Errorf("name a document, or give a --text, not both")}
	case cmd.Text != "":
		return cmd.Text, true, nil
	case cmd.Document == "":
		return "", false, &exitError{exitUsage, fmt.Errorf("name a document, or give a text: --text TEXT, @FILE, or - for standard input")}
	case cmd.Document == "-":
		raw, err := io.ReadAll(io.LimitReader(os.Stdin, maxText))
		return string(raw), true, err
	case isFile:
		raw, err := os.ReadFile(file)
		return string(raw), true, err
	}
	return "", false, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func (cmd *whyCmd) tell(w io.Writer, a whyAnswer) error {
	switch a.Match {
	case curator.NoText:
		if len(a.Documents) == 0 {
			_, err := fmt.Fprintln(w, "This text was not in the sources. What the filters would decide of it cannot be said here: their lists and models are elsewhere, or have changed.")
			return err
		}
		fmt.Fprintln(w, "This text was not in the sources. Alone, and whatever others there are, it would be:")
	case curator.Nearly:
		fmt.Fprintln(w, "White space and cleaning aside, this is the text of:")
	}
	const shown = 5
	for i, why := range a.Documents {
		if i == shown {
			_, err := fmt.Fprintf(w, "\nand of %d more; --json prints all\n", len(a.Documents)-shown)
			return err
		}
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := explain(w, why); err != nil {
			return err
		}
	}
	return nil
}

// explain is an explanation for people: the decision first, then what was measured.
func explain(w io.Writer, why curator.Explanation) error {
	verdict := "kept"
	if !why.Kept {
		verdict = fmt.Sprintf("dropped by %s: measured %s, threshold %s", why.Rule, number(why.Value), number(why.Threshold))
	}
	rows := [][]string{{"verdict", verdict}, {"bytes", fmt.Sprint(why.Bytes)}, {"text", string(why.Digest)}, {"recipe", string(why.Recipe)}}
	if why.Document != "" {
		rows = append([][]string{{"document", why.Source + "/" + why.Document}}, rows...)
	}
	if of := why.Repeats; of != nil {
		rows = append(rows, []string{"repeats", of.Source + "/" + of.Document})
		if of.Text != "" {
			rows = append(rows, []string{"in common", of.Text})
		}
	}
	if why.Language != "" {
		rows = append(rows, []string{"language", why.Language})
	}
	for _, p := range why.Places {
		rows = append(rows, []string{"in", fmt.Sprintf("%s, shard %d, document %d", p.Split, p.Shard, p.Document)})
	}
	names := make([]string, 0, len(why.Values))
	for name := range why.Values {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		rows = append(rows, []string{"  " + name, fmt.Sprint(why.Values[name])})
	}
	return table(w, rows)
}

// openDataset finds a dataset by name or digest and reads its manifest.
func openDataset(ctx context.Context, g *Global, name string) (curator.Dataset, error) {
	c := g.client()
	set, err := c.Dataset(ctx, name)
	if err != nil {
		return curator.Dataset{}, err
	}
	return curator.OpenDataset(ctx, event.Digest(set.ID), c.OpenBlob)
}
