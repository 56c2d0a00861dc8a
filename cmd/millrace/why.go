package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"

	"millrace/client"
	"millrace/curator"
	"millrace/event"
)

// whyCmd tells why a document is in a dataset or not.
type whyCmd struct {
	Dataset  string `arg:"" help:"Dataset: its name or digest."`
	Document string `arg:"" help:"Document: its id, source/id, the digest of its text, or a file that holds the text."`
}

func (cmd *whyCmd) Run(ctx context.Context, g *Global) error {
	c := g.client()
	set, err := c.Dataset(ctx, cmd.Dataset)
	if err != nil {
		return err
	}
	raw, err := c.Blob(ctx, event.Digest(set.ID))
	if err != nil {
		return err
	}
	m, err := curator.ParseManifest(raw)
	if err != nil {
		return err
	}
	if len(m.Attributes) == 0 {
		return &exitError{exitRefused, fmt.Errorf("dataset %q keeps no record of single documents; put \"attributes: true\" into its recipe and curate again", set.Name)}
	}
	names := []string{cmd.Document}
	if text, err := os.ReadFile(cmd.Document); err == nil {
		names = append(names, string(event.DigestOf(text)))
	}
	for _, name := range names {
		why, err := lookUp(ctx, c, m, name)
		if errors.Is(err, client.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		return g.print(why, func(w io.Writer) error { return explain(w, why) })
	}
	return &exitError{exitRefused, fmt.Errorf("document %q is not among those that dataset %q was made from", cmd.Document, set.Name)}
}

// lookUp asks each part of the dataset's record.
func lookUp(ctx context.Context, c *client.Client, m curator.Manifest, document string) (curator.Explanation, error) {
	for _, part := range m.Attributes {
		blob, err := c.Blob(ctx, part.Digest)
		if err != nil {
			return curator.Explanation{}, err
		}
		if why, found, err := curator.Why(blob, document); found || err != nil {
			return why, err
		}
	}
	return curator.Explanation{}, client.ErrNotFound
}

// explain is an explanation for people: the decision first, then what was measured.
func explain(w io.Writer, why curator.Explanation) error {
	verdict := "kept"
	if !why.Kept {
		verdict = fmt.Sprintf("dropped by %s: measured %s, threshold %s", why.Rule, number(why.Value), number(why.Threshold))
	}
	rows := [][]string{
		{"document", why.Source + "/" + why.Document}, {"verdict", verdict}, {"bytes", fmt.Sprint(why.Bytes)},
		{"text", string(why.Digest)}, {"recipe", string(why.Recipe)},
	}
	if why.Repeats != nil {
		rows = append(rows, []string{"repeats", why.Repeats.Source + "/" + why.Repeats.Document})
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
