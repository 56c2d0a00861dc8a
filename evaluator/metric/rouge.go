package metric

import (
	"fmt"
	"strings"
)

// Variant is which of ROUGE's ways to compare.
type Variant string

// The variants. rouge1 to rouge9 compare n-grams, the others longest common subsequences.
const (
	Rouge1    Variant = "rouge1"
	Rouge2    Variant = "rouge2"
	RougeL    Variant = "rougeL"    // of the whole text
	RougeLsum Variant = "rougeLsum" // of lines: what of each of the reference's is found in any, no token counted twice
)

// Part is which of a ROUGE's three numbers is the score.
type Part string

// The parts.
const (
	FMeasure  Part = "f"
	Precision Part = "p"
	Recall    Part = "r"
)

// ROUGE compares tokens (Lin 2004) as Google's rouge-score does: text is lower case, a token is a run of a-z and 0-9, and of several
// references the one with the best F counts. A corpus' score is the mean of the samples'.
type ROUGE struct {
	Variant Variant `json:"variant,omitempty"` // "": rougeL
	Stem    bool    `json:"stem,omitempty"`    // Porter's stemmer, for tokens of more than three characters
	Part    Part    `json:"part,omitempty"`    // "": f
}

func (m ROUGE) variant() Variant {
	if m.Variant == "" {
		return RougeL
	}
	return m.Variant
}

// order is that of a variant of n-grams, 0 of the others.
func (v Variant) order() int {
	if n, ok := strings.CutPrefix(string(v), "rouge"); ok && len(n) == 1 && n[0] >= '1' && n[0] <= '9' {
		return int(n[0] - '0')
	}
	return 0
}

// Check refuses options that make no sense.
func (m ROUGE) Check() error {
	if v := m.variant(); v.order() == 0 && v != RougeL && v != RougeLsum {
		return fmt.Errorf("metric: there is no ROUGE %q; there are rouge1 to rouge9, rougeL and rougeLsum", v)
	}
	switch m.Part {
	case "", FMeasure, Precision, Recall:
		return nil
	}
	return fmt.Errorf("metric: ROUGE has no part %q; it has f, p and r", m.Part)
}

// Name is the variant's, with _p or _r for precision or recall.
func (m ROUGE) Name() string {
	if m.Part == Precision || m.Part == Recall {
		return string(m.variant()) + "_" + string(m.Part)
	}
	return string(m.variant())
}

// Signature says what the score depends on.
func (m ROUGE) Signature(refs int) string {
	return fmt.Sprintf("nrefs:%s|case:lc|tok:rouge-score|stem:%s|version:0.1.2", nrefs(refs), yes(m.Stem))
}

// ROUGEScore is precision, recall and their harmonic mean, each 0 to 1.
type ROUGEScore struct {
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"`
	F         float64 `json:"f"`
}

func rougeScore(hits, hyp, ref int) ROUGEScore {
	s := ROUGEScore{Precision: float64(hits) / float64(max(hyp, 1)), Recall: float64(hits) / float64(max(ref, 1))}
	if s.Precision+s.Recall > 0 {
		s.F = 2 * s.Precision * s.Recall / (s.Precision + s.Recall)
	}
	return s
}

// tokens are runs of a-z and 0-9.
func (m ROUGE) tokens(text string) []string {
	out := strings.FieldsFunc(lower(valid(text)), func(r rune) bool { return !isDigit(r) && !('a' <= r && r <= 'z') })
	if m.Stem {
		for i, t := range out {
			if len(t) > 3 {
				out[i] = stem(t)
			}
		}
	}
	return out
}

// lines are the tokens of every line that is not empty.
func (m ROUGE) lines(text string) [][]string {
	var out [][]string
	for line := range strings.SplitSeq(text, "\n") {
		if line != "" {
			out = append(out, m.tokens(line))
		}
	}
	return out
}

// Compare is the score of one sample against the reference that it is most like.
func (m ROUGE) Compare(hyp string, refs []string) (ROUGEScore, error) {
	if err := check(hyp, refs); err != nil {
		return ROUGEScore{}, err
	}
	if err := m.Check(); err != nil {
		return ROUGEScore{}, err
	}
	against, err := m.against(hyp)
	if err != nil {
		return ROUGEScore{}, err
	}
	best := ROUGEScore{F: -1}
	for _, r := range refs {
		s, err := against(r)
		if err != nil {
			return ROUGEScore{}, err
		}
		if s.F > best.F {
			best = s
		}
	}
	return best, nil
}

// against returns what compares a reference with a text.
func (m ROUGE) against(hyp string) (func(ref string) (ROUGEScore, error), error) {
	if v := m.variant(); v == RougeLsum {
		ours := m.lines(hyp)
		return func(ref string) (ROUGEScore, error) { return summaryLCS(m.lines(ref), ours) }, nil
	} else if n := v.order(); n > 0 {
		ours := wordGrams(m.tokens(hyp), n)
		return func(ref string) (ROUGEScore, error) {
			theirs := wordGrams(m.tokens(ref), n)
			return rougeScore(int(ours.shared(theirs)), int(ours.total()), int(theirs.total())), nil
		}, nil
	}
	ours := m.tokens(hyp)
	return func(ref string) (ROUGEScore, error) {
		theirs := m.tokens(ref)
		n, err := lcsLength(theirs, ours)
		return rougeScore(n, len(ours), len(theirs)), err
	}, nil
}

// Stats are precision, recall, F, and 1 for the sample.
func (m ROUGE) Stats(hyp string, refs []string) ([]float64, error) {
	s, err := m.Compare(hyp, refs)
	if err != nil {
		return nil, err
	}
	return []float64{s.Precision, s.Recall, s.F, 1}, nil
}

// Details are the means of precision, recall and F.
func (m ROUGE) Details(sum []float64) ROUGEScore {
	return ROUGEScore{Precision: mean(sum, 0), Recall: mean(sum, 1), F: mean(sum, 2)}
}

// Score is the mean of the part that is asked for, 0 to 1.
func (m ROUGE) Score(sum []float64) float64 {
	switch m.Part {
	case Precision:
		return mean(sum, 0)
	case Recall:
		return mean(sum, 1)
	}
	return mean(sum, 2)
}

// Sample is Score.
func (m ROUGE) Sample(stats []float64) float64 { return m.Score(stats) }
