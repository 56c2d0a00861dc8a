package evaluation

import (
	"context"
	"fmt"

	"millrace/trainer/model"
)

// judged adapts a checkpoint's model to what the evaluator asks of one.
type judged struct{ net *model.Model }

// ContextLength is the most tokens the model sees at once.
func (j judged) ContextLength() int { return j.net.Config().Context }

// LogProbs returns, for each window, ln p(targets[i] | tokens[:i+1]). Each window is computed alone, so that no score depends on
// its neighbours. Targets must be the tokens shifted by one, which is what scoring text means.
func (j judged) LogProbs(ctx context.Context, tokens, targets [][]int32) ([][]float64, error) {
	out := make([][]float64, len(tokens))
	for w, in := range tokens {
		want := targets[w]
		if len(in) != len(want) {
			return nil, fmt.Errorf("evaluation: window %d has %d tokens and %d targets", w, len(in), len(want))
		}
		if len(in) == 0 {
			continue
		}
		for i, t := range want[:len(want)-1] {
			if t != in[i+1] {
				return nil, fmt.Errorf("evaluation: window %d: target %d is not the token that follows", w, i)
			}
		}
		text := append(append(make([]int32, 0, len(in)+1), in...), want[len(want)-1])
		scores, err := j.net.Score(ctx, text, 1)
		if err != nil {
			return nil, err
		}
		out[w] = make([]float64, len(scores))
		for i, s := range scores {
			out[w][i] = s.LogProb
		}
	}
	return out, nil
}

// Next returns the logits of the token after tokens.
func (j judged) Next(ctx context.Context, tokens []int32) ([]float32, error) {
	return j.net.Next(ctx, tokens)
}
