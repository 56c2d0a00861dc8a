package cpu

import "math"

func (reference) Attention(y, probs, qkv []float32, b, t, c, h int) {
	attentionShapes(y, probs, qkv, b, t, c, h)
	size := c / h
	scale := 1 / math.Sqrt(float64(size))
	scores, out := make([]float64, t), make([]float64, size)
	for batch := range b {
		for head := range h {
			at := func(part, pos int) []float32 { // the head's slice of q (0), k (1) or v (2) at a position
				start := (batch*t+pos)*3*c + part*c + head*size
				return qkv[start : start+size]
			}
			for i := range t {
				best := math.Inf(-1)
				for j := range i + 1 {
					scores[j] = dot64(at(0, i), at(1, j)) * scale
					best = max(best, scores[j])
				}
				var sum float64
				for j := range i + 1 {
					scores[j] = math.Exp(scores[j] - best)
					sum += scores[j]
				}
				row := probs[((batch*h+head)*t+i)*t:][:t]
				clear(row)
				clear(out)
				for j := range i + 1 {
					p := scores[j] / sum
					row[j] = float32(p)
					for d, v := range at(2, j) {
						out[d] += p * float64(v)
					}
				}
				for d, v := range out {
					y[(batch*t+i)*c+head*size+d] = float32(v)
				}
			}
		}
	}
}

func (reference) AttentionBackward(dqkv, dy, qkv, probs []float32, b, t, c, h int) {
	attentionBackwardShapes(dqkv, dy, qkv, probs, b, t, c, h)
	size := c / h
	scale := 1 / math.Sqrt(float64(size))
	sums := make([]float64, len(dqkv)) // dk and dv of one position gather from many queries
	dp := make([]float64, t)
	for batch := range b {
		for head := range h {
			start := func(part, pos int) int { return (batch*t+pos)*3*c + part*c + head*size }
			for i := range t {
				row := probs[((batch*h+head)*t+i)*t:][:t]
				grad := dy[(batch*t+i)*c+head*size:][:size]
				var inner float64 // Σ p·dp, what the softmax's normalisation takes back
				for j := range i + 1 {
					dp[j] = dot64(grad, qkv[start(2, j):][:size])
					inner += float64(row[j]) * dp[j]
				}
				q, dq := qkv[start(0, i):][:size], sums[start(0, i):][:size]
				for j := range i + 1 {
					p := float64(row[j])
					ds := p * (dp[j] - inner) * scale
					k, dk, dv := qkv[start(1, j):][:size], sums[start(1, j):][:size], sums[start(2, j):][:size]
					for d := range size {
						dq[d] += ds * float64(k[d])
						dk[d] += ds * float64(q[d])
						dv[d] += p * float64(grad[d])
					}
				}
			}
		}
	}
	for i, v := range sums {
		dqkv[i] = float32(v)
	}
}

func dot64(a, b []float32) float64 {
	var sum float64
	for i, v := range a {
		sum += float64(v) * float64(b[i])
	}
	return sum
}
