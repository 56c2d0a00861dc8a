package enginetest

import (
	"math"

	"millrace/trainer/engine"
)

// attention is the definition, pair by pair. q, k, v and what is returned lie as s says; probs is [B, Q, TQ, TK].
func attention(q, k, v, bias []float64, s engine.Shape) (y, lse, probs []float64) {
	h := s.Heads
	y, lse = make([]float64, s.B*s.TQ*s.YStride), make([]float64, s.B*h.Q*s.TQ)
	probs = make([]float64, s.B*h.Q*s.TQ*s.TK)
	for b := range s.B {
		for head := range h.Q {
			for i := range s.TQ {
				row := probs[((b*h.Q+head)*s.TQ+i)*s.TK:][:s.TK]
				sum := 0.0
				for j := range s.TK {
					if !sees(s, b, i, j) {
						continue
					}
					score, key := 0.0, k[keyAt(s, b, j, head):]
					for d, v := range q[queryAt(s, b, i, head):][:h.Dim] {
						score += v * key[d]
					}
					if s.Scale == 0 {
						score /= math.Sqrt(float64(h.Dim))
					} else {
						score *= float64(s.Scale)
					}
					if bias != nil {
						score += bias[(head*s.TQ+i)*s.TK+j]
					}
					if s.Slopes != nil {
						score -= float64(s.Slopes[head]) * math.Abs(float64(positionOf(s, b, i)-j))
					}
					row[j] = math.Exp(score) // the oracle's scores are small
					sum += row[j]
				}
				lse[(b*h.Q+head)*s.TQ+i] = math.Log(sum)
				for j := range s.TK {
					if sum > 0 {
						row[j] /= sum
					}
					out := y[(b*s.TQ+i)*s.YStride+head*h.Dim:]
					for d, value := range v[keyAt(s, b, j, head):][:h.Dim] {
						out[d] += row[j] * value
					}
				}
			}
		}
	}
	return y, lse, probs
}

func attentionBackward(dy, q, k, v, bias []float64, s engine.Shape) (dq, dk, dv, dbias []float64) {
	_, _, probs := attention(q, k, v, bias, s)
	h := s.Heads
	dq, dk, dv = make([]float64, len(q)), make([]float64, len(k)), make([]float64, len(v))
	dbias = make([]float64, h.Q*s.TQ*s.TK)
	scale := float64(s.Scale)
	if s.Scale == 0 {
		scale = 1 / math.Sqrt(float64(h.Dim))
	}
	dp := make([]float64, s.TK)
	for b := range s.B {
		for head := range h.Q {
			for i := range s.TQ {
				row := probs[((b*h.Q+head)*s.TQ+i)*s.TK:][:s.TK]
				grad := dy[(b*s.TQ+i)*s.YStride+head*h.Dim:][:h.Dim]
				inner := 0.0
				for j := range s.TK {
					dp[j] = 0
					at := keyAt(s, b, j, head)
					value, gradient := v[at:at+h.Dim], dv[at:at+h.Dim]
					for d, g := range grad {
						dp[j] += g * value[d]
						gradient[d] += g * row[j]
					}
					inner += row[j] * dp[j]
				}
				for j := range s.TK {
					ds := row[j] * (dp[j] - inner)
					dbias[(head*s.TQ+i)*s.TK+j] += ds
					from, to := queryAt(s, b, i, head), keyAt(s, b, j, head)
					for d := range h.Dim {
						dq[from+d] += ds * scale * k[to+d]
						dk[to+d] += ds * scale * q[from+d]
					}
				}
			}
		}
	}
	return dq, dk, dv, dbias
}

func queryAt(s engine.Shape, b, i, head int) int { return (b*s.TQ+i)*s.QStride + head*s.Heads.Dim }

func keyAt(s engine.Shape, b, j, head int) int {
	return (b*s.TK+j)*s.KVStride + head*s.Heads.KV/s.Heads.Q*s.Heads.Dim
}

func positionOf(s engine.Shape, b, i int) int {
	if s.Starts == nil {
		return s.TK - s.TQ + i
	}
	return int(s.Starts[b]) + i
}

func sees(s engine.Shape, b, i, j int) bool {
	if s.Lengths != nil && j >= int(s.Lengths[b]) {
		return false
	}
	return !s.Causal || j <= positionOf(s, b, i)
}

func relative(table []float64, buckets []int32, heads int) []float64 {
	bias := make([]float64, heads*len(buckets))
	for h := range heads {
		for i, bucket := range buckets {
			bias[h*len(buckets)+i] = table[int(bucket)*heads+h]
		}
	}
	return bias
}

func relativeBackward(dbias []float64, buckets []int32, rows, heads int) []float64 {
	dtable := make([]float64, rows*heads)
	for h := range heads {
		for i, bucket := range buckets {
			dtable[int(bucket)*heads+h] += dbias[h*len(buckets)+i]
		}
	}
	return dtable
}
