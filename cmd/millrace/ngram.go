package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"os"

	docs "millrace/curator/corpus"
	"millrace/curator/ngram"
)

// ngramCmd works with n-gram models alone; it needs no node.
type ngramCmd struct {
	Train      ngramTrainCmd      `cmd:"" help:"Train a model on documents."`
	Perplexity ngramPerplexityCmd `cmd:"" help:"Tell the perplexity of documents."`
}

// ngramTrainCmd trains a model.
type ngramTrainCmd struct {
	Files     []string `arg:"" help:"Documents: text, JSON Lines, CSV, Parquet, a folder or a glob."`
	Out       string   `short:"o" required:"" placeholder:"FILE" help:"Write the model here."`
	Order     int      `default:"5" help:"Words in the longest n-gram."`
	Prune     int      `default:"1" help:"Leave out n-grams of three words and more that were counted so often or less."`
	Words     string   `enum:"simple,whitespace" default:"simple" help:"How text is cut into words: simple or whitespace, as in recipes."`
	Case      bool     `help:"Keep upper and lower case apart."`
	MaxNGrams int      `name:"max-ngrams" help:"Give up above so many n-grams (default: 2^27, which take some 4 GB)."`
	documentFlags
}

func (cmd *ngramTrainCmd) Run(ctx context.Context, g *Global) error {
	var failed error
	o := ngram.Options{Order: cmd.Order, Prune: cmd.Prune, Words: cmd.Words, Case: cmd.Case, MaxNGrams: cmd.MaxNGrams}
	m, counts, err := ngram.Train(ctx, o, func(yield func(string) bool) {
		for d, err := range cmd.documents(ctx, cmd.Files) {
			if failed = err; err != nil || !yield(d.Text) {
				return
			}
		}
	})
	if err = cmp.Or(failed, err); err != nil {
		return err
	}
	if err := writeModel(cmd.Out, func(f *os.File) error { _, err := m.WriteTo(f); return err }); err != nil {
		return err
	}
	info, err := os.Stat(cmd.Out)
	if err != nil {
		return err
	}
	return g.print(struct {
		Model     string `json:"model"`
		Bytes     int64  `json:"bytes"`
		Texts     int64  `json:"texts"`
		Sentences int64  `json:"sentences"`
		Words     int64  `json:"words"`
		Counted   []int  `json:"counted"`
		Kept      []int  `json:"kept"`
	}{cmd.Out, info.Size(), counts.Texts, counts.Sentences, counts.Words, counts.NGrams, m.NGrams()}, func(w io.Writer) error {
		rows := [][]string{{"learned from", fmt.Sprintf("%d documents, %d sentences, %d words", counts.Texts, counts.Sentences, counts.Words)}}
		for i, n := range m.NGrams() {
			rows = append(rows, []string{fmt.Sprintf("%d-grams", i+1), fmt.Sprintf("%d of %d", n, max(n, counts.NGrams[i]))})
		}
		return table(w, append(rows, []string{"model", cmd.Out + ", " + bytes(info.Size())}))
	})
}

// ngramPerplexityCmd tells perplexities.
type ngramPerplexityCmd struct {
	Model string   `short:"m" required:"" type:"existingfile" placeholder:"FILE" help:"A model of \"ngram train\", or ARPA."`
	Files []string `arg:"" optional:"" help:"Documents: text, JSON Lines, CSV, Parquet, a folder or a glob (default: standard input is one)."`
	Words string   `enum:"simple,whitespace" default:"simple" help:"How text is cut into words for ARPA: simple or whitespace."`
	documentFlags
}

func (cmd *ngramPerplexityCmd) Run(ctx context.Context, g *Global) error {
	f, err := os.Open(cmd.Model)
	if err != nil {
		return err
	}
	m, err := ngram.Read(f, cmd.Words)
	f.Close() // read only: nothing to lose
	if err != nil {
		return fmt.Errorf("%s: %w", cmd.Model, err)
	}
	return cmd.each(ctx, cmd.Files, func(d docs.Doc) error {
		ln, n := m.Score(d.Text)
		perplexity := 0.0
		if n > 0 {
			perplexity = math.Exp(-ln / float64(n))
		}
		return g.print(struct {
			Document   string  `json:"document"`
			Perplexity float64 `json:"perplexity"`
			Words      int64   `json:"words"` // and ends of lines
			LogProb    float64 `json:"log_prob"`
		}{d.ID, perplexity, n, ln}, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%.3f\t%s\n", perplexity, d.ID)
			return err
		})
	})
}
