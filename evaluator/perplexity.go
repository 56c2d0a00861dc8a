package evaluator

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"millrace/evaluator/read"
	"millrace/event"
	"millrace/trainer/token"
)

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
	var perToken, perByte, perWord ratio
	metrics := t.metrics()
	windowed := 0
	for at, sequence := range w.sequences(t) {
		var words wordCounter
		for win := range windows(len(sequence.ids), w.model.Context(), t.Stride) {
			tokens, counts := sequence.ids[win.start:win.end], sequence.counts[win.start+win.from:win.end]
			begun := words.of(w.tok, tokens[win.from:])
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
			var size, judged, words int64
			for i, id := range targets {
				if !counts[i] {
					continue
				}
				judged++
				words += begun[i]
				nats -= scores[i].LogProb
				if n := w.lengths[id]; n > 0 {
					textNats -= scores[i].LogProb
					size += int64(n)
				}
			}
			perToken.add(nats, float64(judged))
			perByte.add(textNats/math.Ln2, float64(size))
			perWord.add(textNats, float64(words))
			w.advance(int64(len(targets)))
			if err := w.tellWindow(t, at, windowed, targets, nats, judged, size); err != nil {
				return err
			}
			windowed++
		}
	}
	if len(perToken.x) == 0 {
		return fail(CodeNoHeldOut, fmt.Errorf("%w: no token of it counts in the loss", ErrNoHeldOut))
	}
	w.perplexities(t, metrics, &perToken, &perByte, &perWord)
	return nil
}

// perplexities records what a task asks for of nats by tokens, bits by bytes and nats by words.
func (w *work) perplexities(t Task, metrics []string, perToken, perByte, perWord *ratio) {
	for _, m := range metrics {
		switch m {
		case "loss":
			w.score(t, m, perToken.value(), 1, perToken)
		case "perplexity":
			p := math.Exp(perToken.value())
			w.score(t, m, p, p, perToken)
		case "bits_per_byte":
			w.score(t, m, perByte.value(), 1, perByte)
		case "byte_perplexity":
			p := math.Exp2(perByte.value())
			w.score(t, m, p, math.Ln2*p, perByte)
		case "word_perplexity":
			p := math.Exp(perWord.value())
			w.score(t, m, p, p, perWord)
		}
	}
}

// tellWindow is the answer of one window of the held-out text.
func (w *work) tellWindow(t Task, sequence, window int, targets []int32, nats float64, judged, size int64) error {
	if w.Answer == nil {
		return nil
	}
	text, err := token.Decode(w.tok, targets)
	if err != nil {
		return err
	}
	return w.Answer(Answer{
		Task: t.Name, ID: fmt.Sprintf("%d/%d", sequence, window), Prompt: kept(strings.ToValidUTF8(string(text), "\uFFFD")),
		Scores: map[string]event.Number{"loss": event.Number(nats / float64(judged)), "tokens": event.Number(judged), "bytes": event.Number(size)},
	})
}

// documents scores a source of texts, each document by itself, as lm-eval's rolling log-likelihoods: the first token is told from the end of
// text, and Task.Stride plans the windows. With ll = Σ ln p of a document's tokens, and sums over the documents:
//
//   - loss: -Σ ll / tokens; perplexity: exp(loss);
//   - byte_perplexity: exp(-Σ ll / bytes); bits_per_byte: its logarithm to base 2;
//   - word_perplexity: exp(-Σ ll / words), words being the parts between white space.
//
// Bytes and words are those of the page as it was published, which for WikiText is not the text that the model is asked. Standard errors
// take the documents as the sample.
func (w *work) documents(ctx context.Context, t Task) error {
	examples, _, err := w.examples(ctx, t)
	if err != nil {
		return err
	}
	var perToken, perByte, perWord ratio
	left := skips{task: t.Name}
	progress := w.meter(examples, 0)
	budget := int64(math.MaxInt64)
	if t.MaxTokens > 0 {
		budget = t.MaxTokens
	}
	for _, e := range examples {
		if e.Text == "" {
			return fail(CodeData, fmt.Errorf("example %s has no text", e.ID))
		}
		nats, n, err := w.ask.rolling(ctx, e.Text, t.Stride, budget)
		if errors.Is(err, errOverBudget) { // a document in part would not be its words and bytes
			break
		}
		if errors.Is(err, ErrUnable) || errors.Is(err, token.ErrUnknownText) {
			left.add(e.Text, err)
			progress(1)
			continue
		}
		if err != nil {
			return err
		}
		budget -= n
		tokens, size, words := float64(n), float64(len(e.Original)), float64(read.Words(e.Original))
		perToken.add(nats, tokens)
		perByte.add(nats/math.Ln2, size)
		perWord.add(nats, words)
		err = w.tell(Answer{Task: t.Name, ID: e.ID, Prompt: kept(e.Text), Scores: map[string]event.Number{
			"loss": event.Number(nats / tokens), "loglikelihood": event.Number(-nats),
			"tokens": event.Number(tokens), "bytes": event.Number(size), "words": event.Number(words),
		}})
		if err != nil {
			return err
		}
		progress(1)
	}
	if err := left.done(&w.result, len(examples)); err != nil {
		return err
	}
	if len(perToken.x) == 0 {
		return fail(CodeData, fmt.Errorf("the first document has more than max_tokens %d", t.MaxTokens))
	}
	metrics := t.Metrics
	if len(metrics) == 0 {
		metrics = []string{"word_perplexity", "byte_perplexity", "bits_per_byte"}
	}
	w.perplexities(t, metrics, &perToken, &perByte, &perWord)
	return nil
}

// errOverBudget is a document that has more tokens than are left.
var errOverBudget = errors.New("more tokens than max_tokens")

func (a byTokens) rolling(ctx context.Context, text string, stride int, most int64) (nats float64, tokens int64, err error) {
	ids, err := a.tok.Append([]int32{a.tok.EndOfText()}, text)
	if err != nil {
		return 0, 0, err
	}
	if tokens = int64(len(ids) - 1); tokens > most {
		return 0, 0, errOverBudget
	}
	var requests []Request
	for win := range windows(len(ids), a.model.Context(), stride) {
		requests = append(requests, Request{ids[win.start:win.end], win.from})
	}
	for some := range slices.Chunk(requests, documentWindows) {
		answers, err := scoreAll(ctx, a.model, some)
		if err != nil {
			return 0, 0, err
		}
		for _, scores := range answers {
			for _, s := range scores {
				nats -= s.LogProb
			}
		}
	}
	return nats, tokens, nil
}

// documentWindows is how many windows of a document are asked at once.
const documentWindows = 16

// wordCounter counts where words begin, token by token: a token may end inside a character.
type wordCounter struct {
	inside  bool
	pending []byte
}

// of is how many words begin in each token.
func (c *wordCounter) of(tok token.Tokenizer, ids []int32) []int64 {
	begun := make([]int64, len(ids))
	for i, id := range ids {
		b := tok.Bytes(id)
		if len(b) == 0 {
			c.inside, c.pending = false, nil
			continue
		}
		c.pending = append(c.pending, b...)
		for len(c.pending) > 0 && utf8.FullRune(c.pending) {
			r, n := utf8.DecodeRune(c.pending)
			c.pending = c.pending[n:]
			space := unicode.IsSpace(r)
			if !space && !c.inside {
				begun[i]++
			}
			c.inside = !space
		}
	}
	return begun
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
