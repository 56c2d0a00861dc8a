package filter

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"millrace/curator/corpus"
	"millrace/curator/measure"
)

// Rule is one threshold. It drops a document whose value is above the limit or, with Below, below it; at the limit it is
// kept, unless the rule is Strict.
type Rule struct {
	// Name is the reason in manifests: the keys of the recipe, as "gopher_quality.min_words", but for TooShort and TooLong.
	Name  string
	Limit float64
	Below bool
	// Strict drops a document at the limit, too.
	Strict bool
	// late is a rule of Models.AskAfter.
	late  bool
	value func(*measure.Values) float64
}

// Value is what the rule compares.
func (r Rule) Value(v *measure.Values) float64 { return r.value(v) }

// Drops tells whether the rule drops a document.
func (r Rule) Drops(v *measure.Values) bool {
	if r.Strict && r.value(v) == r.Limit {
		return true
	}
	if r.Below {
		return r.value(v) < r.Limit
	}
	return r.value(v) > r.Limit
}

// of is one measurement, over is the ratio of two; nothing over nothing is 0.
func of(a measure.Value) func(*measure.Values) float64 {
	return func(v *measure.Values) float64 { return float64(v[a]) }
}

func over(a, b measure.Value) func(*measure.Values) float64 {
	return func(v *measure.Values) float64 {
		if v[b] == 0 {
			return 0
		}
		return float64(v[a]) / float64(v[b])
	}
}

// score is one measurement that is stored in millionths.
func score(a measure.Value) func(*measure.Values) float64 {
	return func(v *measure.Values) float64 { return float64(v[a]) / 1e6 }
}

// keptEmpty is the rule of a document of which C4 leaves nothing.
const keptEmpty = "c4.nothing_left"

// badWords is the rule that a document's digest has a say in.
const badWords = "bad_words"

// unigramRule is the one whose limit is below 0.
const unigramRule = "unigram.min_log_prob"

// Rules are the chain's thresholds that are on, in order. Languages are those that the value measure.Language numbers, from
// 1; only the rule of languages to keep needs them.
func (c Chain) Rules(languages ...string) []Rule {
	var rules []Rule
	most := func(name string, limit float64, value func(*measure.Values) float64) {
		if limit != 0 {
			rules = append(rules, Rule{Name: name, Limit: limit, value: value})
		}
	}
	least := func(name string, limit float64, value func(*measure.Values) float64) {
		if limit != 0 {
			rules = append(rules, Rule{Name: name, Limit: limit, Below: true, value: value})
		}
	}
	never := func(name string, value func(*measure.Values) float64) {
		rules = append(rules, Rule{Name: name, value: value})
	}
	least(TooShort, float64(c.MinChars), of(measure.Chars))
	most(TooLong, float64(c.MaxChars), of(measure.Chars))
	least("min_words", float64(c.MinWords), of(measure.Words))
	most("max_words", float64(c.MaxWords), of(measure.Words))
	if f := c.URL; f != nil {
		const p = "url."
		for _, r := range []struct {
			files []string
			name  string
			value measure.Value
		}{{f.Domains, "domains", measure.URLDomain}, {f.URLs, "urls", measure.URLListed}, {f.Words, "words", measure.URLWords}} {
			if len(r.files) > 0 {
				never(p+r.name, of(r.value))
			}
		}
		if len(f.SoftWords) > 0 {
			most(p+"max_soft_words", float64(f.MaxSoftWords), of(measure.URLSoftWords))
		}
		if len(f.Subwords) > 0 {
			never(p+"subwords", of(measure.URLSubwords))
		}
	}
	if f := c.Language; f != nil {
		if len(f.Keep) > 0 {
			rules = append(rules, Rule{Name: "language.keep", Limit: 1, Below: true, value: isOne(f.Keep, languages)})
		}
		if f.MinScore != 0 {
			rules = append(rules, Rule{Name: "language.min_score", Limit: f.MinScore, Below: true, Strict: true, value: score(measure.LanguageScore)})
		}
	}
	if f := c.GopherRepetition; f != nil {
		const p = "gopher_repetition."
		most(p+"max_dup_paragraphs", f.DupParagraphs, over(measure.DupParagraphs, measure.Paragraphs))
		most(p+"max_dup_paragraph_chars", f.DupParagraphChars, over(measure.DupParagraphChars, measure.Chars))
		most(p+"max_dup_lines", f.DupLines, over(measure.DupLines, measure.TextLines))
		most(p+"max_dup_line_chars", f.DupLineChars, over(measure.DupLineChars, measure.Chars))
		most(p+"max_top_2_gram_chars", f.Top2, over(measure.Top2GramChars, measure.Chars))
		most(p+"max_top_3_gram_chars", f.Top3, over(measure.Top3GramChars, measure.Chars))
		most(p+"max_top_4_gram_chars", f.Top4, over(measure.Top4GramChars, measure.Chars))
		most(p+"max_dup_5_gram_chars", f.Dup5, over(measure.Dup5GramChars, measure.Chars))
		most(p+"max_dup_6_gram_chars", f.Dup6, over(measure.Dup6GramChars, measure.Chars))
		most(p+"max_dup_7_gram_chars", f.Dup7, over(measure.Dup7GramChars, measure.Chars))
		most(p+"max_dup_8_gram_chars", f.Dup8, over(measure.Dup8GramChars, measure.Chars))
		most(p+"max_dup_9_gram_chars", f.Dup9, over(measure.Dup9GramChars, measure.Chars))
		most(p+"max_dup_10_gram_chars", f.Dup10, over(measure.Dup10GramChars, measure.Chars))
	}
	if f := c.GopherQuality; f != nil {
		const p = "gopher_quality."
		least(p+"min_words", float64(f.MinWords), of(measure.PlainWords))
		most(p+"max_words", float64(f.MaxWords), of(measure.PlainWords))
		least(p+"min_word_length", f.MinWordLength, over(measure.PlainWordChars, measure.PlainWords))
		most(p+"max_word_length", f.MaxWordLength, over(measure.PlainWordChars, measure.PlainWords))
		most(p+"max_hash_ratio", f.Hashes, over(measure.Hashes, measure.Words))
		most(p+"max_ellipsis_ratio", f.Ellipses, over(measure.Ellipses, measure.Words))
		most(p+"max_bullet_lines", f.BulletLines, over(measure.BulletLines, measure.Lines))
		most(p+"max_ellipsis_lines", f.EllipsisLines, over(measure.EllipsisLines, measure.Lines))
		least(p+"min_alpha_words", f.AlphaWords, over(measure.AlphaWords, measure.Words))
		least(p+"min_stop_words", float64(f.MinStopWords), of(measure.StopWords))
	}
	if f := c.C4; f != nil {
		const p = "c4."
		if f.LoremIpsum {
			never(p+"lorem_ipsum", firstLine(measure.C4LoremLine, measure.C4CurlyLine, f.CurlyBracket))
		}
		if f.CurlyBracket {
			never(p+"curly_bracket", of(measure.C4CurlyLine))
		}
		least(p+"min_sentences", float64(f.MinSentences), of(measure.C4Sentences))
		rules = append(rules, Rule{Name: keptEmpty, Limit: 1, Below: true, value: of(measure.KeptLines)})
	}
	if f := c.C4Paragraphs; f != nil {
		least("c4_paragraphs.min_paragraphs", float64(f.MinParagraphs), of(measure.LongParagraphs))
	}
	if f := c.FineWeb; f != nil {
		const p = "fineweb."
		least(p+"min_terminal_lines", f.TerminalLines, over(measure.TerminalLines, measure.KeptLines))
		most(p+"max_short_lines", f.ShortLines, over(measure.ShortLines, measure.KeptLines))
		most(p+"max_dup_line_chars", f.DupLineChars, over(measure.DupKeptLineChars, measure.KeptChars))
		most(p+"max_newlines_per_word", f.NewlinesPerWord, over(measure.KeptNewlines, measure.KeptWords))
	}
	if c.BadWords != nil {
		never(badWords, of(measure.BadWords))
	}
	if f := c.Unigram; f != nil && f.MinLogProb != 0 {
		loss := score(measure.UnigramLoss)
		rules = append(rules, Rule{Name: unigramRule, Limit: f.MinLogProb, Below: true, Strict: true, value: func(v *measure.Values) float64 { return -loss(v) }})
	}
	early := len(rules)
	if f := c.Classifier; f != nil {
		least("classifier.min_score", f.MinScore, score(measure.ClassifierScore))
	}
	if f := c.Perplexity; f != nil {
		least("perplexity.min", f.Min, score(measure.Perplexity))
		most("perplexity.max", f.Max, score(measure.Perplexity))
	}
	for i := range rules[early:] {
		rules[early+i].late = true
	}
	return rules
}

// isOne is 1 for a document of one of the languages to keep, else 0.
func isOne(keep, languages []string) func(*measure.Values) float64 {
	wanted := make([]bool, len(languages)+1)
	for i, l := range languages {
		wanted[i+1] = slices.Contains(keep, l)
	}
	return func(v *measure.Values) float64 {
		if at := v[measure.Language]; at >= 0 && at < int64(len(wanted)) && wanted[at] {
			return 1
		}
		return 0
	}
}

// firstLine is the number of a line, unless the other line comes first and counts.
func firstLine(line, other measure.Value, counts bool) func(*measure.Values) float64 {
	return func(v *measure.Values) float64 {
		if counts && v[other] > 0 && v[other] < v[line] {
			return 0
		}
		return float64(v[line])
	}
}

// Decider decides by measurements alone, so that stored ones can be decided again.
type Decider struct {
	rules        []Rule
	keepFraction float64
}

// NewDecider is a chain's decider; languages are as Chain.Rules takes them.
func NewDecider(c Chain, languages ...string) Decider {
	d := Decider{rules: c.Rules(languages...)}
	if c.BadWords != nil {
		d.keepFraction = c.BadWords.KeepFraction
	}
	return d
}

// Early is the decider without the rules, the last ones, of what Models.AskAfter fills in; all is true when there are none.
func (d Decider) Early() (early Decider, all bool) {
	for i, r := range d.rules {
		if r.late {
			return Decider{d.rules[:i], d.keepFraction}, false
		}
	}
	return d, true
}

// Decide gives the first rule that drops the document, whose text as it was read has that digest.
func (d Decider) Decide(v *measure.Values, digest [sha256.Size]byte) (why corpus.Why, keep bool) {
	for _, r := range d.rules {
		if !r.Drops(v) || r.Name == badWords && lot(digest) < d.keepFraction {
			continue
		}
		return corpus.Why{Reason: r.Name, Value: r.Value(v), Limit: r.Limit}, false
	}
	return corpus.Why{}, true
}

// lot is a number in [0, 1) that the digest decides, not the one that decides what is held out.
func lot(digest [sha256.Size]byte) float64 {
	return float64(binary.BigEndian.Uint64(digest[8:])>>11) / (1 << 53)
}
