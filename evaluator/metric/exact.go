package metric

import (
	"fmt"
	"regexp"
	"strings"
)

// Exact asks whether a text is one of the references, as lm-evaluation-harness' exact_match does: first what the patterns match is
// taken out of both, then case, ASCII's punctuation and ASCII's digits are ignored, as told. The zero value compares code points.
type Exact struct {
	IgnoreCase        bool     `json:"ignore_case,omitempty"`
	IgnorePunctuation bool     `json:"ignore_punctuation,omitempty"`
	IgnoreNumbers     bool     `json:"ignore_numbers,omitempty"`
	IgnoreRegexes     []string `json:"regexes_to_ignore,omitempty"` // of Go's package regexp; compiled by Compile
	Trim              bool     `json:"trim,omitempty"`              // white space at both ends, before all else

	patterns []*regexp.Regexp
}

// Bounds on patterns.
const (
	maxPatterns = 32
	maxPattern  = 1024
)

// Compile returns a metric whose patterns are ready, or says which is wrong.
func (m Exact) Compile() (Exact, error) {
	if len(m.IgnoreRegexes) > maxPatterns {
		return m, fmt.Errorf("metric: %d patterns to ignore: at most %d", len(m.IgnoreRegexes), maxPatterns)
	}
	m.patterns = nil
	for _, p := range m.IgnoreRegexes {
		if len(p) > maxPattern {
			return m, fmt.Errorf("metric: a pattern of %d bytes: at most %d", len(p), maxPattern)
		}
		re, err := regexp.Compile(p)
		if err != nil {
			return m, fmt.Errorf("metric: pattern %q: %w", p, err)
		}
		m.patterns = append(m.patterns, re)
	}
	return m, nil
}

// Name is exact_match.
func (m Exact) Name() string { return "exact_match" }

// Signature says what is ignored.
func (m Exact) Signature(refs int) string {
	s := fmt.Sprintf("nrefs:%s|case:%s|punct:%s|numbers:%s", nrefs(refs), letterCase(m.IgnoreCase), yes(!m.IgnorePunctuation), yes(!m.IgnoreNumbers))
	if m.Trim {
		s += "|trim:yes"
	}
	if len(m.IgnoreRegexes) > 0 {
		s += fmt.Sprintf("|ignore:%q", m.IgnoreRegexes)
	}
	return s
}

// Normal is what of a text is compared.
func (m Exact) Normal(s string) string {
	s = valid(s)
	if m.Trim {
		s = strings.TrimFunc(s, isSpace)
	}
	for _, p := range m.patterns {
		s = p.ReplaceAllLiteralString(s, "")
	}
	if m.IgnoreCase {
		s = lower(s)
	}
	if m.IgnorePunctuation || m.IgnoreNumbers {
		s = strings.Map(func(r rune) rune {
			if m.IgnorePunctuation && isPunctuation(r) || m.IgnoreNumbers && isDigit(r) {
				return -1
			}
			return r
		}, s)
	}
	return s
}

// Stats are 1 or 0, and 1 for the sample.
func (m Exact) Stats(hyp string, refs []string) ([]float64, error) {
	if err := check(hyp, refs); err != nil {
		return nil, err
	}
	if len(m.patterns) != len(m.IgnoreRegexes) {
		var err error
		if m, err = m.Compile(); err != nil {
			return nil, err
		}
	}
	normal := m.Normal(hyp)
	for _, r := range refs {
		if m.Normal(r) == normal {
			return []float64{1, 1}, nil
		}
	}
	return []float64{0, 1}, nil
}

// Score is the share of samples that match.
func (m Exact) Score(sum []float64) float64 { return mean(sum, 0) }

// Sample is 0 or 1.
func (m Exact) Sample(stats []float64) float64 { return mean(stats, 0) }

// mean is a sum by the number of samples, which is the last of the statistics.
func mean(sum []float64, i int) float64 {
	if len(sum) == 0 || sum[len(sum)-1] == 0 {
		return 0
	}
	return sum[i] / sum[len(sum)-1]
}
