package evaluator

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"millrace/evaluator/metric"
	"millrace/evaluator/read"
	"millrace/event"
)

// Bounds of what of generated texts goes into the result itself; all of it is in the answers.
const (
	batchPrompts = 16
	maxSamples   = 8 // of a task with a source
)

// generate continues prompts. Without a source that is all. With one, what is said is compared with the references, after Task.Extract:
//
//   - exact_match, bleu, chrf, chrf++, rouge1, rouge2, rougeL, rougeLsum: of the first answer to each prompt (see package metric). The
//     standard error of bleu and chrf is a bootstrap's over the prompts, of the others s/√n;
//   - pass@K: 1 - C(n-c, K)/C(n, K), the probability that one of K answers passes the example's tests, c of n having done so (Chen et al.
//     2021); its mean over the prompts.
func (w *work) generate(ctx context.Context, t Task) error {
	prompts, err := w.prompts(ctx, t)
	if err != nil {
		return err
	}
	var extract *regexp.Regexp
	if t.Extract != "" {
		if extract, err = regexp.Compile(t.Extract); err != nil {
			return fail(CodeTemplate, fmt.Errorf("extract: %w", err))
		}
	}
	marks, err := newMarks(t)
	if err != nil {
		return err
	}
	if err := w.canRun(marks); err != nil {
		return err
	}
	repeats := max(t.Repeats, 1)
	left := skips{task: t.Name}
	shown := 0
	for batch := range slices.Chunk(prompts, max(1, batchPrompts/repeats)) {
		var texts []string
		var samplings []Sampling
		for _, p := range batch {
			for r := range repeats {
				texts = append(texts, p.context)
				samplings = append(samplings, Sampling{
					Temperature: t.Temperature, TopK: t.TopK, TopP: t.TopP, MinP: t.MinP, StopText: t.Stop,
					Seed: uint64(t.Seed) + uint64(p.at*repeats+r),
				})
			}
		}
		answers, err := w.ask.complete(ctx, texts, int(t.MaxTokens), samplings, t.Source == nil)
		if err != nil {
			return err
		}
		for i, p := range batch {
			some := answers[i*repeats:][:repeats]
			if at := slices.IndexFunc(some, func(s said) bool { return s.err != nil }); at >= 0 {
				if t.Source == nil { // each of one's own prompts is told of
					w.result.Skipped = append(w.result.Skipped, Skip{t.Name, p.context, some[at].err.Error()})
				} else {
					left.add(p.context, some[at].err)
				}
				w.advance(t.MaxTokens * int64(repeats))
				continue
			}
			a := Answer{Task: t.Name, ID: p.example.ID, Prompt: kept(p.prompt)}
			var given []string
			for _, s := range some {
				if t.Source == nil || shown < maxSamples {
					w.result.Samples = append(w.result.Samples, event.Sample{Task: t.Name, Prompt: p.context, Text: s.text})
					shown++
				}
				a.Got = append(a.Got, kept(s.text))
				given = append(given, extracted(extract, s.text))
			}
			if t.Source != nil {
				if len(p.example.References) > 0 {
					a.Want = kept(p.example.References[0])
				}
				if a.Scores, err = w.mark(ctx, t, marks, p.example, given); err != nil {
					return err
				}
			}
			if err := w.tell(a); err != nil {
				return err
			}
			w.advance(t.MaxTokens * int64(repeats))
		}
	}
	if err := left.done(&w.result, len(prompts)); err != nil {
		return err
	}
	w.result.Scores = append(w.result.Scores, marks.scores(t)...)
	return nil
}

// prompt is one text to go on with.
type prompt struct {
	at      int
	context string
	prompt  string // the example's own part of it
	example read.Example
}

// prompts are a task's own, or those that its template makes of the source.
func (w *work) prompts(ctx context.Context, t Task) ([]prompt, error) {
	var all []prompt
	if t.Source == nil {
		for i, p := range t.Prompts {
			all = append(all, prompt{i, p, p, read.Example{ID: strconv.Itoa(i)}})
		}
		return all, nil
	}
	form, err := t.Template.parse()
	if err != nil {
		return nil, fail(CodeTemplate, err)
	}
	examples, solved, err := w.examples(ctx, t)
	if err != nil {
		return nil, err
	}
	shots := newShots(t, examples, solved)
	for i, e := range examples {
		before, err := shots.of(e)
		if err != nil {
			return nil, err
		}
		context, err := form.context(e, before)
		if err != nil {
			return nil, fail(CodeTemplate, err)
		}
		own, err := form.prompt.fill(fields(e, -1))
		if err != nil {
			return nil, fail(CodeTemplate, err)
		}
		all = append(all, prompt{i, context + own, own, e})
	}
	w.total += t.MaxTokens * int64(len(all)*max(t.Repeats, 1))
	return all, nil
}

// extracted is what of an answer is compared: the last match's first group, or the whole match. Nothing when there is none.
func extracted(by *regexp.Regexp, s string) string {
	if by == nil {
		return s
	}
	all := by.FindAllStringSubmatch(s, -1)
	if len(all) == 0 {
		return ""
	}
	last := all[len(all)-1]
	return last[min(1, len(last)-1)]
}

// marks are a generate task's metrics as they gather.
type marks struct {
	corpora map[string]*metric.Corpus
	pass    map[string]*tally // by pass@K
}

func newMarks(t Task) (*marks, error) {
	m := &marks{map[string]*metric.Corpus{}, map[string]*tally{}}
	for _, name := range t.Metrics {
		var by metric.Metric
		switch name {
		case "exact_match":
			e, err := metric.Exact{
				IgnoreCase: slices.Contains(t.Ignore, "case"), IgnorePunctuation: slices.Contains(t.Ignore, "punctuation"),
				IgnoreNumbers: slices.Contains(t.Ignore, "numbers"), Trim: slices.Contains(t.Ignore, "space"),
			}.Compile()
			if err != nil {
				return nil, err
			}
			by = e
		case "bleu":
			by = metric.BLEU{}
		case "chrf":
			by = metric.CHRF{}
		case "chrf++":
			by = metric.CHRF{WordOrder: 2}
		case "rouge1", "rouge2", "rougeL", "rougeLsum":
			by = metric.ROUGE{Variant: metric.Variant(name)}
		default:
			m.pass[name] = &tally{}
			continue
		}
		m.corpora[name] = metric.NewCorpus(by)
	}
	return m, nil
}

// mark scores the answers to one prompt.
func (w *work) mark(ctx context.Context, t Task, m *marks, e read.Example, given []string) (map[string]event.Number, error) {
	scores := map[string]event.Number{}
	for _, name := range t.Metrics {
		c := m.corpora[name]
		if c == nil {
			continue
		}
		if len(e.References) == 0 {
			return nil, fail(CodeData, fmt.Errorf("example %s has no reference to compare with", e.ID))
		}
		v, err := c.Add(given[0], e.References...)
		if err != nil {
			return nil, fail(CodeData, fmt.Errorf("example %s: %w", e.ID, err))
		}
		scores[name] = event.Number(v)
	}
	if len(m.pass) == 0 {
		return scores, nil
	}
	passed, err := w.run(ctx, e, given)
	if err != nil {
		return nil, err
	}
	scores["passed"] = event.Number(passed)
	for name, pass := range m.pass {
		k, err := strconv.Atoi(strings.TrimPrefix(name, "pass@"))
		if err != nil {
			return nil, err
		}
		v := passAt(len(given), passed, k)
		pass.add("", v)
		scores[name] = event.Number(v)
	}
	return scores, nil
}

// passAt is the unbiased estimate of pass@k from c of n that passed: 1 - C(n-c, k)/C(n, k), as a product so that nothing overflows.
func passAt(n, c, k int) float64 {
	if n-c < k {
		return 1
	}
	fails := 1.0
	for i := n - c + 1; i <= n; i++ {
		fails *= 1 - float64(k)/float64(i)
	}
	return 1 - fails
}

// scores are what a task found.
func (m *marks) scores(t Task) []event.Score {
	var out []event.Score
	for _, name := range t.Metrics {
		if pass := m.pass[name]; pass != nil {
			out = append(out, pass.scores(t.Name, name, subjectField)...)
			continue
		}
		c := m.corpora[name]
		s := event.Score{Task: t.Name, Metric: name, Value: event.Number(c.Score()), N: int64(c.Len()), Higher: true}
		if se := corpusStderr(c, name); !math.IsNaN(se) {
			n := event.Number(se)
			s.Stderr = &n
		}
		out = append(out, s)
	}
	return out
}

// corpusStderr is NaN of fewer than two samples.
func corpusStderr(c *metric.Corpus, name string) float64 {
	if c.Len() < 2 {
		return math.NaN()
	}
	if strings.HasPrefix(name, "rouge") || name == "exact_match" {
		_, se := c.MeanStdErr()
		return se
	}
	b, err := c.Interval(metric.Bootstrap{})
	if err != nil {
		return math.NaN()
	}
	return b.StdErr
}
