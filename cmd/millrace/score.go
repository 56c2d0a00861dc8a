package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"millrace/evaluator/metric"
)

// scoreCmd compares files line by line; it needs no node.
type scoreCmd struct {
	BLEU  scoreBLEUCmd  `cmd:"" name:"bleu" help:"BLEU, as sacreBLEU computes it."`
	CHRF  scoreCHRFCmd  `cmd:"" name:"chrf" help:"chrF, or with --word-order 2 chrF++, as sacreBLEU computes them."`
	ROUGE scoreROUGECmd `cmd:"" name:"rouge" help:"ROUGE-1, -2, -L and -Lsum, as Google's rouge-score computes them."`
	Exact scoreExactCmd `cmd:"" name:"exact" help:"Exact match, as lm-evaluation-harness computes it."`
}

// Help says what the files are.
func (scoreCmd) Help() string {
	return `Each line of HYP is compared with the same line of each REF. A file whose name ends with .jsonl holds an object a line, whose
field (--field, or else text) is a text, or in a REF a list of texts, each a reference. "-" is standard input, of plain lines.

  millrace score bleu answers.txt references.txt
  millrace score rouge answers.jsonl references.jsonl --field summary --stem
  millrace score chrf new.txt references.txt --baseline old.txt`
}

// scoreFiles are what every metric is asked.
type scoreFiles struct {
	Hyp        string   `arg:"" help:"The texts, one a line."`
	Ref        []string `arg:"" help:"The references, one a line; of several files a line of each."`
	Field      string   `default:"text" help:"Field that holds the text, in files whose names end with .jsonl."`
	Baseline   string   `placeholder:"FILE" help:"Texts of another system for the same references: says how much better HYP is, and whether by chance."`
	Bootstrap  int      `default:"1000" help:"Draws for the interval; 0 leaves it out."`
	Confidence float64  `default:"0.95" help:"Of the interval."`
	Seed       uint64   `default:"12345" help:"Of the draws."`
	Samples    bool     `help:"Print the score of each line too."`
	Width      int      `default:"-1" placeholder:"N" help:"Digits after the point (default: 2 of 0 to 100, 4 of 0 to 1)."`
}

// scored is a metric's answer.
type scored struct {
	Name      string             `json:"name"`
	Score     float64            `json:"score"`
	Signature string             `json:"signature"`
	Samples   int                `json:"samples"`
	Interval  *scoredInterval    `json:"interval,omitempty"`
	BLEU      *metric.BLEUScore  `json:"bleu,omitempty"`
	ROUGE     *metric.ROUGEScore `json:"rouge,omitempty"`
	Baseline  *scoredBaseline    `json:"baseline,omitempty"`
	Lines     []float64          `json:"lines,omitempty"`

	title string
	width int
}

type scoredInterval struct {
	Low        float64 `json:"low"`
	High       float64 `json:"high"`
	StdErr     float64 `json:"stderr"`
	Confidence float64 `json:"confidence"`
	Draws      int     `json:"draws"`
	Seed       uint64  `json:"seed"`
}

type scoredBaseline struct {
	Score float64 `json:"score"`
	Delta float64 `json:"delta"` // score less the baseline's
	P     float64 `json:"p"`
}

// scoreBLEUCmd is sacreBLEU's BLEU.
type scoreBLEUCmd struct {
	scoreFiles
	Tokenize       string   `enum:"13a,intl,char,zh,none" default:"13a" help:"13a, intl, char, zh or none."`
	Smooth         string   `enum:"exp,floor,add-k,none" default:"exp" help:"exp, floor, add-k or none."`
	SmoothValue    *float64 `placeholder:"V" help:"Of floor (default 0.1) and add-k (1)."`
	Order          int      `default:"4" help:"Highest order of n-grams."`
	Lowercase      bool     `help:"Ignore case."`
	EffectiveOrder bool     `help:"Leave out orders that the text is too short for."`
}

func (cmd *scoreBLEUCmd) Run(ctx context.Context, g *Global) error {
	m := metric.BLEU{Order: cmd.Order, Tokenize: metric.Tokenizer(cmd.Tokenize), Smooth: metric.Smoothing(cmd.Smooth), SmoothValue: cmd.SmoothValue, Lowercase: cmd.Lowercase, EffectiveOrder: cmd.EffectiveOrder}
	if cmd.Order < 1 {
		return &exitError{exitUsage, fmt.Errorf("--order %d: want 1 to %d", cmd.Order, metric.MaxOrder)}
	}
	return cmd.run(ctx, g, m.Check(), m)
}

// scoreCHRFCmd is sacreBLEU's chrF.
type scoreCHRFCmd struct {
	scoreFiles
	CharOrder  int     `default:"6" help:"Highest order of n-grams of characters."`
	WordOrder  int     `default:"0" help:"Highest order of n-grams of words; 2 is chrF++."`
	Beta       float64 `default:"2" help:"How much more recall counts than precision."`
	Lowercase  bool    `help:"Ignore case."`
	Whitespace bool    `help:"White space counts as characters."`
	EpsSmooth  bool    `name:"eps-smoothing" help:"Smooth as chrF++.py, NLTK and Moses do."`
}

func (cmd *scoreCHRFCmd) Run(ctx context.Context, g *Global) error {
	m := metric.CHRF{CharOrder: cmd.CharOrder, WordOrder: cmd.WordOrder, Beta: cmd.Beta, Lowercase: cmd.Lowercase, Whitespace: cmd.Whitespace, EpsSmooth: cmd.EpsSmooth}
	if cmd.CharOrder < 1 || cmd.Beta <= 0 {
		return &exitError{exitUsage, errors.New("--char-order wants 1 or more, and --beta more than 0")}
	}
	return cmd.run(ctx, g, m.Check(), m)
}

// scoreROUGECmd is rouge-score's ROUGE.
type scoreROUGECmd struct {
	scoreFiles
	Types []string `default:"rouge1,rouge2,rougeL,rougeLsum" help:"rouge1 to rouge9, rougeL, rougeLsum, with commas between."`
	Stem  bool     `help:"Take off endings by Porter's stemmer."`
}

func (cmd *scoreROUGECmd) Run(ctx context.Context, g *Global) error {
	var metrics []metric.Metric
	var wrong error
	for _, t := range cmd.Types {
		m := metric.ROUGE{Variant: metric.Variant(t), Stem: cmd.Stem}
		wrong = cmp.Or(wrong, m.Check())
		metrics = append(metrics, m)
	}
	return cmd.run(ctx, g, wrong, metrics...)
}

// scoreExactCmd is lm-eval's exact_match.
type scoreExactCmd struct {
	scoreFiles
	IgnoreCase        bool     `help:"Ignore case."`
	IgnorePunctuation bool     `help:"Ignore ASCII's punctuation."`
	IgnoreNumbers     bool     `help:"Ignore ASCII's digits."`
	IgnoreRegex       []string `sep:"none" placeholder:"PATTERN" help:"Take out what a pattern matches, first; may be repeated."`
	Trim              bool     `help:"Ignore white space at both ends."`
}

func (cmd *scoreExactCmd) Run(ctx context.Context, g *Global) error {
	m, err := metric.Exact{IgnoreCase: cmd.IgnoreCase, IgnorePunctuation: cmd.IgnorePunctuation, IgnoreNumbers: cmd.IgnoreNumbers, IgnoreRegexes: cmd.IgnoreRegex, Trim: cmd.Trim}.Compile()
	return cmd.run(ctx, g, err, m)
}

// run scores the files by each metric and prints.
func (f *scoreFiles) run(ctx context.Context, g *Global, wrong error, metrics ...metric.Metric) error {
	if wrong != nil {
		return &exitError{exitUsage, wrong}
	}
	corpora, baselines := make([]*metric.Corpus, len(metrics)), make([]*metric.Corpus, len(metrics))
	answers := make([]scored, len(metrics))
	for i, m := range metrics {
		corpora[i], baselines[i] = metric.NewCorpus(m), metric.NewCorpus(m)
	}
	if err := f.read(ctx, f.Hyp, func(hyp string, refs []string) error {
		for i, c := range corpora {
			score, err := c.Add(hyp, refs...)
			if err != nil {
				return err
			}
			if f.Samples {
				answers[i].Lines = append(answers[i].Lines, score)
			}
		}
		return nil
	}); err != nil {
		return err
	}
	if f.Baseline != "" {
		if err := f.read(ctx, f.Baseline, func(hyp string, refs []string) error {
			for _, c := range baselines {
				if _, err := c.Add(hyp, refs...); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	for i := range answers {
		if err := f.answer(&answers[i], corpora[i], baselines[i]); err != nil {
			return &exitError{exitUsage, err}
		}
	}
	return g.print(map[string]any{"scores": answers}, func(w io.Writer) error {
		for _, a := range answers {
			a.print(w)
		}
		return nil
	})
}

// answer fills in what a corpus says.
func (f *scoreFiles) answer(a *scored, c, baseline *metric.Corpus) error {
	a.Name, a.title, a.Score, a.Signature, a.Samples, a.width = c.Metric().Name(), c.Metric().Name(), c.Score(), c.Signature(), c.Len(), 4
	switch m := c.Metric().(type) {
	case metric.BLEU:
		details := m.Details(c.Sum())
		a.title, a.BLEU, a.width = "BLEU", &details, 2
	case metric.CHRF:
		a.title, a.width = m.Title(), 2
	case metric.ROUGE:
		details := m.Details(c.Sum())
		a.ROUGE = &details
	}
	if f.Width >= 0 {
		a.width = min(f.Width, 17)
	}
	b := metric.Bootstrap{Resamples: f.Bootstrap, Confidence: f.Confidence, Seed: f.Seed}
	if f.Bootstrap != 0 {
		in, err := c.Interval(b)
		if err != nil {
			return err
		}
		a.Interval = &scoredInterval{Low: in.Low, High: in.High, StdErr: in.StdErr, Confidence: f.Confidence, Draws: f.Bootstrap, Seed: f.Seed}
	}
	if f.Baseline != "" {
		p, err := metric.Compare(baseline, c, b)
		if err != nil {
			return err
		}
		a.Baseline = &scoredBaseline{Score: baseline.Score(), Delta: p.Delta, P: p.P}
	}
	return nil
}

// print writes a score as sacreBLEU does, and below it what else there is.
func (a scored) print(w io.Writer) {
	for i, l := range a.Lines {
		fmt.Fprintf(w, "%d\t%.*f\n", i+1, a.width, l)
	}
	fmt.Fprintf(w, "%s|%s = %.*f", a.title, a.Signature, a.width, a.Score)
	switch {
	case a.BLEU != nil:
		fmt.Fprintf(w, " %s", a.BLEU)
	case a.ROUGE != nil:
		fmt.Fprintf(w, " (precision %.*f recall %.*f)", a.width, a.ROUGE.Precision, a.width, a.ROUGE.Recall)
	}
	fmt.Fprintln(w)
	if i := a.Interval; i != nil {
		fmt.Fprintf(w, "  %v%% of %d draws from %d lines lie between %.*f and %.*f, standard error %.*f\n", 100*i.Confidence, i.Draws, a.Samples, a.width, i.Low, a.width, i.High, a.width+1, i.StdErr)
	}
	if b := a.Baseline; b != nil {
		fmt.Fprintf(w, "  baseline %.*f, difference %+.*f, p = %.4f\n", a.width, b.Score, a.width, b.Delta, b.P)
	}
}

// read calls add with every line of a file and its references.
func (f *scoreFiles) read(ctx context.Context, path string, add func(hyp string, refs []string) error) (err error) {
	files := make([]*lineFile, 0, 1+len(f.Ref))
	defer func() {
		for _, l := range files {
			err = errors.Join(err, l.close())
		}
	}()
	for _, p := range append([]string{path}, f.Ref...) {
		l, err := openLines(p, f.Field)
		if err != nil {
			return err
		}
		files = append(files, l)
	}
	for n := 1; ; n++ {
		if n%1000 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		var texts [][]string
		for _, l := range files {
			t, err := l.next()
			if err != nil && !errors.Is(err, io.EOF) {
				return fmt.Errorf("%s, line %d: %w", l.path, n, err)
			}
			if err == nil {
				texts = append(texts, t)
				continue
			}
			texts = append(texts, nil)
		}
		hyp, refs, ended := texts[0], []string(nil), 0
		for i, t := range texts {
			if t == nil {
				ended++
			} else if i > 0 {
				refs = append(refs, t...)
			}
		}
		switch {
		case ended == len(texts) && n == 1:
			return fmt.Errorf("%s has no lines", path)
		case ended == len(texts):
			return nil
		case ended > 0:
			for i, t := range texts {
				if t == nil {
					return fmt.Errorf("%s ends after %d lines and others do not: line by line the files must have as many", files[i].path, n-1)
				}
			}
		case len(hyp) != 1:
			return fmt.Errorf("%s, line %d: %d texts: want one", path, n, len(hyp))
		}
		if err := add(hyp[0], refs); err != nil {
			return fmt.Errorf("%s, line %d: %w", path, n, err)
		}
	}
}

// lineFile reads a text a line, or the texts in a field of JSON Lines.
type lineFile struct {
	path  string
	field string // "": plain lines
	r     *bufio.Reader
	file  *os.File // nil: standard input, which is not ours to close
}

// openLines opens a file of lines. A name that ends with .jsonl says that they are JSON.
func openLines(path, field string) (*lineFile, error) {
	l := &lineFile{path: path}
	if strings.HasSuffix(path, ".jsonl") {
		l.field = field
	}
	if path == "-" {
		l.r = bufio.NewReaderSize(os.Stdin, 1<<16)
		return l, nil
	}
	var err error
	if l.file, err = os.Open(path); err != nil {
		return nil, err
	}
	l.r = bufio.NewReaderSize(l.file, 1<<16)
	return l, nil
}

func (l *lineFile) close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// maxScoreLine bounds a line: a text, or a few in JSON.
const maxScoreLine = 8 * metric.MaxText

// next is the texts of the next line, or io.EOF.
func (l *lineFile) next() ([]string, error) {
	var line []byte
	for {
		part, err := l.r.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxScoreLine {
			return nil, fmt.Errorf("more than %s", bytes(maxScoreLine))
		}
		if err == nil || errors.Is(err, io.EOF) && len(line) > 0 {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r")
	if l.field == "" {
		return []string{text}, nil
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		return nil, fmt.Errorf("no JSON object: %w", err)
	}
	raw, ok := object[l.field]
	if !ok {
		return nil, fmt.Errorf("there is no field %q; name one with --field", l.field)
	}
	var one string
	var several []string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}, nil
	}
	if err := json.Unmarshal(raw, &several); err != nil || len(several) == 0 {
		return nil, fmt.Errorf("field %q is neither a text nor a list of texts", l.field)
	}
	return several, nil
}
