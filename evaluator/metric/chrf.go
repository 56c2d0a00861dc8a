package metric

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// CHRF compares n-grams of characters, and of words when WordOrder says so (Popović 2015, 2017): the F score of precision and recall,
// each the mean over the orders that both texts have. Of several references the one with the best score counts. The zero value is
// sacreBLEU's chrF2; WordOrder 2 makes it chrF2++.
type CHRF struct {
	CharOrder  int     `json:"char_order,omitempty"` // 0: 6
	WordOrder  int     `json:"word_order,omitempty"`
	Beta       float64 `json:"beta,omitempty"` // how much more recall counts than precision; 0: 2
	Lowercase  bool    `json:"lowercase,omitempty"`
	Whitespace bool    `json:"whitespace,omitempty"`    // white space counts as characters
	EpsSmooth  bool    `json:"eps_smoothing,omitempty"` // the mean of the F scores of all orders, as chrF++.py, NLTK and Moses do
}

// Check refuses options that make no sense.
func (m CHRF) Check() error {
	switch {
	case m.CharOrder < 0 || m.CharOrder > MaxOrder, m.WordOrder < 0 || m.WordOrder > MaxOrder:
		return fmt.Errorf("metric: chrF of orders %d and %d: want up to %d", m.CharOrder, m.WordOrder, MaxOrder)
	case !(m.Beta >= 0 && m.Beta <= 1000):
		return fmt.Errorf("metric: chrF with a beta of %v: want more than 0", m.Beta)
	}
	return nil
}

func (m CHRF) charOrder() int {
	if m.CharOrder == 0 {
		return 6
	}
	return m.CharOrder
}

func (m CHRF) beta() float64 {
	if m.Beta == 0 {
		return 2
	}
	return m.Beta
}

// Name is chrf, with a + for each order of words.
func (m CHRF) Name() string { return "chrf" + strings.Repeat("+", m.WordOrder) }

// Title is the name as sacreBLEU writes it: chrF2, chrF2++.
func (m CHRF) Title() string {
	return fmt.Sprintf("chrF%v%s", m.beta(), strings.Repeat("+", m.WordOrder))
}

// Signature is sacreBLEU's: nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.6.0
func (m CHRF) Signature(refs int) string {
	return fmt.Sprintf("nrefs:%s|case:%s|eff:%s|nc:%d|nw:%d|space:%s|version:%s", nrefs(refs), letterCase(m.Lowercase), yes(!m.EpsSmooth), m.charOrder(), m.WordOrder, yes(m.Whitespace), sacreBLEU)
}

// grams are the n-grams of every order, characters first.
func (m CHRF) grams(s string) []grams {
	s = valid(s)
	if m.Lowercase {
		s = lower(s)
	}
	chars := s
	if !m.Whitespace {
		chars = strings.Join(fields(s), "")
	}
	starts := runeStarts(chars)
	out := make([]grams, 0, m.charOrder()+m.WordOrder)
	for n := 1; n <= m.charOrder(); n++ {
		out = append(out, charGrams(chars, starts, n))
	}
	if m.WordOrder > 0 {
		words := marksApart(fields(s))
		for n := 1; n <= m.WordOrder; n++ {
			out = append(out, wordGrams(words, n))
		}
	}
	return out
}

// marksApart sets the last character of a word apart when it is punctuation, or else the first, as chrF++.py does: (hi) is (hi and ).
func marksApart(words []string) []string {
	out := make([]string, 0, len(words)+len(words)/4)
	for _, w := range words {
		first, size := utf8.DecodeRuneInString(w)
		last := w[len(w)-1]
		switch {
		case size == len(w):
			out = append(out, w)
		case isPunctuation(rune(last)):
			out = append(out, w[:len(w)-1], w[len(w)-1:])
		case isPunctuation(first):
			out = append(out, w[:1], w[1:])
		default:
			out = append(out, w)
		}
	}
	return out
}

// Stats are three numbers an order: n-grams of the text (none where the reference has none), of the reference, and of both.
func (m CHRF) Stats(hyp string, refs []string) ([]float64, error) {
	if err := check(hyp, refs); err != nil {
		return nil, err
	}
	if err := m.Check(); err != nil {
		return nil, err
	}
	ours := m.grams(hyp)
	var best []float64
	bestScore := -1.0
	for _, r := range refs {
		stats := make([]float64, 0, 3*len(ours))
		for i, theirs := range m.grams(r) {
			n := ours[i].total()
			if len(theirs) == 0 {
				n = 0
			}
			stats = append(stats, float64(n), float64(theirs.total()), float64(ours[i].shared(theirs)))
		}
		if s := m.Score(stats); s > bestScore {
			best, bestScore = stats, s
		}
	}
	return best, nil
}

// Score is 0 to 100.
func (m CHRF) Score(sum []float64) float64 {
	const eps = 1e-16
	if len(sum) != 3*(m.charOrder()+m.WordOrder) {
		return 0
	}
	factor := m.beta() * m.beta()
	total, precision, recall, orders := 0.0, 0.0, 0.0, 0.0
	for i := 0; i < len(sum); i += 3 {
		p, r := eps, eps
		if sum[i] > 0 {
			p = sum[i+2] / sum[i]
		}
		if sum[i+1] > 0 {
			r = sum[i+2] / sum[i+1]
		}
		if d := factor*p + r; d > 0 {
			total += (1 + factor) * p * r / d
		} else {
			total += eps
		}
		if sum[i] > 0 && sum[i+1] > 0 {
			precision, recall, orders = precision+p, recall+r, orders+1
		}
	}
	if m.EpsSmooth {
		return 100 * total / float64(len(sum)/3)
	}
	if orders > 0 {
		precision, recall = precision/orders, recall/orders
	}
	if precision+recall == 0 {
		return 0
	}
	return 100 * ((1 + factor) * precision * recall / (factor*precision + recall))
}

// Sample is Score.
func (m CHRF) Sample(stats []float64) float64 { return m.Score(stats) }
