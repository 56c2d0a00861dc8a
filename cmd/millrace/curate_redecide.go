package main

import (
	std "bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"millrace/client"
	"millrace/curator"
)

// redecideCmd shows what other filters would make of a dataset's documents.
type redecideCmd struct {
	Dataset string   `arg:"" help:"Dataset: its name or digest."`
	Filters string   `help:"The filters, YAML or JSON: a file with what a recipe has under filters, or a whole recipe." type:"existingfile" placeholder:"FILE"`
	Set     []string `short:"s" help:"One threshold of the dataset's filters, or of --filters, e.g. -s gopher_quality.min_words=30; null leaves a filter out." placeholder:"KEY=VALUE" sep:"none"`
	Write   string   `help:"Write the dataset's recipe with the new filters into a new file, to run it." placeholder:"FILE"`
}

func (cmd *redecideCmd) Run(ctx context.Context, g *Global) error {
	if cmd.Filters == "" && len(cmd.Set) == 0 {
		return &exitError{exitUsage, fmt.Errorf("say what to change: --filters FILE, or -s gopher_quality.min_words=30")}
	}
	set, err := openDataset(ctx, g, cmd.Dataset)
	if err != nil {
		return err
	}
	filters, err := cmd.filters(set.Manifest.Recipe)
	if err != nil {
		return err
	}
	b, began := newBar(g.JSON), time.Now()
	re, err := set.Redecide(ctx, filters, func(done, total int64) {
		if time.Since(began) > time.Second { // what is done by then needs no bar
			b.draw(client.Run{Name: set.Manifest.Recipe.Name, Progress: &client.Progress{Phase: "redecide", Done: done, Total: total, Unit: "documents"}})
		}
	})
	b.end()
	if err != nil {
		return refused(err)
	}
	if err := g.print(re, func(w io.Writer) error { return tellRedecision(w, re) }); err != nil {
		return err
	}
	if cmd.Write == "" {
		return nil
	}
	next := set.Manifest.Recipe
	next.Filters = filters
	if err := writeRecipe(cmd.Write, next); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "run it with: millrace curate %s\n", cmd.Write)
	return nil
}

// filters are those of the file or of the recipe, with the settings.
func (cmd *redecideCmd) filters(r curator.Recipe) (curator.Filters, error) {
	raw, err := json.Marshal(r.Resolve().Filters)
	if err != nil {
		return curator.Filters{}, err
	}
	if cmd.Filters != "" {
		if raw, err = readConfig(cmd.Filters); err != nil {
			return curator.Filters{}, err
		}
		var whole struct{ Filters json.RawMessage }
		if json.Unmarshal(raw, &whole) == nil && whole.Filters != nil {
			raw = whole.Filters
		}
	}
	settings := make([]string, len(cmd.Set))
	for i, s := range cmd.Set {
		settings[i] = strings.TrimPrefix(s, "filters.")
	}
	if raw, err = withSettings(raw, settings); err != nil {
		return curator.Filters{}, err
	}
	f, err := curator.ParseFilters(raw)
	if err != nil {
		return f, &exitError{exitUsage, err}
	}
	return f.Pin(digestOfFile), nil
}

// digestOfFile is the digest of a file of this machine, so that a model that was changed is noticed.
func digestOfFile(path string) (string, bool) {
	f, err := os.Open(path)
	if err != nil {
		return "", false // it may be on another machine: then its name has to do
	}
	defer f.Close() // read only: nothing to lose
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", false
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), true
}

// writeRecipe writes a recipe as YAML into a file that is not there yet.
func writeRecipe(path string, r curator.Recipe) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	var node yaml.Node // JSON is YAML, and a node keeps the keys' order
	if err := yaml.Unmarshal(raw, &node); err != nil {
		return err
	}
	block(&node)
	var out std.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(&node); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.Write(out.Bytes()); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// block lays a node out over lines, but for lists of single values.
func block(n *yaml.Node) {
	plain := n.Kind == yaml.SequenceNode
	for _, c := range n.Content {
		plain = plain && c.Kind == yaml.ScalarNode
		block(c)
	}
	n.Style = 0
	if plain || len(n.Content) == 0 && n.Kind != yaml.ScalarNode {
		n.Style = yaml.FlowStyle
	}
}

func tellRedecision(w io.Writer, re curator.Redecision) error {
	share := func(c curator.Count) string { return percent(c.Documents, re.All.Documents) }
	signed := func(sign string, c curator.Count) string {
		if c.Documents == 0 {
			return ""
		}
		return sign + fmt.Sprint(c.Documents)
	}
	rows := [][]string{{"", "before", "", "", "after", "", "", "in", "out", "bytes in", "bytes out"}}
	kept := re.Kept
	kept.Rule = "kept"
	for _, r := range append([]curator.RuleChange{kept}, re.Rules...) {
		in, out := "", ""
		if r.In.Documents > 0 {
			in = bytes(r.In.Bytes)
		}
		if r.Out.Documents > 0 {
			out = bytes(r.Out.Bytes)
		}
		rows = append(rows, []string{r.Rule, fmt.Sprint(r.Before.Documents), share(r.Before), bytes(r.Before.Bytes), fmt.Sprint(r.After.Documents), share(r.After), bytes(r.After.Bytes),
			signed("+", r.In), signed("-", r.Out), in, out})
	}
	if err := table(w, rows); err != nil {
		return err
	}
	if kept.In.Documents+kept.Out.Documents == 0 {
		_, err := fmt.Fprintf(w, "\nThe same of the %d documents are kept.\n", re.All.Documents)
		return err
	}
	fmt.Fprintf(w, "\nOf %d documents %d would be kept, not %d. Examples:\n", re.All.Documents, kept.After.Documents, kept.Before.Documents)
	rows = [][]string{}
	for _, m := range kept.Examples {
		verdict := "now dropped by " + m.To
		if m.To == "" {
			verdict = "now kept, was dropped by " + m.From
		}
		rows = append(rows, []string{"  " + m.Source + "/" + m.Document, verdict, fmt.Sprintf("measured %s, threshold %s", number(m.Value), number(m.Threshold))})
	}
	return table(w, rows)
}

// percent is a share for people.
func percent(part, of int64) string {
	if of == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f%%", 100*float64(part)/float64(of))
}
