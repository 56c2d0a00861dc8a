package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"millrace/curator/classify"
	docs "millrace/curator/corpus"
)

// classifierCmd works with classifiers alone; it needs no node.
type classifierCmd struct {
	Train classifierTrainCmd `cmd:"" help:"Teach a classifier good documents from bad ones."`
	Score classifierScoreCmd `cmd:"" help:"Score documents by a classifier."`
}

// classifierTrainCmd trains a classifier.
type classifierTrainCmd struct {
	Good    []string `required:"" sep:"none" placeholder:"FILE" help:"Good documents: text, JSON Lines, CSV, Parquet, a folder or a glob; may be repeated."`
	Bad     []string `required:"" sep:"none" placeholder:"FILE" help:"Bad documents, likewise."`
	Out     string   `short:"o" required:"" placeholder:"FILE" help:"Write the model here."`
	NGrams  int      `name:"ngrams" default:"2" help:"Longest run of words that is looked at."`
	Bits    int      `default:"20" help:"The model has two to the power of so many weights."`
	Epochs  int      `default:"10" help:"How often each document is learned from."`
	Seed    uint64   `help:"Decides the order of learning."`
	HeldOut float64  `default:"0.1" help:"Share of documents that the model is measured by, and does not learn from."`
	documentFlags
}

func (cmd *classifierTrainCmd) Run(ctx context.Context, g *Global) error {
	o := classify.Options{NGrams: cmd.NGrams, Bits: cmd.Bits, Epochs: cmd.Epochs, Seed: cmd.Seed, HeldOut: cmd.HeldOut}
	m, report, err := classify.Train(ctx, o, func(yield func(classify.Example, error) bool) {
		for _, set := range []struct {
			paths []string
			good  bool
		}{{cmd.Good, true}, {cmd.Bad, false}} {
			for d, err := range cmd.documents(ctx, set.paths) {
				if !yield(classify.Example{Text: d.Text, Good: set.good}, err) || err != nil {
					return
				}
			}
		}
	})
	if err != nil {
		return err
	}
	if err := writeModel(cmd.Out, func(f *os.File) error { _, err := m.WriteTo(f); return err }); err != nil {
		return err
	}
	facts := classifierFacts{cmd.Out, report.Good, report.Bad, report.HeldGood, report.HeldBad, report.Weights, report.Accuracy, report.AUC, report.LogLoss,
		report.GoodScores[:], report.BadScores[:], report.Cuts}
	return g.print(facts, facts.tell)
}

// classifierFacts is what training tells.
type classifierFacts struct {
	Model    string         `json:"model"`
	Good     int64          `json:"good"`
	Bad      int64          `json:"bad"`
	HeldGood int64          `json:"held_good"`
	HeldBad  int64          `json:"held_bad"`
	Weights  int            `json:"weights"`
	Accuracy float64        `json:"accuracy"`
	AUC      float64        `json:"auc"`
	LogLoss  float64        `json:"log_loss"`
	Goods    []int64        `json:"good_scores"` // held-out documents by score, in steps of 0.05
	Bads     []int64        `json:"bad_scores"`
	Cuts     []classify.Cut `json:"cuts"`
}

func (f classifierFacts) tell(w io.Writer) error {
	err := table(w, [][]string{
		{"learned from", fmt.Sprintf("%d good, %d bad", f.Good, f.Bad)}, {"measured by", fmt.Sprintf("%d good, %d bad, held out", f.HeldGood, f.HeldBad)},
		{"accuracy", number(f.Accuracy)}, {"AUC", number(f.AUC)}, {"log loss", number(f.LogLoss) + " nats"}, {"weights", fmt.Sprint(f.Weights)}, {"model", f.Model},
	})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "\n%s\n", histogram(f.Goods, f.Bads)); err != nil {
		return err
	}
	rows := [][]string{{"min_score", "keeps good", "keeps bad"}}
	for _, c := range f.Cuts {
		rows = append(rows, []string{number(c.Score), fmt.Sprintf("%.1f%%", 100*c.Good), fmt.Sprintf("%.1f%%", 100*c.Bad)})
	}
	return table(w, rows)
}

// histogram draws two sets of counts back to back: the bad to the left, the good to the right, each against its own total.
func histogram(good, bad []int64) string {
	const width = 30
	most := 0.0
	shares := [2][]float64{}
	for i, list := range [2][]int64{bad, good} {
		var sum int64
		for _, n := range list {
			sum += n
		}
		for _, n := range list {
			share := float64(n) / float64(max(sum, 1))
			shares[i] = append(shares[i], share)
			most = max(most, share)
		}
	}
	bar := func(share float64) string {
		n := 0
		if share > 0 {
			n = max(1, int(share/most*width+0.5))
		}
		return strings.Repeat("█", n)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%*s  score  %s\n", width, "bad", "good")
	for i := range shares[0] {
		left := bar(shares[0][i])
		fmt.Fprintf(&b, "%s%s  %.2f   %s\n", strings.Repeat(" ", width-len([]rune(left))), left, float64(i)/float64(len(shares[0])), bar(shares[1][i]))
	}
	return b.String()
}

// classifierScoreCmd scores documents.
type classifierScoreCmd struct {
	Model string   `short:"m" required:"" type:"existingfile" placeholder:"FILE" help:"A model of \"classifier train\"."`
	Files []string `arg:"" optional:"" help:"Documents: text, JSON Lines, CSV, Parquet, a folder or a glob (default: standard input is one)."`
	documentFlags
}

func (cmd *classifierScoreCmd) Run(ctx context.Context, g *Global) error {
	f, err := os.Open(cmd.Model)
	if err != nil {
		return err
	}
	m, err := classify.Read(f)
	f.Close() // read only: nothing to lose
	if err != nil {
		return fmt.Errorf("%s: %w", cmd.Model, err)
	}
	return cmd.each(ctx, cmd.Files, func(d docs.Doc) error {
		score := m.Score(d.Text)
		return g.print(struct {
			Document string  `json:"document"`
			Score    float64 `json:"score"`
		}{d.ID, score}, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%.6f\t%s\n", score, d.ID)
			return err
		})
	})
}

// each calls do with the documents of the files, or with standard input.
func (f documentFlags) each(ctx context.Context, files []string, do func(docs.Doc) error) error {
	if len(files) == 0 {
		text, err := readText()
		if err != nil {
			return err
		}
		return do(docs.New(0, "-", text))
	}
	for d, err := range f.documents(ctx, files) {
		if err == nil {
			err = do(d)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
