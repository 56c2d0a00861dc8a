package evaluator

import "iter"

// window is a stretch of a sequence to be given to Model.Score: sequence[start:end], of which [start+from:] is scored.
type window struct{ start, from, end int }

// windows plans how to score sequence[1:], every token once, with at most context tokens before it (lm-eval's
// get_rolling_token_windows): the first window scores the first `context` tokens; each later one scores the next stride
// tokens (fewer at the end), with as many tokens before them as fit. The first element is only context.
func windows(length, context, stride int) iter.Seq[window] {
	if stride <= 0 || stride > context {
		stride = context
	}
	return func(yield func(window) bool) {
		scored := 1 // sequence[:scored] needs no more scoring
		for scored < length {
			step := stride
			if scored == 1 {
				step = context
			}
			end := min(scored+step, length)
			start := max(0, end-1-context)
			if !yield(window{start, scored - start, end}) {
				return
			}
			scored = end
		}
	}
}
