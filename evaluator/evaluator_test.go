package evaluator_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"millrace/evaluator"
	"millrace/event"
	"millrace/trainer/token"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// toy is a model whose probabilities are known: p(token | context) is a function of the two.
type toy struct {
	context int
	p       func(before []int32, token int32) float64
	asked   [][]int32
	prompts [][]int32
	answer  []int32
	fail    error
}

func (m *toy) Context() int { return m.context }

func (m *toy) Score(_ context.Context, tokens []int32, from int) ([]evaluator.TokenScore, error) {
	if m.fail != nil {
		return nil, m.fail
	}
	if from < 1 || from >= len(tokens) || len(tokens) > m.context+1 {
		return nil, errors.New("asked for what Model rules out")
	}
	m.asked = append(m.asked, tokens)
	var out []evaluator.TokenScore
	for i := from; i < len(tokens); i++ {
		out = append(out, evaluator.TokenScore{LogProb: math.Log(m.p(tokens[:i], tokens[i]))})
	}
	return out, nil
}

func (m *toy) Generate(_ context.Context, prompt []int32, n int, _ evaluator.Sampling) ([]int32, error) {
	if m.fail != nil {
		return nil, m.fail
	}
	m.prompts = append(m.prompts, prompt)
	return m.answer[:min(n, len(m.answer))], nil
}

func suite(tasks ...evaluator.Task) evaluator.Suite {
	return evaluator.Suite{Format: evaluator.SuiteFormat, Name: "test", Version: 1, Tasks: tasks}
}

func score(t require.TestingT, m evaluator.Model, tok token.Tokenizer, held []int32, task evaluator.Task) map[string]event.Score {
	task.Name, task.Kind = "t", evaluator.Perplexity
	r, err := evaluator.Evaluator{}.Score(context.Background(), m, tok, held, suite(task))
	require.NoError(t, err)
	out := map[string]event.Score{}
	for _, s := range r.Scores {
		require.Equal(t, "t", s.Task)
		require.False(t, s.Higher)
		out[s.Metric] = s
	}
	return out
}

const eot = 256 // of the byte tokenizer

var tokBytes = token.NewByte()

// By hand: the held-out text is "ab", end of text, "é" (two bytes), end of text: 6 tokens, 4 bytes. The model gives letters
// 1/4, bytes of é 1/8, the end 1/2.
//
//	nats = (2·ln 4 + 2·ln 8 + 2·ln 2) = (4+6+2)·ln 2 = 12 ln 2; loss = 2 ln 2, perplexity 4
//	text: (4+6)·ln 2 over 4 bytes: 2.5 bits per byte, byte perplexity 2^2.5
func TestDefinitionsByHand(t *testing.T) {
	tok := token.NewByte()
	held := []int32{'a', 'b', eot, 0xC3, 0xA9, eot}
	m := &toy{context: 3, p: func(_ []int32, id int32) float64 {
		switch {
		case id == eot:
			return 1. / 2
		case id < 128:
			return 1. / 4
		}
		return 1. / 8
	}}
	for name, task := range map[string]evaluator.Task{"stream": {}, "stride": {Stride: 1}, "documents": {PerDocument: true}} {
		got := score(t, m, tok, held, task)
		require.InDelta(t, 2*math.Ln2, float64(got["loss"].Value), 1e-12, name)
		require.InDelta(t, 4, float64(got["perplexity"].Value), 1e-12, name)
		require.InDelta(t, 2.5, float64(got["bits_per_byte"].Value), 1e-12, name)
		require.InDelta(t, math.Pow(2, 2.5), float64(got["byte_perplexity"].Value), 1e-12, name)
	}
	// Disjoint windows of 3: "a b end" has 5 ln 2 nats, "é é end" 7 ln 2. R = 2 ln 2, deviations ∓ln 2:
	// se = √(2/1 · 2 (ln 2)²) / 6 = 2 ln 2 / 6. Bits: 4 over 2 bytes and 6 over 2; R = 2.5, deviations ∓1: √(2·2)/4 = 0.5.
	got := score(t, m, tok, held, evaluator.Task{})
	require.EqualValues(t, 2, got["loss"].N)
	require.InDelta(t, math.Ln2/3, float64(*got["loss"].Stderr), 1e-12)
	require.InDelta(t, 4*math.Ln2/3, float64(*got["perplexity"].Stderr), 1e-12)
	require.InDelta(t, 0.5, float64(*got["bits_per_byte"].Stderr), 1e-12)
	require.InDelta(t, 0.5*math.Ln2*math.Pow(2, 2.5), float64(*got["byte_perplexity"].Stderr), 1e-12)

	// The first three tokens only: one window, no standard error.
	got = score(t, m, tok, held, evaluator.Task{MaxTokens: 3})
	require.InDelta(t, 5*math.Ln2/3, float64(got["loss"].Value), 1e-12)
	require.InDelta(t, 2, float64(got["bits_per_byte"].Value), 1e-12)
	require.Nil(t, got["loss"].Stderr)
}

// Windows as lm-eval's get_rolling_token_windows makes them: context 4, ten tokens.
func TestWindowsByHand(t *testing.T) {
	held := []int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	for name, c := range map[string]struct {
		task evaluator.Task
		want [][]int32
	}{
		"disjoint":        {evaluator.Task{}, [][]int32{{eot, 0, 1, 2, 3}, {3, 4, 5, 6, 7}, {5, 6, 7, 8, 9}}},
		"stride 3":        {evaluator.Task{Stride: 3}, [][]int32{{eot, 0, 1, 2, 3}, {2, 3, 4, 5, 6}, {5, 6, 7, 8, 9}}},
		"stride too long": {evaluator.Task{Stride: 9}, [][]int32{{eot, 0, 1, 2, 3}, {3, 4, 5, 6, 7}, {5, 6, 7, 8, 9}}},
	} {
		m := &toy{context: 4, p: func([]int32, int32) float64 { return 0.5 }}
		score(t, m, token.NewByte(), held, c.task)
		require.Equal(t, c.want, m.asked, name)
	}
	m := &toy{context: 4, p: func([]int32, int32) float64 { return 0.5 }}
	score(t, m, token.NewByte(), []int32{'a', 'b', eot, eot, 'c'}, evaluator.Task{PerDocument: true})
	require.Equal(t, [][]int32{{eot, 'a', 'b', eot}, {eot, eot}, {eot, 'c'}}, m.asked)
}

// Every token is scored once, from at least as much context as the task promises, whatever the lengths.
func TestEveryTokenOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 60).Draw(t, "tokens")
		size := rapid.IntRange(1, 20).Draw(t, "context")
		stride := rapid.IntRange(0, 25).Draw(t, "stride")
		step := stride
		if step == 0 || step > size {
			step = size
		}
		held := make([]int32, n)
		for i := range held {
			held[i] = int32(i)
		}
		seen := map[int32]int{}
		m := &toy{context: size, p: func(before []int32, id int32) float64 {
			seen[id]++
			require.GreaterOrEqual(t, len(before), min(int(id)+1, size-step+1))
			return 0.5
		}}
		got := score(t, m, token.NewByte(), held, evaluator.Task{Stride: stride})
		require.Len(t, seen, n)
		for _, count := range seen {
			require.Equal(t, 1, count)
		}
		require.InDelta(t, math.Ln2, float64(got["loss"].Value), 1e-12)
	})
}

// A model that only sees the token before it gives the same sums for every stride, and bits per byte that agree with a
// direct computation, with a tokenizer whose tokens have different lengths.
func TestBigramIsIndependentOfWindows(t *testing.T) {
	text := strings.Repeat("the mill race turns the mill wheel. ", 40)
	tok, err := token.Trainer{VocabSize: 300}.Train(context.Background(), func(yield func(string) bool) { yield(text) })
	require.NoError(t, err)
	ids, err := token.Encode(tok, text)
	require.NoError(t, err)
	held := append(ids, tok.EndOfText())
	p := func(before []int32, id int32) float64 {
		r := rand.New(rand.NewPCG(uint64(before[len(before)-1]), uint64(id)))
		return 0.01 + 0.9*r.Float64()
	}
	nats, textNats := 0.0, 0.0
	last := tok.EndOfText()
	for _, id := range held {
		nats -= math.Log(p([]int32{last}, id))
		if id != tok.EndOfText() {
			textNats -= math.Log(p([]int32{last}, id))
		}
		last = id
	}
	for _, size := range []int{1, 2, 7, 1000} {
		for _, stride := range []int{0, 1, 3} {
			got := score(t, &toy{context: size, p: p}, tok, held, evaluator.Task{Stride: stride})
			require.InDelta(t, nats/float64(len(held)), float64(got["loss"].Value), 1e-12)
			require.InDelta(t, textNats/math.Ln2/float64(len(text)), float64(got["bits_per_byte"].Value), 1e-12)
		}
	}
}

func TestImpossibleTokensAreInfinite(t *testing.T) {
	m := &toy{context: 4, p: func(_ []int32, id int32) float64 {
		if id == 'x' {
			return 0
		}
		return 0.5
	}}
	got := score(t, m, token.NewByte(), []int32{'a', 'x', 'b', eot}, evaluator.Task{})
	require.True(t, math.IsInf(float64(got["loss"].Value), 1))
	require.True(t, math.IsInf(float64(got["perplexity"].Value), 1))
}

func TestSamples(t *testing.T) {
	tok, err := token.NewChar([]rune("abé "))
	require.NoError(t, err)
	m := &toy{context: 4, answer: []int32{0, 1, 2, 3}}
	var done, total int64
	r, err := evaluator.Evaluator{Progress: func(d, n int64) { done, total = d, n }}.Score(context.Background(), m, tok, nil,
		suite(evaluator.Task{Name: "s", Kind: evaluator.Generate, Prompts: []string{"", "ab", "Z"}, MaxTokens: 3, Seed: 5}))
	require.NoError(t, err)
	require.Equal(t, []event.Sample{{Task: "s", Prompt: "", Text: " ab"}, {Task: "s", Prompt: "ab", Text: " ab"}}, r.Samples)
	require.Equal(t, [][]int32{{4}, {4, 1, 2}}, m.prompts, "a prompt begins a document")
	require.Len(t, r.Skipped, 1)
	require.Contains(t, r.Skipped[0].Reason, `'Z'`)
	require.EqualValues(t, 9, done)
	require.EqualValues(t, 9, total)

	half := &toy{context: 4, answer: []int32{'a', 0xC3}}
	r, err = evaluator.Evaluator{}.Score(context.Background(), half, token.NewByte(), nil, suite(evaluator.Task{Name: "s", Kind: evaluator.Generate, Prompts: []string{"x"}, MaxTokens: 2}))
	require.NoError(t, err)
	require.Equal(t, "a\uFFFD", r.Samples[0].Text)
}

type short struct{ toy }

func (m *short) Score(context.Context, []int32, int) ([]evaluator.TokenScore, error) { return nil, nil }

func TestErrors(t *testing.T) {
	ctx := context.Background()
	tok := token.NewByte()
	task := suite(evaluator.Task{Name: "t", Kind: evaluator.Perplexity})
	ask := suite(evaluator.Task{Name: "s", Kind: evaluator.Generate, Prompts: []string{"x"}, MaxTokens: 2})
	broken := errors.New("device lost")
	half := func([]int32, int32) float64 { return 0.5 }
	for _, c := range []struct {
		m    evaluator.Model
		held []int32
		s    evaluator.Suite
		is   error
	}{
		{&toy{context: 4, p: half}, nil, task, evaluator.ErrNoHeldOut},
		{&toy{context: 4, p: half}, []int32{257}, task, token.ErrUnknownID},
		{&toy{context: 0, p: half}, []int32{1}, task, evaluator.ErrModel},
		{&short{toy{context: 4}}, []int32{1}, task, evaluator.ErrModel},
		{&toy{context: 4, answer: []int32{999}}, nil, ask, evaluator.ErrModel},
		{&toy{context: 4, fail: broken}, []int32{1}, task, broken},
		{&toy{context: 4, fail: broken}, []int32{1}, ask, broken},
		{&toy{context: 4}, []int32{1}, evaluator.Suite{}, evaluator.ErrSuite},
	} {
		_, err := evaluator.Evaluator{}.Score(ctx, c.m, tok, c.held, c.s)
		require.ErrorIs(t, err, c.is)
	}
}

// Of the text above "b" and the second end count: (2 + 1)·ln 2 nats over 2 tokens, 2 bits over 1 byte.
func TestWhatDoesNotCountIsContextOnly(t *testing.T) {
	held := []int32{'a', 'b', eot, 0xC3, 0xA9, eot}
	for name, task := range map[string]evaluator.Task{"stream": {}, "stride": {Stride: 1}, "documents": {PerDocument: true}} {
		m := &toy{context: 3, p: func(_ []int32, id int32) float64 {
			switch {
			case id == eot:
				return 1. / 2
			case id < 128:
				return 1. / 4
			}
			return 1. / 8
		}}
		task.Name, task.Kind = "t", evaluator.Perplexity
		e := evaluator.Evaluator{Counts: []bool{false, true, false, false, false, true}}
		r, err := e.Score(context.Background(), m, token.NewByte(), held, suite(task))
		require.NoError(t, err)
		got := map[string]event.Score{}
		for _, s := range r.Scores {
			got[s.Metric] = s
		}
		require.InDelta(t, 1.5*math.Ln2, float64(got["loss"].Value), 1e-12, name)
		require.InDelta(t, 2, float64(got["bits_per_byte"].Value), 1e-12, name)

		e.Counts = make([]bool, 6)
		m.asked = nil
		_, err = e.Score(context.Background(), m, token.NewByte(), held, suite(task))
		require.ErrorIs(t, err, evaluator.ErrNoHeldOut, name)
		require.Empty(t, m.asked, "nobody is asked what does not count")
		e.Counts = e.Counts[:5]
		_, err = e.Score(context.Background(), m, token.NewByte(), held, suite(task))
		require.ErrorIs(t, err, evaluator.ErrModel, name)
	}
}
