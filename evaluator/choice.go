package evaluator

import (
	"context"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"millrace/evaluator/read"
	"millrace/event"
)

// question is one example as it is asked.
type question struct {
	example read.Example
	prompt  string // its own part
	choices []string
	pairs   []pair
	nulls   []pair // the choices behind nothing, for acc_mutual_info
}

// batchPairs is how many likelihoods are asked at once.
const batchPairs = 128

// choose asks a multiple-choice task. Of each example every choice's likelihood ll = Σ ln p behind the context is asked; then
//
//   - acc: whether the choice of the highest ll is right (of equals the first). With one choice only: whether the model would have said it,
//     every token being the likeliest (LAMBADA);
//   - acc_norm: the same of ll / characters of the choice, without the delimiter; acc_bytes: ll / its UTF-8 bytes;
//   - acc_mutual_info: the same of ll - ll behind nothing;
//   - exact_match: whether the model would have said a right choice, every token being the likeliest;
//   - perplexity: exp of the mean of -ll of the (first) right choice;
//   - mc1: acc; mc2: Σ e^ll of the right choices over that of all.
//
// Standard errors are the sample standard deviation over √n; perplexity's goes through exp by its derivative.
func (w *work) choose(ctx context.Context, t Task) error {
	form, err := t.Template.parse()
	if err != nil {
		return fail(CodeTemplate, err)
	}
	examples, solved, err := w.examples(ctx, t)
	if err != nil {
		return err
	}
	shots := newShots(t, examples, solved)
	metrics := map[string]*tally{}
	for _, m := range t.metrics() {
		metrics[m] = &tally{}
	}
	mutual := metrics["acc_mutual_info"] != nil
	progress := w.meter(examples, 0)
	var batch []question
	left := skips{task: t.Name}
	flush := func() error {
		var pairs []pair
		for _, q := range batch {
			pairs = append(append(pairs, q.pairs...), q.nulls...)
		}
		answers, err := w.ask.likelihoods(ctx, pairs)
		if err != nil {
			return err
		}
		for _, q := range batch {
			n := len(q.pairs) + len(q.nulls)
			if err := w.judge(t, q, answers[:n], metrics, &left); err != nil {
				return err
			}
			answers = answers[n:]
		}
		progress(len(batch))
		batch = batch[:0]
		return nil
	}
	waiting := 0
	for _, e := range examples {
		if len(e.Choices) == 0 || len(e.Right) == 0 {
			return fail(CodeData, fmt.Errorf("example %s has no choices, or none is right", e.ID))
		}
		before, err := shots.of(e)
		if err != nil {
			return err
		}
		q, err := form.question(e, before)
		if err != nil {
			return fail(CodeTemplate, err)
		}
		if mutual {
			for _, c := range q.choices {
				q.nulls = append(q.nulls, pair{"", form.delimiter + c})
			}
		}
		if n := len(q.pairs) + len(q.nulls); waiting > 0 && waiting+n > batchPairs {
			if err := flush(); err != nil {
				return err
			}
			waiting = 0
		}
		batch, waiting = append(batch, q), waiting+len(q.pairs)+len(q.nulls)
	}
	if err := flush(); err != nil {
		return err
	}
	if err := left.done(&w.result, len(examples)); err != nil {
		return err
	}
	for _, m := range t.metrics() {
		if m != "perplexity" {
			w.result.Scores = append(w.result.Scores, metrics[m].scores(t.Name, m, subjectField)...)
			continue
		}
		var nats ratio
		for _, v := range metrics[m].all {
			nats.add(v, 1)
		}
		p := math.Exp(nats.value())
		w.score(t, m, p, p, &nats)
	}
	return nil
}

// question fills a template: the solved examples, then the example itself.
func (f template) question(e read.Example, solved []read.Example) (question, error) {
	q := question{example: e}
	context, err := f.context(e, solved)
	if err != nil {
		return q, err
	}
	if !f.prompt.asks("choice") && !f.prompt.asks("letter") {
		if q.prompt, err = f.prompt.fill(fields(e, -1)); err != nil {
			return q, err
		}
	}
	for i := range e.Choices {
		field := fields(e, i)
		choice, err := f.choice.fill(field)
		if err != nil {
			return q, err
		}
		prompt, err := f.prompt.fill(field)
		if err != nil {
			return q, err
		}
		q.choices, q.pairs = append(q.choices, choice), append(q.pairs, pair{context + prompt, f.delimiter + choice})
	}
	return q, nil
}

// context is what stands before a question: the description and the solved examples.
func (f template) context(e read.Example, solved []read.Example) (string, error) {
	context, err := f.description.fill(fields(e, -1))
	if err != nil {
		return "", err
	}
	for _, s := range solved {
		right := -1
		if len(s.Right) > 0 {
			right = s.Right[0]
		}
		prompt, err := f.prompt.fill(fields(s, right))
		if err != nil {
			return "", err
		}
		answer := ""
		switch {
		case right >= 0:
			if answer, err = f.choice.fill(fields(s, right)); err != nil {
				return "", err
			}
		case len(s.References) > 0:
			answer = s.References[0]
		default:
			return "", fmt.Errorf("%w: the solved example %s has no answer", ErrTemplate, s.ID)
		}
		context += prompt + f.delimiter + answer + f.separator
	}
	return context, nil
}

// fields are what a template may ask of an example and one of its choices.
func fields(e read.Example, choice int) func(string) (string, bool) {
	return func(name string) (string, bool) {
		if choice >= 0 && name == "choice" {
			return e.Choices[choice], true
		}
		if choice >= 0 && name == "letter" {
			l := read.Letter(choice)
			return l, l != ""
		}
		v, ok := e.Fields[name]
		return v, ok
	}
}

// judge scores one example by what the model said of its choices.
func (w *work) judge(t Task, q question, answers []told, metrics map[string]*tally, left *skips) error {
	for _, a := range answers {
		if a.err != nil {
			left.add(q.pairs[0].context, a.err)
			return nil
		}
	}
	e, n := q.example, len(q.pairs)
	right := func(of func(i int) float64) float64 {
		best := 0
		for i := 1; i < n; i++ {
			if of(i) > of(best) {
				best = i
			}
		}
		return truth(slices.Contains(e.Right, best))
	}
	ll := func(i int) float64 { return answers[i].sum }
	said := truth(slices.ContainsFunc(e.Right, func(i int) bool { return answers[i].greedy }))
	a := Answer{Task: t.Name, ID: e.ID, Prompt: kept(q.prompt), Want: e.Choices[e.Right[0]], Scores: map[string]event.Number{}}
	if q.prompt == "" {
		a.Prompt = kept(q.pairs[0].context)
	}
	best := 0
	for i := range n {
		a.Choices = append(a.Choices, kept(e.Choices[i]))
		a.LogProbs = append(a.LogProbs, event.Number(ll(i)))
		if ll(i) > ll(best) {
			best = i
		}
	}
	a.Got = []string{kept(e.Choices[best])}
	for _, m := range t.metrics() {
		var v float64
		switch m {
		case "acc", "mc1":
			if v = right(ll); n == 1 {
				v = said
			}
		case "acc_norm":
			v = right(func(i int) float64 { return ll(i) / float64(utf8.RuneCountInString(q.choices[i])) })
		case "acc_bytes":
			v = right(func(i int) float64 { return ll(i) / float64(len(q.choices[i])) })
		case "acc_mutual_info":
			v = right(func(i int) float64 { return ll(i) - answers[n+i].sum })
		case "exact_match":
			v = said
		case "perplexity":
			v = -ll(e.Right[0])
		case "mc2":
			highest := ll(best)
			some, all := 0.0, 0.0
			for i := range n {
				p := math.Exp(ll(i) - highest)
				all += p
				if slices.Contains(e.Right, i) {
					some += p
				}
			}
			v = some / all
		}
		metrics[m].add(e.Group, v)
		a.Scores[m] = event.Number(v)
	}
	return w.tell(a)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// kept is a text as answers keep it: the end of a long one.
func kept(s string) string {
	if len(s) <= maxKept {
		return s
	}
	s = s[len(s)-maxKept:]
	for len(s) > 0 && !utf8.RuneStart(s[0]) {
		s = s[1:]
	}
	return "…" + s
}

// tell gives an answer to whoever wants answers.
func (w *work) tell(a Answer) error {
	if w.Answer == nil {
		return nil
	}
	return w.Answer(a)
}

// skips are the examples of a task that the model cannot be asked.
type skips struct {
	task  string
	first Skip
	n     int
}

func (s *skips) add(prompt string, why error) {
	if s.n++; s.n == 1 {
		s.first = Skip{s.task, kept(prompt), why.Error()}
	}
}

// done reports them: all of a task fail it, fewer are a line in the result.
func (s *skips) done(r *Result, of int) error {
	switch {
	case s.n == 0:
		return nil
	case s.n == of:
		return fail(CodeUnable, fmt.Errorf("none of %d examples can be asked: %s", of, s.first.Reason))
	case s.n > 1:
		s.first.Reason = fmt.Sprintf("%s (and %d more of %d)", s.first.Reason, s.n-1, of)
	}
	r.Skipped = append(r.Skipped, s.first)
	return nil
}
