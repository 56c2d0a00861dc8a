package evaluator

import (
	"context"
	"errors"
	"fmt"
	"io"

	"millrace/evaluator/read"
	"millrace/evaluator/sandbox"
	"millrace/event"
	"millrace/trainer/token"
)

// Errors of Score a caller may want to branch on, besides ErrSuite.
var (
	// ErrNoHeldOut: a task needs a held-out text and the dataset has none.
	ErrNoHeldOut = errors.New("no held-out text")
	// ErrModel: the model does not do what Model asks of it, or does not fit the tokenizer.
	ErrModel = errors.New("model does not fit")
	// ErrUnable is what a model wraps that cannot do what a task asks, by its kind: the prompt is left out, and the others judged.
	ErrUnable = errors.New("the model cannot do this")

	errNotPinned = errors.New("its data is not pinned: give source.digest, the sha256 of a file that storage has")
)

// Result is what a suite found out about a model.
type Result struct {
	Suite       string
	SuiteDigest event.Digest
	Scores      []event.Score
	Samples     []event.Sample
	// Skipped are prompts that the model's tokenizer cannot express (a char tokenizer knows only the characters of its
	// text), and those that the model cannot continue, being of another kind.
	Skipped []Skip
	// Failed are tasks that could not be asked, in the order of the suite. The others are in Scores and Samples.
	Failed []Failure
	// PromptTokens and Tokens are what a TextModel counted.
	PromptTokens, Tokens int64
}

// Skip says what was not asked, and why.
type Skip struct{ Task, Prompt, Reason string }

// Evaluator scores models. The zero value works, for tasks without a source.
type Evaluator struct {
	// Progress, when set, is told after every window and prompt how many tokens of the suite have been scored or asked for. The total grows as
	// sources are read. (ScoreText counts requests.)
	Progress func(done, total int64)
	// Counts, when set, says of each token of the held-out text whether it is judged, as the mask of a fine-tuning dataset does. The
	// others are context only.
	Counts []bool
	// Open gives the bytes that a source's digest names. Without it, and when it fails, tasks with a source fail (CodeNoData).
	Open func(context.Context, event.Digest) (io.ReadCloser, error)
	// Answer, when set, is given every example's answer as it is scored; its error ends the evaluation. WriteAnswers makes one.
	Answer func(Answer) error
	// Sandbox runs code that a model wrote. Without one, tasks of pass@K fail (CodeSandbox).
	Sandbox *sandbox.Box
}

// Score asks a model all tasks of a suite. heldOut is the held-out split as ids of tok, each document followed by
// <|endoftext|>; it may be empty when no task needs it. Errors of the model come as they are. A task that cannot be asked is in
// Result.Failed; when none could be, there is an error as well.
//
// A perplexity task of the held-out text gives four scores (and word_perplexity, when asked for), over the N windows that Task.Stride and
// PerDocument plan:
//
//   - loss: -Σ ln p / tokens, in nats, <|endoftext|> counted like any token (the loss of training);
//   - perplexity: exp(loss);
//   - bits_per_byte: -Σ ln p / (ln 2 · bytes), over the tokens that stand for text, bytes being those of the tokens
//     (nanochat's bpb: special tokens have no bytes and their ln p does not count);
//   - byte_perplexity: 2^bits_per_byte (lm-eval's, for text it detokenises to);
//   - word_perplexity: exp(-Σ ln p / words), over the same tokens, a word being a run without white space, counted with the token that it
//     begins in.
//
// Of a source see work.documents, of choices work.choose, of texts that are generated work.generate.
//
// Standard errors take the windows as the sample (see ratio.stderr) and go through exp and 2^x by their derivative.
func (e Evaluator) Score(ctx context.Context, m Model, tok token.Tokenizer, heldOut []int32, s Suite) (Result, error) {
	if err := s.Check(); err != nil {
		return Result{}, err
	}
	if m.Context() < 1 {
		return Result{}, fmt.Errorf("%w: its context is %d", ErrModel, m.Context())
	}
	if e.Counts != nil && len(e.Counts) != len(heldOut) {
		return Result{}, fmt.Errorf("%w: %d tokens are held out, and of %d it is said whether they count", ErrModel, len(heldOut), len(e.Counts))
	}
	for i, id := range heldOut {
		if id < 0 || int(id) >= tok.VocabSize() {
			return Result{}, fmt.Errorf("%w: held-out token %d is %d, the tokenizer has %d: this is another tokenizer's text", token.ErrUnknownID, i, id, tok.VocabSize())
		}
	}
	w := &work{Evaluator: e, ask: byTokens{m, tok}, model: m, tok: tok, lengths: token.ByteLengths(tok), heldOut: heldOut}
	for _, t := range s.Tasks {
		w.total += w.cost(t)
	}
	ask := func(ctx context.Context, t Task) error {
		switch {
		case t.Kind == MultipleChoice:
			return w.choose(ctx, t)
		case t.Kind == Generate:
			return w.generate(ctx, t)
		case t.Source != nil:
			return w.documents(ctx, t)
		}
		return w.perplexity(ctx, t)
	}
	return w.all(ctx, s, ask)
}

// all asks every task. What fails one is in the result, and the others go on.
func (w *work) all(ctx context.Context, s Suite, ask func(context.Context, Task) error) (Result, error) {
	w.result = Result{Suite: s.Name, SuiteDigest: s.Digest()}
	var first error
	for _, t := range s.Tasks {
		before := w.result
		err := ask(ctx, t)
		if err == nil {
			continue
		}
		err = fmt.Errorf("evaluator: suite %s: task %s: %w", s.Name, t.Name, err)
		f, ok := failed(ctx, t, err)
		if !ok {
			return Result{}, err
		}
		before.PromptTokens, before.Tokens = w.result.PromptTokens, w.result.Tokens
		w.result = before // nothing of a task that failed
		w.result.Failed = append(w.result.Failed, f)
		if first == nil {
			first = err
		}
	}
	if len(w.result.Failed) == len(s.Tasks) {
		return w.result, first
	}
	return w.result, nil
}

// work is one Score.
type work struct {
	Evaluator
	ask         asker
	model       Model           // nil when the model is only reachable by text, as the next three
	tok         token.Tokenizer //
	lengths     []int32         // bytes of each id
	heldOut     []int32
	done, total int64
	result      Result
}

// cost is how many tokens a task asks for, as far as that is known before its source is read.
func (w *work) cost(t Task) int64 {
	switch {
	case t.Source != nil:
		return 0
	case t.Kind == Generate:
		return t.MaxTokens * int64(len(t.Prompts)*max(t.Repeats, 1))
	}
	return int64(len(w.text(t)))
}

func (w *work) advance(tokens int64) {
	w.done += tokens
	if w.Progress != nil {
		w.Progress(w.done, w.total)
	}
}

// meter adds examples to the total, each about as many tokens as it has, and tells of them as they are done, in order.
func (w *work) meter(examples []read.Example, more int64) func(n int) {
	costs := make([]int64, len(examples))
	for i, e := range examples {
		size := len(e.Text)
		for _, v := range e.Fields {
			size += len(v)
		}
		costs[i] = int64(size/4) + 1 + more
		w.total += costs[i]
	}
	return func(n int) {
		for _, c := range costs[:n] {
			w.done += c
		}
		costs = costs[n:]
		w.advance(0)
	}
}
