package metric

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// sacreBLEU is the version whose definitions are followed, which signatures name.
const sacreBLEU = "2.6.0"

// Smoothing is what BLEU does about orders without a match (Chen and Cherry 2014).
type Smoothing string

// The ways to smooth.
const (
	SmoothExp   Smoothing = "exp"   // half as much each time, as NIST does; the default
	SmoothFloor Smoothing = "floor" // a small count instead of none, 0.1 unless told otherwise
	SmoothAddK  Smoothing = "add-k" // added to counts of order 2 and more, 1 unless told otherwise
	SmoothNone  Smoothing = "none"
)

// MaxOrder bounds the orders of n-grams.
const MaxOrder = 16

// BLEU compares n-grams of words (Papineni et al. 2002): the geometric mean of the precisions of orders 1 to 4, times the brevity
// penalty exp(1-r/c) of a text of length c that is shorter than the reference, of length r. The zero value is sacreBLEU's default.
type BLEU struct {
	Order          int       `json:"order,omitempty"`    // highest of the n-grams; 0: 4
	Tokenize       Tokenizer `json:"tokenize,omitempty"` // "": 13a
	Lowercase      bool      `json:"lowercase,omitempty"`
	Smooth         Smoothing `json:"smooth,omitempty"`          // "": exp
	SmoothValue    *float64  `json:"smooth_value,omitempty"`    // of floor and add-k; nil: 0.1 and 1
	EffectiveOrder bool      `json:"effective_order,omitempty"` // leave out orders that the text is too short for; samples alone always do
}

// Check refuses options that make no sense.
func (m BLEU) Check() error {
	switch {
	case m.Order < 0 || m.Order > MaxOrder:
		return fmt.Errorf("metric: BLEU of order %d: want 1 to %d", m.Order, MaxOrder)
	case m.Tokenize != "" && !slices.Contains(Tokenizers(), m.Tokenize):
		return fmt.Errorf("metric: there is no tokenizer %q; there are %v", m.Tokenize, Tokenizers())
	case m.SmoothValue != nil && !(*m.SmoothValue >= 0 && *m.SmoothValue <= 1e6):
		return fmt.Errorf("metric: a smooth value of %v: want 0 or more", *m.SmoothValue)
	}
	switch m.Smooth {
	case "", SmoothExp, SmoothFloor, SmoothAddK, SmoothNone:
		return nil
	}
	return fmt.Errorf("metric: there is no smoothing %q; there are exp, floor, add-k and none", m.Smooth)
}

func (m BLEU) order() int {
	if m.Order == 0 {
		return 4
	}
	return m.Order
}

func (m BLEU) smoothValue() float64 {
	switch {
	case m.SmoothValue != nil:
		return *m.SmoothValue
	case m.Smooth == SmoothFloor:
		return 0.1
	}
	return 1
}

// Name is bleu.
func (m BLEU) Name() string { return "bleu" }

// Signature is sacreBLEU's: nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0
func (m BLEU) Signature(refs int) string {
	tok, smooth := m.Tokenize, string(m.Smooth)
	if tok == "" {
		tok = Tokenize13a
	}
	switch m.Smooth {
	case "":
		smooth = string(SmoothExp)
	case SmoothFloor, SmoothAddK:
		smooth += fmt.Sprintf("[%.2f]", m.smoothValue())
	}
	return fmt.Sprintf("nrefs:%s|case:%s|eff:%s|tok:%s|smooth:%s|version:%s", nrefs(refs), letterCase(m.Lowercase), yes(m.EffectiveOrder), tok, smooth, sacreBLEU)
}

func nrefs(n int) string {
	if n == 0 {
		return "var"
	}
	return fmt.Sprint(n)
}

func letterCase(lowercase bool) string {
	if lowercase {
		return "lc"
	}
	return "mixed"
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (m BLEU) tokens(s string) []string {
	s = valid(s)
	if m.Lowercase {
		s = lower(s)
	}
	return m.Tokenize.tokens(strings.TrimRightFunc(s, isSpace))
}

// Stats are the length, the length of the closest reference (of two as close the shorter), and by order how many n-grams are in a
// reference, and how many there are: 2 + 2·order numbers.
func (m BLEU) Stats(hyp string, refs []string) ([]float64, error) {
	if err := check(hyp, refs); err != nil {
		return nil, err
	}
	if err := m.Check(); err != nil {
		return nil, err
	}
	order := m.order()
	words := m.tokens(hyp)
	stats := make([]float64, 2+2*order)
	theirs := make([][]string, len(refs))
	closest := -1
	for i, r := range refs {
		theirs[i] = m.tokens(r)
		d, best := distance(len(theirs[i]), len(words)), distance(closest, len(words))
		if closest < 0 || d < best || d == best && len(theirs[i]) < closest {
			closest = len(theirs[i])
		}
	}
	stats[0], stats[1] = float64(len(words)), float64(closest)
	for n := 1; n <= order; n++ {
		if len(words) < n {
			break
		}
		most := wordGrams(theirs[0], n)
		for _, t := range theirs[1:] {
			most.raise(wordGrams(t, n))
		}
		stats[1+n] = float64(wordGrams(words, n).shared(most))
		stats[1+order+n] = float64(len(words) - n + 1)
	}
	return stats, nil
}

func distance(a, b int) int { return max(a-b, b-a) }

// BLEUScore is a BLEU and what it is made of.
type BLEUScore struct {
	Score      float64   `json:"score"`
	Precisions []float64 `json:"precisions"` // by order, in percent, smoothed
	Counts     []int64   `json:"counts"`     // matches
	Totals     []int64   `json:"totals"`
	BP         float64   `json:"bp"` // brevity penalty
	SysLen     int64     `json:"sys_len"`
	RefLen     int64     `json:"ref_len"`
}

// String writes it as sacreBLEU does: 20.7/17.6/… (BP = 0.9 ratio = …).
func (s BLEUScore) String() string {
	parts := make([]string, len(s.Precisions))
	for i, p := range s.Precisions {
		parts[i] = fmt.Sprintf("%.1f", p)
	}
	ratio := 0.0
	if s.RefLen > 0 {
		ratio = float64(s.SysLen) / float64(s.RefLen)
	}
	return fmt.Sprintf("%s (BP = %.3f ratio = %.3f hyp_len = %d ref_len = %d)", strings.Join(parts, "/"), s.BP, ratio, s.SysLen, s.RefLen)
}

// Details is the score of summed statistics with its parts.
func (m BLEU) Details(sum []float64) BLEUScore { return m.details(sum, m.EffectiveOrder) }

func (m BLEU) details(sum []float64, effective bool) BLEUScore {
	order := m.order()
	out := BLEUScore{Precisions: make([]float64, order), Counts: make([]int64, order), Totals: make([]int64, order), BP: 1}
	if len(sum) != 2+2*order {
		return out
	}
	correct, total := sum[2:2+order], sum[2+order:]
	out.SysLen, out.RefLen = int64(sum[0]), int64(sum[1])
	if sum[0] < sum[1] {
		out.BP = 0
		if sum[0] > 0 {
			out.BP = math.Exp(1 - sum[1]/sum[0])
		}
	}
	any := false
	for n := range order {
		out.Counts[n], out.Totals[n] = int64(correct[n]), int64(total[n])
		any = any || correct[n] != 0
	}
	if !any {
		return out
	}
	k, half, until := m.smoothValue(), 1.0, order
	for n := range order {
		c, t := correct[n], total[n]
		if m.Smooth == SmoothAddK && n > 0 {
			c, t = c+k, t+k
		}
		if t == 0 {
			break
		}
		if effective {
			until = n + 1
		}
		switch {
		case c != 0:
			out.Precisions[n] = 100 * c / t
		case m.Smooth == "" || m.Smooth == SmoothExp:
			half *= 2
			out.Precisions[n] = 100 / (half * t)
		case m.Smooth == SmoothFloor:
			out.Precisions[n] = 100 * k / t
		}
	}
	logs := 0.0
	for _, p := range out.Precisions[:until] {
		if p == 0 {
			logs += -9999999999 // what sacreBLEU takes for the logarithm of nothing
		} else {
			logs += math.Log(p)
		}
	}
	out.Score = out.BP * math.Exp(logs/float64(until))
	return out
}

// Score is 0 to 100.
func (m BLEU) Score(sum []float64) float64 { return m.details(sum, m.EffectiveOrder).Score }

// Sample leaves out the orders that a short text has none of, as sacreBLEU's sentence_bleu does.
func (m BLEU) Sample(stats []float64) float64 { return m.details(stats, true).Score }
