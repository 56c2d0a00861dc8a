package filter

import (
	"crypto/sha256"
	"encoding/binary"

	"millrace/curator/corpus"
	"millrace/curator/measure"
)

// Rule is one threshold. It drops a document whose value is above the limit or, with Below, below it; at the limit it is
// kept.
type Rule struct {
	// Name is the reason in manifests: the keys of the recipe, as "gopher_quality.min_words", but for TooShort and TooLong.
	Name  string
	Limit float64
	Below bool
	value func(*measure.Values) float64
}

// Value is what the rule compares.
func (r Rule) Value(v *measure.Values) float64 { return r.value(v) }

// Drops tells whether the rule drops a document.
func (r Rule) Drops(v *measure.Values) bool {
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

// keptEmpty is the rule of a document of which C4 leaves nothing.
const keptEmpty = "c4.nothing_left"

// badWords is the rule that a document's digest has a say in.
const badWords = "bad_words"

// Rules are the chain's thresholds that are on, in order.
func (c Chain) Rules() []Rule {
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
	return rules
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

// NewDecider is a chain's decider.
func NewDecider(c Chain) Decider {
	d := Decider{rules: c.Rules()}
	if c.BadWords != nil {
		d.keepFraction = c.BadWords.KeepFraction
	}
	return d
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
