package evaluator_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"millrace/evaluator"
	"millrace/evaluator/sandbox"
	"millrace/event"

	"github.com/stretchr/testify/require"
)

// parrot is an API that says a text by its prompt, and counts.
type parrot struct {
	says map[string]string
	err  error
	took []evaluator.Sampling
}

func (p *parrot) Name() string { return "parrot" }

func (p *parrot) Complete(_ context.Context, prompt string, _ int, s evaluator.Sampling) (evaluator.Completion, error) {
	p.took = append(p.took, s)
	return evaluator.Completion{Text: p.says[prompt], PromptTokens: 3, Tokens: 2}, p.err
}

// scorer is one that tells probabilities as well: the shorter the likelier.
type scorer struct{ parrot }

func (scorer) Tells(context.Context) error { return nil }

func (scorer) LogProbs(_ context.Context, _, continuation string) (evaluator.Likelihood, error) {
	return evaluator.Likelihood{Sum: -float64(len(continuation)), Tokens: int64(len(continuation)), Greedy: len(continuation) == 2}, nil
}

func said(source evaluator.Source, metrics ...string) evaluator.Task {
	return evaluator.Task{
		Name: "say", Version: 1, Kind: evaluator.Generate, MaxTokens: 10, Source: &source, Stop: []string{"\n", "Q:"}, Metrics: metrics,
		Template: &evaluator.Template{Prompt: "Q: {{question}}\nA:"},
	}
}

func TestWhatIsSaidIsCompared(t *testing.T) {
	h := held{}
	source := evaluator.Source{Form: "jsonl", Digest: h.put(`{"id": "a", "question": "1+1", "answer": "2"}
{"id": "b", "question": "cat", "references": ["the cat sat on the mat", "a cat sat there"]}
{"id": "c", "question": "none", "answer": "x"}`)}
	task := said(source, "exact_match", "rouge1", "bleu", "chrf")
	task.Extract, task.Ignore, task.Repeats, task.Seed = `answer is ([^?]*)`, []string{"case", "space", "punctuation"}, 2, 7
	m := &parrot{says: map[string]string{"Q: 1+1\nA:": "The answer is 3? No, the answer is  2.\nQ: more", "Q: cat\nA:": "answer is The cat sat on the mat", "Q: none\nA:": ""}}
	var answers []evaluator.Answer
	e := evaluator.Evaluator{Open: h.open, Answer: func(a evaluator.Answer) error { answers = append(answers, a); return nil }}
	r, err := e.ScoreText(context.Background(), m, suite(task))
	require.NoError(t, err)
	require.Empty(t, r.Failed)
	scores := map[string]event.Score{}
	for _, s := range r.Scores {
		scores[s.Metric] = s
		require.NotNil(t, s.Stderr)
		require.EqualValues(t, 3, s.N)
	}
	require.InDelta(t, 2./3, float64(scores["exact_match"].Value), 1e-12)
	require.InDelta(t, 1./3, float64(*scores["exact_match"].Stderr), 1e-12, "s = √(1/3), n = 3")
	require.InDelta(t, 2./3, float64(scores["rouge1"].Value), 1e-12)
	require.Len(t, answers, 3)
	require.Equal(t, "a", answers[0].ID)
	require.Equal(t, []string{"The answer is 3? No, the answer is  2.", "The answer is 3? No, the answer is  2."}, answers[0].Got, "up to the stop text")
	require.Equal(t, "2", answers[0].Want)
	require.Equal(t, "Q: cat\nA:", answers[1].Prompt)
	require.EqualValues(t, 18, r.PromptTokens)
	require.EqualValues(t, 12, r.Tokens)
	require.EqualValues(t, 12, m.took[5].Seed, "each answer has a seed of its own")
	require.Equal(t, []string{"\n", "Q:"}, m.took[0].StopText)

	m.err = errors.New("500")
	_, err = e.ScoreText(context.Background(), m, suite(task))
	require.ErrorContains(t, err, "500")
	task.Extract = "("
	r, err = e.ScoreText(context.Background(), m, suite(task, evaluator.Task{Name: "p", Kind: evaluator.Perplexity}))
	require.Error(t, err)
	require.Equal(t, []string{evaluator.CodeTemplate, evaluator.CodeUnable}, []string{r.Failed[0].Code, r.Failed[1].Code})
}

func TestATextModelChooses(t *testing.T) {
	h := held{}
	task := multiple("t", evaluator.Source{Form: "jsonl", Digest: h.put(`{"question": "q", "choices": ["xx", "y"], "answer": 1}`)}, evaluator.Template{Prompt: "{{question}}"})
	r, err := evaluator.Evaluator{Open: h.open}.ScoreText(context.Background(), &scorer{}, suite(task))
	require.NoError(t, err)
	require.EqualValues(t, 1, r.Scores[0].Value)
	_, err = evaluator.Evaluator{Open: h.open}.ScoreText(context.Background(), &parrot{}, suite(task))
	require.ErrorContains(t, err, "parrot does not tell")
}

// pass@k of c of n by the definition: 1 - C(n-c, k)/C(n, k).
func TestCodeIsRunInTheSandbox(t *testing.T) {
	h := held{}
	source := evaluator.Source{Form: "humaneval", Digest: h.put(`{"task_id": "T/0", "prompt": "def f(x):\n", "canonical_solution": "  return x", "test": "def check(c):\n    assert c(2) == 4\n", "entry_point": "f"}
{"task_id": "T/1", "prompt": "def g(x):\n", "canonical_solution": "  return x", "test": "def check(c):\n    assert c(2) == 4\n", "entry_point": "g"}
{"task_id": "T/2", "prompt": "def h(x):\n", "canonical_solution": "  return x", "test": "def check(c):\n    assert c(2) == 4\n", "entry_point": "h"}`)}
	task := said(source, "pass@1", "pass@2")
	task.Template, task.Repeats, task.Stop = &evaluator.Template{Prompt: "{{prompt}}"}, 2, []string{"\ndef"}
	m := &parrot{says: map[string]string{"def f(x):\n": "    return 2 * x\ndef", "def g(x):\n": "    return 5", "def h(x):\n": "    import sys; sys.exit(0)"}}
	_, err := evaluator.Evaluator{Open: h.open}.ScoreText(context.Background(), m, suite(task))
	require.ErrorContains(t, err, "this node does not", "it is off unless told")

	box, err := sandbox.Open(context.Background(), sandbox.Config{})
	if errors.Is(err, sandbox.ErrOff) {
		t.Skip("this machine cannot run code apart: ", err)
	}
	require.NoError(t, err)
	r, err := evaluator.Evaluator{Open: h.open, Sandbox: box}.ScoreText(context.Background(), m, suite(task))
	require.NoError(t, err)
	require.Equal(t, "pass@1", r.Scores[0].Metric)
	require.InDelta(t, 1./3, float64(r.Scores[0].Value), 1e-12, "neither a wrong answer nor an early exit passes")
	require.InDelta(t, 1./3, float64(*r.Scores[0].Stderr), 1e-12)
}

// Stop texts end what a model of tokens says, wherever tokens are cut; word perplexity counts words where they begin.
func TestStopTextsAndWords(t *testing.T) {
	h := held{}
	m := &toy{context: 30, answer: ids("ab\ncd"), p: func([]int32, int32) float64 { return 0.5 }}
	task := said(evaluator.Source{Form: "jsonl", Digest: h.put(`{"question": "q"}`)})
	r, _, _ := asked(t, h, m, task)
	require.Equal(t, []event.Sample{{Task: "say", Prompt: "Q: q\nA:", Text: "ab"}}, r.Samples)

	got := score(t, m, tokBytes, append(ids("the caf\u00e9  is\u00a0open "), eot), evaluator.Task{Metrics: []string{"word_perplexity"}, Stride: 3})
	// 4 words of 20 bytes, each 1/2.
	require.InDelta(t, math.Exp2(20./4), float64(got["word_perplexity"].Value), 1e-9)
	text := "the old mill"
	task = evaluator.Task{Name: "d", Version: 1, Kind: evaluator.Perplexity, Source: &evaluator.Source{Form: "text", Digest: h.put(strings.Repeat(text+" ", 5))}}
	_, scores, answers := asked(t, h, m, task)
	require.InDelta(t, 1, float64(scores["d bits_per_byte"].Value), 1e-12)
	require.InDelta(t, 2, float64(scores["d byte_perplexity"].Value), 1e-12)
	require.InDelta(t, math.Exp2(65./16), float64(scores["d word_perplexity"].Value), 1e-9, "15 words and the space at the end")
	require.Len(t, answers, 1)
}
