package evaluator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

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
}

// Score asks a model all tasks of a suite. heldOut is the held-out split as ids of tok, each document followed by
// <|endoftext|>; it may be empty when no task needs it. Errors of the model come as they are. A task that cannot be asked is in
// Result.Failed; when none could be, there is an error as well.
//
// A perplexity task gives four scores, over the N windows that Task.Stride and PerDocument plan:
//
//   - loss: -Σ ln p / tokens, in nats, <|endoftext|> counted like any token (the loss of training);
//   - perplexity: exp(loss);
//   - bits_per_byte: -Σ ln p / (ln 2 · bytes), over the tokens that stand for text, bytes being those of the tokens
//     (nanochat's bpb: special tokens have no bytes and their ln p does not count);
//   - byte_perplexity: 2^bits_per_byte (lm-eval's, for text it detokenises to).
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
	w := &work{Evaluator: e, model: m, tok: tok, lengths: token.ByteLengths(tok), heldOut: heldOut}
	for _, t := range s.Tasks {
		w.total += w.cost(t)
	}
	w.result = Result{Suite: s.Name, SuiteDigest: s.Digest()}
	var first error
	for _, t := range s.Tasks {
		var err error
		switch t.Kind {
		case Perplexity:
			err = w.perplexity(ctx, t)
		case MultipleChoice:
			err = fail(CodeUnable, errors.New("multiple choice cannot be asked yet"))
		case Generate:
			err = w.generate(ctx, t)
		}
		if err == nil {
			continue
		}
		err = fmt.Errorf("evaluator: suite %s: task %s: %w", s.Name, t.Name, err)
		f, ok := failed(ctx, t, err)
		if !ok {
			return Result{}, err
		}
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
	model       Model
	tok         token.Tokenizer
	lengths     []int32 // bytes of each id
	heldOut     []int32
	done, total int64
	result      Result
}

// cost is how many tokens a task asks for.
func (w *work) cost(t Task) int64 {
	if t.Kind == Generate {
		return t.MaxTokens * int64(len(t.Prompts))
	}
	return int64(len(w.text(t)))
}

func (w *work) advance(tokens int64) {
	w.done += tokens
	if w.Progress != nil {
		w.Progress(w.done, w.total)
	}
}

// text is the held-out tokens a task looks at.
func (w *work) text(t Task) []int32 {
	if t.MaxTokens > 0 {
		return w.heldOut[:min(t.MaxTokens, int64(len(w.heldOut)))]
	}
	return w.heldOut
}

// sequences are what a task scores, each beginning with a <|endoftext|> that is only context: the whole text, or document
// by document.
func (w *work) sequences(t Task) []sequence {
	eot := w.tok.EndOfText()
	text, counts := w.text(t), w.Counts
	if counts == nil {
		counts = slices.Repeat([]bool{true}, len(text))
	}
	if !t.PerDocument {
		return []sequence{{append([]int32{eot}, text...), append([]bool{false}, counts[:len(text)]...)}}
	}
	var all []sequence
	begin := func() sequence { return sequence{[]int32{eot}, []bool{false}} }
	doc := begin()
	for i, id := range text {
		doc.ids, doc.counts = append(doc.ids, id), append(doc.counts, counts[i])
		if id == eot {
			all = append(all, doc)
			doc = begin()
		}
	}
	if len(doc.ids) > 1 {
		all = append(all, doc)
	}
	return all
}

// sequence is ids, and which of them are judged.
type sequence struct {
	ids    []int32
	counts []bool
}

func (w *work) perplexity(ctx context.Context, t Task) error {
	if len(w.text(t)) == 0 {
		return fail(CodeNoHeldOut, fmt.Errorf("%w: curate the dataset with held_out above 0", ErrNoHeldOut))
	}
	var perToken, perByte ratio
	for _, sequence := range w.sequences(t) {
		for win := range windows(len(sequence.ids), w.model.Context(), t.Stride) {
			tokens, counts := sequence.ids[win.start:win.end], sequence.counts[win.start+win.from:win.end]
			if !slices.Contains(counts, true) {
				w.advance(int64(len(counts)))
				continue
			}
			scores, err := w.model.Score(ctx, tokens, win.from)
			if err != nil {
				return err
			}
			targets := tokens[win.from:]
			if len(scores) != len(targets) {
				return fmt.Errorf("%w: asked for %d scores, it gave %d", ErrModel, len(targets), len(scores))
			}
			var nats, textNats float64
			var size, judged int64
			for i, id := range targets {
				if !counts[i] {
					continue
				}
				judged++
				nats -= scores[i].LogProb
				if n := w.lengths[id]; n > 0 {
					textNats -= scores[i].LogProb
					size += int64(n)
				}
			}
			perToken.add(nats, float64(judged))
			perByte.add(textNats/math.Ln2, float64(size))
			w.advance(int64(len(targets)))
		}
	}
	if len(perToken.x) == 0 {
		return fail(CodeNoHeldOut, fmt.Errorf("%w: no token of it counts in the loss", ErrNoHeldOut))
	}
	loss, bits := perToken.value(), perByte.value()
	w.score(t, "loss", loss, 1, &perToken)
	w.score(t, "perplexity", math.Exp(loss), math.Exp(loss), &perToken)
	w.score(t, "bits_per_byte", bits, 1, &perByte)
	w.score(t, "byte_perplexity", math.Exp2(bits), math.Ln2*math.Exp2(bits), &perByte)
	return nil
}

// score records a metric that is a function of r with that derivative.
func (w *work) score(t Task, metric string, value, derivative float64, r *ratio) {
	s := event.Score{Task: t.Name, Metric: metric, Value: event.Number(value), N: int64(len(r.x))}
	if se, ok := r.stderr(); ok {
		n := event.Number(se * derivative)
		s.Stderr = &n
	}
	w.result.Scores = append(w.result.Scores, s)
}

func (w *work) generate(ctx context.Context, t Task) error {
	eot := w.tok.EndOfText()
	for i, prompt := range t.Prompts {
		ids, err := w.tok.Append([]int32{eot}, prompt)
		if errors.Is(err, token.ErrUnknownText) {
			w.result.Skipped = append(w.result.Skipped, Skip{t.Name, prompt, err.Error()})
			w.advance(t.MaxTokens)
			continue
		}
		if err != nil {
			return err
		}
		s := Sampling{Temperature: t.Temperature, TopK: t.TopK, Seed: uint64(t.Seed) + uint64(i), Stop: []int32{eot}}
		out, err := w.model.Generate(ctx, ids, int(t.MaxTokens), s)
		if errors.Is(err, ErrUnable) {
			w.result.Skipped = append(w.result.Skipped, Skip{t.Name, prompt, err.Error()})
			w.advance(t.MaxTokens)
			continue
		}
		if err != nil {
			return err
		}
		text, err := token.Decode(w.tok, out)
		if err != nil {
			return fmt.Errorf("%w: it generated a token that is none: %w", ErrModel, err)
		}
		// A token may end inside a character.
		w.result.Samples = append(w.result.Samples, event.Sample{Task: t.Name, Prompt: prompt, Text: strings.ToValidUTF8(string(text), "\uFFFD")})
		w.advance(t.MaxTokens)
	}
	return nil
}
