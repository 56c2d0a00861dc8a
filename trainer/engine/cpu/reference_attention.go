package cpu

import (
	"math"

	"millrace/trainer/engine"
)

// attending is one query head of one sequence: where its rows are, and its scores by the definition.
type attending struct {
	s          engine.Shape
	batch      int
	head       int // of the query; its keys are those of head/(Q/KV)
	q, k, bias []float32
}

func (a attending) query(i int) int {
	return (a.batch*a.s.TQ+i)*a.s.QStride + a.head*a.s.Heads.Dim
}
func (a attending) out(i int) int { return (a.batch*a.s.TQ+i)*a.s.YStride + a.head*a.s.Heads.Dim }
func (a attending) key(j int) int {
	h := a.s.Heads
	return (a.batch*a.s.TK+j)*a.s.KVStride + a.head/(h.Q/h.KV)*h.Dim
}

// biases is where query i's row of bias begins, and norm where its lse is.
func (a attending) biases(i int) int { return (a.head*a.s.TQ + i) * a.s.TK }
func (a attending) norm(i int) int   { return (a.batch*a.s.Heads.Q+a.head)*a.s.TQ + i }

// scores sets the scores of the keys that query i sees and returns them.
func (a attending) scores(scores []float64, i int) []float64 {
	scores = scores[:a.s.Seen(a.batch, i)]
	dim := a.s.Heads.Dim
	for j := range scores {
		scores[j] = dot64(a.q[a.query(i):][:dim], a.k[a.key(j):]) * attentionScale(a.s)
		if a.bias != nil {
			scores[j] += float64(a.bias[a.biases(i)+j])
		}
		if a.s.Slopes != nil {
			scores[j] -= float64(a.s.Slopes[a.head]) * math.Abs(float64(a.s.Position(a.batch, i)-j))
		}
	}
	return scores
}

// attentionScale is what q·k is multiplied by.
func attentionScale(s engine.Shape) float64 {
	if s.Scale != 0 {
		return float64(s.Scale)
	}
	return 1 / math.Sqrt(float64(s.Heads.Dim))
}

func (reference) Attention(y, lse, q, k, v, bias []float32, s engine.Shape) {
	attentionShapes(y, lse, q, k, v, bias, s)
	dim := s.Heads.Dim
	room, out := make([]float64, s.TK), make([]float64, dim)
	for batch := range s.B {
		for head := range s.Heads.Q {
			a := attending{s, batch, head, q, k, bias}
			for i := range s.TQ {
				scores := a.scores(room, i)
				best := math.Inf(-1)
				for _, score := range scores {
					best = max(best, score)
				}
				var sum float64
				clear(out)
				for j, score := range scores {
					p := math.Exp(score - best)
					sum += p
					for d, value := range v[a.key(j):][:dim] {
						out[d] += p * float64(value)
					}
				}
				lse[a.norm(i)] = float32(best + math.Log(sum))
				for d := range dim {
					if len(scores) > 0 {
						out[d] /= sum
					}
					y[a.out(i)+d] = float32(out[d])
				}
				if len(scores) == 0 {
					lse[a.norm(i)] = float32(math.Inf(-1))
				}
			}
		}
	}
}

func (reference) AttentionBackward(dq, dk, dv, dbias, dy, y, lse, q, k, v, bias []float32, s engine.Shape) {
	attentionBackwardShapes(dq, dk, dv, dbias, dy, y, lse, q, k, v, bias, s)
	dim, scale := s.Heads.Dim, attentionScale(s)
	// dk and dv of one key gather from many queries, and dbias of one pair from every sequence.
	keys, values, biases := make([]float64, len(dk)), make([]float64, len(dv)), make([]float64, len(dbias))
	room, dp, query := make([]float64, s.TK), make([]float64, s.TK), make([]float64, dim)
	for batch := range s.B {
		for head := range s.Heads.Q {
			a := attending{s, batch, head, q, k, bias}
			for i := range s.TQ {
				probs := a.scores(room, i)
				grad := dy[a.out(i):][:dim]
				var inner float64 // Σ p·dp, what the softmax's normalisation takes back
				for j := range probs {
					probs[j] = math.Exp(probs[j] - float64(lse[a.norm(i)]))
					dp[j] = dot64(grad, v[a.key(j):])
					inner += probs[j] * dp[j]
				}
				clear(query)
				for j, p := range probs {
					ds := p * (dp[j] - inner)
					if dbias != nil {
						biases[a.biases(i)+j] += ds
					}
					at := a.key(j)
					for d := range dim {
						query[d] += ds * scale * float64(k[at+d])
						keys[at+d] += ds * scale * float64(q[a.query(i)+d])
						values[at+d] += p * float64(grad[d])
					}
				}
				for d, sum := range query {
					dq[a.query(i)+d] = float32(sum)
				}
			}
		}
	}
	for row := range s.B * s.TK {
		for d := range s.Heads.KV * dim {
			at := row*s.KVStride + d
			dk[at], dv[at] = float32(keys[at]), float32(values[at])
		}
	}
	for i, sum := range biases {
		dbias[i] = float32(sum)
	}
}

func (reference) Relative(bias, table []float32, buckets []int32, heads int) {
	relativeShapes("Relative", bias, table, buckets, heads)
	for i, bucket := range buckets {
		for h := range heads {
			bias[h*len(buckets)+i] = table[int(bucket)*heads+h]
		}
	}
}

func (reference) RelativeBackward(dtable, dbias []float32, buckets []int32, heads int) {
	relativeShapes("RelativeBackward", dbias, dtable, buckets, heads)
	sums := make([]float64, len(dtable))
	for i, bucket := range buckets {
		for h := range heads {
			sums[int(bucket)*heads+h] += float64(dbias[h*len(buckets)+i])
		}
	}
	addSums(dtable, sums)
}

// dot64 is the product of a with as many values of b.
func dot64(a, b []float32) float64 {
	var sum float64
	for i, v := range a {
		sum += float64(v) * float64(b[i])
	}
	return sum
}
