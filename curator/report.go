package curator

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/bits"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"millrace/curator/corpus"

	"golang.org/x/net/publicsuffix"
)

// Report says of what kinds the documents of a dataset are, held out or not, as often as a mixture repeats them. Each list has
// every document once, most text first; what has no value is under "".
type Report struct {
	Documents int64 `json:"documents"`
	Bytes     int64 `json:"bytes"`  // of text
	Tokens    int64 `json:"tokens"` // without <|endoftext|>
	// Sources are by the recipe's names, Languages by what a filter measured, Code is the programming language, Domains are
	// registrable domains of URLs (example.co.uk), Licenses what the sources say.
	Sources   []Portion `json:"sources"`
	Languages []Portion `json:"languages"`
	Code      []Portion `json:"code"`
	Domains   []Portion `json:"domains"`
	Licenses  []Portion `json:"licenses"`
	// Characters and LengthTokens are histograms of lengths: element n counts the documents of 2ⁿ⁻¹ to 2ⁿ-1, the first those of 0.
	Characters   []int64 `json:"characters"`
	LengthTokens []int64 `json:"length_tokens"`
}

// Portion is the documents that have something in common. The last of a long list is the rest of it, and Others says how many values
// that has, about.
type Portion struct {
	Value     string `json:"value"`
	Documents int64  `json:"documents"`
	Bytes     int64  `json:"bytes"`
	Others    int64  `json:"others,omitempty"`
}

// mostParts is how many values a report tells of; the others are put together. mostValues bounds what is held meanwhile.
const (
	mostParts  = 50
	mostValues = 1 << 17
)

// reporter makes a report; nil makes none.
type reporter struct {
	report                                    Report
	sources, languages, code, domains, rights portions
	characters, tokens                        int64 // of the current document
}

func newReporter(r Recipe) *reporter {
	if !r.Report {
		return nil
	}
	return &reporter{sources: portions{}, languages: portions{}, code: portions{}, domains: portions{}, rights: portions{}}
}

// portions counts by value.
type portions map[string]*Portion

func (t portions) add(value string, bytes int64) {
	p := t[value]
	if p == nil {
		if len(t) >= mostValues {
			t.shrink()
		}
		p = &Portion{Value: value}
		t[value] = p
	}
	p.Documents++
	p.Bytes += bytes
}

// others is under what values go that are too many to be held. No value can be that: values are UTF-8.
const others = "\xff"

// shrink puts the smaller half together.
func (t portions) shrink() {
	rest := t[others]
	if rest == nil {
		rest = &Portion{Value: others}
	}
	delete(t, others)
	for _, p := range t.sorted()[len(t)/2:] {
		rest.Documents += p.Documents
		rest.Bytes += p.Bytes
		rest.Others++
		delete(t, p.Value)
	}
	t[others] = rest
}

func (t portions) sorted() []Portion {
	var all []Portion
	for p := range maps.Values(t) {
		all = append(all, *p)
	}
	slices.SortFunc(all, func(a, b Portion) int { return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Value, b.Value)) })
	return all
}

// parts are the largest, and the others.
func (t portions) parts() []Portion {
	rest := Portion{}
	if p := t[others]; p != nil {
		rest = *p
		delete(t, others)
	}
	all := t.sorted()
	if len(all) > mostParts {
		for _, p := range all[mostParts:] {
			rest.Documents += p.Documents
			rest.Bytes += p.Bytes
			rest.Others++
		}
		all = all[:mostParts]
	}
	if rest.Others > 0 {
		rest.Value = ""
		all = append(all, rest)
	}
	return all
}

// add counts a piece of a document, and with its last the document.
func (r *reporter) add(source string, e encoded) {
	if r == nil {
		return
	}
	r.report.Bytes += int64(len(e.text))
	r.characters += int64(utf8.RuneCountInString(e.text))
	r.tokens += int64(len(e.ids))
	if !e.last {
		return
	}
	size := int64(e.size)
	r.report.Documents++
	r.report.Tokens += r.tokens
	r.sources.add(source, size)
	r.languages.add(e.doc.Language, size)
	r.code.add(e.doc.Code, size)
	r.domains.add(domain(e.doc.URL), size)
	r.rights.add(strings.ToValidUTF8(e.doc.License, "\uFFFD"), size)
	r.report.Characters = lengthen(r.report.Characters, r.characters)
	r.report.LengthTokens = lengthen(r.report.LengthTokens, r.tokens)
	r.characters, r.tokens = 0, 0
}

// lengthen adds a length to a histogram.
func lengthen(histogram []int64, length int64) []int64 {
	n := bits.Len64(uint64(length))
	for len(histogram) <= n {
		histogram = append(histogram, 0)
	}
	histogram[n]++
	return histogram
}

// domain is the registrable domain of a URL, or its host where there is none, as of an IP address.
func domain(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	host := strings.TrimSuffix(strings.ToValidUTF8(strings.ToLower(u.Hostname()), "\uFFFD"), ".")
	if name, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil {
		return name
	}
	return host
}

// end is the report.
func (r *reporter) end() *Report {
	if r == nil {
		return nil
	}
	out := r.report
	out.Sources, out.Languages, out.Code, out.Domains, out.Licenses = r.sources.parts(), r.languages.parts(), r.code.parts(), r.domains.parts(), r.rights.parts()
	return &out
}

// described is what a source's digest has of a document when a report tells of it: more than its text decides the dataset.
func described(id [sha256.Size]byte, d corpus.Doc) [sha256.Size]byte {
	h := sha256.New()
	h.Write(id[:]) // a hash never fails
	fmt.Fprintf(h, "%d:%s%d:%s%d:%s", len(d.URL), d.URL, len(d.License), d.License, len(d.Code), d.Code)
	return [sha256.Size]byte(h.Sum(nil))
}

// Lines tells the report to a person: a line a list, the largest first.
func (r Report) Lines() []string {
	var lines []string
	tell := func(what string, parts []Portion) {
		if len(parts) == 0 || len(parts) == 1 && parts[0].Value == "" {
			return // nothing is known
		}
		var said []string
		for _, p := range parts[:min(len(parts), 8)] {
			name := cmp.Or(p.Value, "unknown")
			if p.Others > 0 {
				name = fmt.Sprintf("%d others", p.Others)
			}
			said = append(said, fmt.Sprintf("%s %.1f%% (%d)", name, 100*float64(p.Bytes)/float64(max(r.Bytes, 1)), p.Documents))
		}
		if n := len(parts) - 8; n > 0 {
			said = append(said, fmt.Sprintf("%d more", n))
		}
		lines = append(lines, what+": "+strings.Join(said, ", "))
	}
	tell("by source", r.Sources)
	tell("by language", r.Languages)
	tell("by programming language", r.Code)
	tell("by domain", r.Domains)
	tell("by licence", r.Licenses)
	lengths := func(what string, histogram []int64) {
		var said []string
		for n, documents := range histogram {
			if documents > 0 {
				said = append(said, fmt.Sprintf("<%d %.1f%%", int64(1)<<n, 100*float64(documents)/float64(max(r.Documents, 1))))
			}
		}
		lines = append(lines, what+": "+strings.Join(said, ", "))
	}
	lengths("characters a document", r.Characters)
	lengths("tokens a document", r.LengthTokens)
	return lines
}
