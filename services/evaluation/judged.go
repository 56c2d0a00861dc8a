package evaluation

import (
	"context"
	"errors"
	"fmt"

	"millrace/evaluator"
	"millrace/trainer/model"
	"millrace/trainer/token"
)

// judged adapts a checkpoint's model to what the evaluator asks of one. Each text is computed alone, so that no score depends
// on its neighbours.
type judged struct{ net *model.Model }

// words is the tokenizer of what a model writes: an encoder-decoder has sentinels behind its dataset's vocabulary.
func words(tok token.Tokenizer, net *model.Model) token.Tokenizer {
	if c := net.Config(); c.Arch.Kind() == model.EncoderDecoder && c.VocabSize > tok.VocabSize() {
		return token.WithSentinels(tok, c.VocabSize)
	}
	return tok
}

// Context is the most tokens the model sees at once.
func (j judged) Context() int { return j.net.Config().Context }

// Score tells how well each of tokens[from:] was predicted; what it was told from depends on the kind of model (see model.Score).
func (j judged) Score(ctx context.Context, tokens []int32, from int) ([]evaluator.TokenScore, error) {
	scores, err := j.net.Score(ctx, tokens, from)
	if err != nil {
		return nil, err
	}
	out := make([]evaluator.TokenScore, len(scores))
	for i, s := range scores {
		out[i] = evaluator.TokenScore(s)
	}
	return out, nil
}

// Generate continues a prompt.
func (j judged) Generate(ctx context.Context, prompt []int32, n int, s evaluator.Sampling) ([]int32, error) {
	out, err := j.net.Generate(ctx, prompt, n, sampling(s))
	if errors.Is(err, model.ErrContinuesNothing) {
		err = fmt.Errorf("%w: %w", evaluator.ErrUnable, err)
	}
	return out, err
}
