package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"millrace/curator"
	"millrace/event"
)

// reportCmd shows what a dataset is made of.
type reportCmd struct {
	Dataset  string `arg:"" help:"Dataset: its name or digest."`
	Examples int    `help:"How many examples of each reason, at most 5." default:"1" placeholder:"N"`
}

// datasetReport is what a manifest says of documents.
type datasetReport struct {
	Dataset      event.Digest          `json:"dataset"`
	Name         string                `json:"name"`
	RecipeDigest event.Digest          `json:"recipe_digest"`
	Sources      []curator.SourceCount `json:"sources"`
	Splits       []splitCount          `json:"splits"`
	Report       *curator.Report       `json:"report,omitempty"`
	Dropped      []curator.Dropped     `json:"dropped"`
	Flagged      []curator.Dropped     `json:"flagged,omitempty"`
	Cleaned      []curator.Change      `json:"cleaned,omitempty"`
	Redacted     []curator.Change      `json:"redacted,omitempty"`
	Evaluations  *curator.Evaluations  `json:"evaluations,omitempty"`
	Mixture      []curator.Mixed       `json:"mixture,omitempty"`
}

// splitCount is a split without its shards.
type splitCount struct {
	Name      string `json:"name"`
	Documents int64  `json:"documents"`
	Tokens    int64  `json:"tokens"`
	Bytes     int64  `json:"bytes"`
	Shards    int    `json:"shards"`
}

func (cmd *reportCmd) Run(ctx context.Context, g *Global) error {
	set, err := openDataset(ctx, g, cmd.Dataset)
	if err != nil {
		return err
	}
	m := set.Manifest
	r := datasetReport{
		Dataset: m.Digest(), Name: m.Recipe.Name, RecipeDigest: m.RecipeDigest, Sources: m.Sources, Dropped: m.Dropped, Flagged: m.Flagged,
		Cleaned: m.Cleaned, Redacted: m.Redacted, Evaluations: m.Evaluations, Mixture: m.Mixture, Report: m.Report,
	}
	for _, s := range m.Splits {
		r.Splits = append(r.Splits, splitCount{s.Name, s.Documents, s.Tokens, s.Bytes, len(s.Shards)})
	}
	return g.print(r, func(w io.Writer) error { return r.tell(w, min(cmd.Examples, 5)) })
}

// tell prints sections, each a table; the first error ends it.
func (r datasetReport) tell(w io.Writer, examples int) error {
	fmt.Fprintf(w, "%s  %s  recipe %s\n", r.Name, r.Dataset.Short(), r.RecipeDigest.Short())
	s := sections{w: w}
	s.table("Splits", r.splits())
	s.table("Sources", r.sources())
	s.table("Mixture of the training split", r.mixture())
	if k := r.Report; k != nil {
		s.table("By source, repeats included", portions(k.Sources, k.Bytes))
		s.table("By language", portions(k.Languages, k.Bytes))
		s.table("By programming language", portions(k.Code, k.Bytes))
		s.table("By domain", portions(k.Domains, k.Bytes))
		s.table("By licence", portions(k.Licenses, k.Bytes))
		s.table("Characters a document", lengths(k.Characters, k.Documents))
		s.table("Tokens a document", lengths(k.LengthTokens, k.Documents))
	}
	s.table("Kept and dropped", r.reasons(r.Dropped, examples, true))
	s.table("Flagged, not dropped", r.reasons(r.Flagged, examples, false))
	s.table("Cleaned in kept documents", changes(r.Cleaned))
	s.table("Redacted in kept documents", changes(r.Redacted))
	if e := r.Evaluations; e != nil {
		s.table("Compared with evaluations", [][]string{{"texts", fmt.Sprint(e.Texts)}, {"too short to be found", fmt.Sprint(e.Short)}, {"n-grams", fmt.Sprint(e.NGrams)}})
	}
	return s.err
}

// sections writes tables under headings.
type sections struct {
	w   io.Writer
	err error
}

func (s *sections) table(heading string, rows [][]string) {
	if s.err != nil || len(rows) == 0 {
		return
	}
	if _, s.err = fmt.Fprintf(s.w, "\n%s\n", heading); s.err != nil {
		return
	}
	for _, row := range rows {
		row[0] = "  " + row[0]
	}
	s.err = table(s.w, rows)
}

func (r datasetReport) splits() [][]string {
	rows := [][]string{{"", "documents", "tokens", "text", "bytes/token", "shards"}}
	for _, s := range r.Splits {
		rows = append(rows, []string{s.Name, fmt.Sprint(s.Documents), fmt.Sprint(s.Tokens), bytes(s.Bytes), fmt.Sprintf("%.2f", float64(s.Bytes)/float64(max(s.Tokens, 1))), fmt.Sprint(s.Shards)})
	}
	return rows
}

func (r datasetReport) sources() [][]string {
	rows := [][]string{{"", "files", "documents", "text", "kept", "kept text", "of all that is kept"}}
	var all int64
	for _, s := range r.Sources {
		all += s.KeptBytes
	}
	for _, s := range r.Sources {
		rows = append(rows, []string{s.Name, fmt.Sprint(s.Files), fmt.Sprint(s.Documents), bytes(s.Bytes), fmt.Sprint(s.KeptDocuments), bytes(s.KeptBytes),
			blocks(s.KeptBytes, all) + " " + percent(s.KeptBytes, all)})
	}
	return rows
}

func (r datasetReport) mixture() [][]string {
	if len(r.Mixture) == 0 {
		return nil
	}
	rows := [][]string{{"", "available", "taken", "documents", "with repeats", "wanted", "share"}}
	for _, s := range r.Mixture {
		rows = append(rows, []string{s.Source, bytes(s.Available), bytes(s.Bytes), fmt.Sprint(s.Documents), fmt.Sprint(s.Copies), fmt.Sprintf("%.1f%%", 100*s.Requested),
			blocks(int64(s.Share*1e6), 1e6) + fmt.Sprintf(" %.1f%%", 100*s.Share)})
	}
	return rows
}

// shownPortions is how many values of a kind are shown; --json has all that the manifest has.
const shownPortions = 10

// portions are shares of text, the largest first; nothing when nothing is known of any document.
func portions(list []curator.Portion, of int64) [][]string {
	if len(list) == 0 || len(list) == 1 && list[0].Value == "" {
		return nil
	}
	var rows [][]string
	for _, p := range list[:min(len(list), shownPortions)] {
		name := cmp.Or(p.Value, "unknown")
		if p.Others > 0 {
			name = fmt.Sprintf("%d others", p.Others)
		}
		rows = append(rows, []string{clip(name, 40), fmt.Sprint(p.Documents), bytes(p.Bytes), blocks(p.Bytes, of) + " " + percent(p.Bytes, of)})
	}
	if n := len(list) - shownPortions; n > 0 {
		rows = append(rows, []string{fmt.Sprintf("%d more", n)})
	}
	return rows
}

// lengths are a histogram by powers of two, from the shortest to the longest that there is.
func lengths(histogram []int64, of int64) [][]string {
	var rows [][]string
	for n, documents := range histogram {
		if documents == 0 && len(rows) == 0 {
			continue
		}
		from, to := int64(1)<<n>>1, int64(1)<<n-1
		span := fmt.Sprintf("%d to %d", from, to)
		if from >= to {
			span = fmt.Sprint(to)
		}
		rows = append(rows, []string{span, fmt.Sprint(documents), blocks(documents, of) + " " + percent(documents, of)})
	}
	return rows
}

// reasons are drops by reason, most first, of all documents and files that there were.
func (r datasetReport) reasons(dropped []curator.Dropped, examples int, kept bool) [][]string {
	var keptDocuments, all int64
	for _, s := range r.Sources {
		keptDocuments += s.KeptDocuments
	}
	all = keptDocuments
	for _, d := range r.Dropped {
		all += d.Documents
	}
	var rows [][]string
	if kept {
		rows = append(rows, []string{"kept", fmt.Sprint(keptDocuments), "", blocks(keptDocuments, all) + " " + percent(keptDocuments, all)})
	}
	byCount := slices.Clone(dropped)
	slices.SortStableFunc(byCount, func(a, b curator.Dropped) int { return cmp.Compare(b.Documents, a.Documents) })
	for _, d := range byCount {
		rows = append(rows, []string{d.Reason, fmt.Sprint(d.Documents), bytes(d.Bytes), blocks(d.Documents, all) + " " + percent(d.Documents, all)})
		for _, e := range d.Examples[:min(examples, len(d.Examples))] {
			measured := fmt.Sprintf("%s, threshold %s", number(e.Value), number(e.Limit))
			if e.Repeats != nil {
				measured += ", repeats " + e.Repeats.Source + "/" + e.Repeats.Document
			}
			rows = append(rows, []string{"", "", "", clip(e.Source+"/"+e.Document, 60) + ": " + measured})
		}
	}
	return rows
}

func changes(list []curator.Change) [][]string {
	var rows [][]string
	for _, c := range list {
		rows = append(rows, []string{c.Kind, fmt.Sprint(c.Count), fmt.Sprintf("in %d documents", c.Documents)})
	}
	return rows
}

// blocks is a share as a bar of eighths of characters; what is not nothing is at least one.
func blocks(part, of int64) string {
	const cells = 24
	if part <= 0 || of <= 0 {
		return ""
	}
	eighths := max(1, int(float64(part)/float64(of)*cells*8+0.5))
	bar := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		bar += string([]rune(" ▏▎▍▌▋▊▉")[rest])
	}
	return bar
}
