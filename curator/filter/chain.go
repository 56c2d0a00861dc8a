package filter

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"millrace/curator/measure"
	"millrace/curator/words"
)

// Chain says which filters a document goes through, as a recipe has it. A filter that is nil is off; one that is there has
// the published thresholds but for those that are said, and a threshold of 0 turns its rule off. The order is: characters,
// words, address, language, Gopher's repetition, Gopher's quality, C4, mC4's paragraphs, FineWeb, bad words, unigrams,
// classifier, perplexity. C4 rewrites the text, so the filters after it judge what it leaves, but for unigrams.
type Chain struct {
	MinChars int64 `json:"min_chars"` // 0: no bound
	MaxChars int64 `json:"max_chars"` // 0: no bound
	// Words is the splitter, words.Simple or words.Whitespace; Simple when a filter below needs one.
	Words            string            `json:"words,omitempty"`
	MinWords         int64             `json:"min_words,omitempty"`
	MaxWords         int64             `json:"max_words,omitempty"`
	URL              *URL              `json:"url,omitempty"`
	Language         *Language         `json:"language,omitempty"`
	GopherRepetition *GopherRepetition `json:"gopher_repetition,omitempty"`
	GopherQuality    *GopherQuality    `json:"gopher_quality,omitempty"`
	C4               *C4               `json:"c4,omitempty"`
	C4Paragraphs     *C4Paragraphs     `json:"c4_paragraphs,omitempty"`
	FineWeb          *FineWeb          `json:"fineweb,omitempty"`
	BadWords         *BadWords         `json:"bad_words,omitempty"`
	Unigram          *Unigram          `json:"unigram,omitempty"`
	Classifier       *Classifier       `json:"classifier,omitempty"`
	Perplexity       *Perplexity       `json:"perplexity,omitempty"`
}

// GopherRepetition is the repetition filter of Gopher (arXiv:2112.11446, table A1): the largest fractions of paragraphs and
// lines that were there before, and of the text's characters in such paragraphs and lines, in the most frequent word n-gram,
// and in word n-grams that were there before.
type GopherRepetition struct {
	DupParagraphs     float64 `json:"max_dup_paragraphs"`
	DupParagraphChars float64 `json:"max_dup_paragraph_chars"`
	DupLines          float64 `json:"max_dup_lines"`
	DupLineChars      float64 `json:"max_dup_line_chars"`
	Top2              float64 `json:"max_top_2_gram_chars"`
	Top3              float64 `json:"max_top_3_gram_chars"`
	Top4              float64 `json:"max_top_4_gram_chars"`
	Dup5              float64 `json:"max_dup_5_gram_chars"`
	Dup6              float64 `json:"max_dup_6_gram_chars"`
	Dup7              float64 `json:"max_dup_7_gram_chars"`
	Dup8              float64 `json:"max_dup_8_gram_chars"`
	Dup9              float64 `json:"max_dup_9_gram_chars"`
	Dup10             float64 `json:"max_dup_10_gram_chars"`
}

// GopherQuality is the quality filter of Gopher. Words are counted and measured without those that are punctuation only;
// the ratios of hashes and ellipses are to all words, those of lines to all lines.
type GopherQuality struct {
	MinWords      int64    `json:"min_words"`
	MaxWords      int64    `json:"max_words"`
	MinWordLength float64  `json:"min_word_length"` // mean, in characters
	MaxWordLength float64  `json:"max_word_length"`
	Hashes        float64  `json:"max_hash_ratio"`
	Ellipses      float64  `json:"max_ellipsis_ratio"`
	BulletLines   float64  `json:"max_bullet_lines"`
	EllipsisLines float64  `json:"max_ellipsis_lines"`
	AlphaWords    float64  `json:"min_alpha_words"`
	MinStopWords  int64    `json:"min_stop_words"` // different ones
	StopWords     []string `json:"stop_words"`
}

// C4 is C4's filter as FineWeb uses it: the text becomes the lines that are kept (measure.C4 says how), and a document goes
// at its first line, of those, with "lorem ipsum" or a curly bracket, or when it has too few sentences left.
type C4 struct {
	Citations    bool  `json:"remove_citations"`
	Terminal     bool  `json:"terminal_punctuation"`
	JavaScript   bool  `json:"drop_javascript_lines"`
	Policy       bool  `json:"drop_policy_lines"`
	MaxWordChars int64 `json:"max_line_word_chars"`
	MinLineWords int64 `json:"min_line_words"`
	LoremIpsum   bool  `json:"lorem_ipsum"`
	CurlyBracket bool  `json:"curly_bracket"`
	MinSentences int64 `json:"min_sentences"`
}

// C4Paragraphs is mC4's rule: so many lines of so many characters at least.
type C4Paragraphs struct {
	MinParagraphs  int64 `json:"min_paragraphs"`
	ParagraphChars int64 `json:"paragraph_chars"`
}

// FineWeb is FineWeb's own filter (arXiv:2406.17557): the smallest fraction of lines that end in a terminal mark, the
// largest of short lines, of characters in lines that were there before, and of line feeds to words. Blank lines do not
// count.
type FineWeb struct {
	TerminalLines   float64 `json:"min_terminal_lines"`
	ShortLines      float64 `json:"max_short_lines"`
	ShortLineChars  int64   `json:"short_line_chars"`
	DupLineChars    float64 `json:"max_dup_line_chars"`
	NewlinesPerWord float64 `json:"max_newlines_per_word"`
}

// BadWords drops a document with one of the words or phrases, whatever its case, where no letter, number or underscore
// adjoins it. KeepFraction of such documents stay, those whose digests decide so. No list comes with this program.
type BadWords struct {
	Words        []string `json:"words"`
	KeepFraction float64  `json:"keep_fraction,omitempty"`
}

// The published thresholds.

func DefaultGopherRepetition() GopherRepetition {
	return GopherRepetition{DupParagraphs: 0.30, DupParagraphChars: 0.20, DupLines: 0.30, DupLineChars: 0.20, Top2: 0.20, Top3: 0.18, Top4: 0.16,
		Dup5: 0.15, Dup6: 0.14, Dup7: 0.13, Dup8: 0.12, Dup9: 0.11, Dup10: 0.10}
}

func DefaultGopherQuality() GopherQuality {
	return GopherQuality{MinWords: 50, MaxWords: 100_000, MinWordLength: 3, MaxWordLength: 10, Hashes: 0.1, Ellipses: 0.1, BulletLines: 0.9, EllipsisLines: 0.3,
		AlphaWords: 0.8, MinStopWords: 2, StopWords: []string{"the", "be", "to", "of", "and", "that", "have", "with"}}
}

func DefaultC4() C4 {
	return C4{Citations: true, JavaScript: true, Policy: true, MaxWordChars: 1000, MinLineWords: 3, LoremIpsum: true, CurlyBracket: true, MinSentences: 5}
}

func DefaultC4Paragraphs() C4Paragraphs { return C4Paragraphs{MinParagraphs: 3, ParagraphChars: 200} }

func DefaultFineWeb() FineWeb {
	return FineWeb{TerminalLines: 0.12, ShortLines: 0.67, ShortLineChars: 30, DupLineChars: 0.01, NewlinesPerWord: 0.3}
}

// Keys that are not said keep their default, and an unknown one is an error.

func (f *GopherRepetition) UnmarshalJSON(data []byte) error {
	type plain GopherRepetition
	p := plain(DefaultGopherRepetition())
	err := strict(data, &p)
	*f = GopherRepetition(p)
	return err
}

func (f *GopherQuality) UnmarshalJSON(data []byte) error {
	type plain GopherQuality
	p := plain(DefaultGopherQuality())
	err := strict(data, &p)
	*f = GopherQuality(p)
	return err
}

func (f *C4) UnmarshalJSON(data []byte) error {
	type plain C4
	p := plain(DefaultC4())
	err := strict(data, &p)
	*f = C4(p)
	return err
}

func (f *C4Paragraphs) UnmarshalJSON(data []byte) error {
	type plain C4Paragraphs
	p := plain(DefaultC4Paragraphs())
	err := strict(data, &p)
	*f = C4Paragraphs(p)
	return err
}

func (f *FineWeb) UnmarshalJSON(data []byte) error {
	type plain FineWeb
	p := plain(DefaultFineWeb())
	err := strict(data, &p)
	*f = FineWeb(p)
	return err
}

func strict(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// Measured tells whether a filter needs more than a count of characters.
func (c Chain) Measured() bool {
	return c.MinWords > 0 || c.MaxWords > 0 || c.GopherRepetition != nil || c.GopherQuality != nil || c.C4 != nil || c.C4Paragraphs != nil ||
		c.FineWeb != nil || c.BadWords != nil || c.Asks()
}

// Resolve names the splitter where one is needed.
func (c Chain) Resolve() Chain {
	if c.Measured() {
		c.Words = cmp.Or(c.Words, words.Simple)
	}
	return c
}

// Options are how documents are measured for the chain: the published lengths and words where a filter is off.
func (c Chain) Options() (measure.Options, error) {
	splitter, err := words.ByName(cmp.Or(c.Words, words.Simple))
	if err != nil {
		return measure.Options{}, err
	}
	quality, c4, paragraphs, fineweb := DefaultGopherQuality(), DefaultC4(), DefaultC4Paragraphs(), DefaultFineWeb()
	if c.GopherQuality != nil {
		quality = *c.GopherQuality
	}
	if c.C4 != nil {
		c4 = *c.C4
	}
	if c.C4Paragraphs != nil {
		paragraphs = *c.C4Paragraphs
	}
	if c.FineWeb != nil {
		fineweb = *c.FineWeb
	}
	o := measure.Options{
		Words: splitter, StopWords: quality.StopWords, ShortLineChars: fineweb.ShortLineChars, ParagraphChars: paragraphs.ParagraphChars, Rewrite: c.C4 != nil,
		C4: measure.C4{Citations: c4.Citations, Terminal: c4.Terminal, JavaScript: c4.JavaScript, Policy: c4.Policy, MaxWordChars: c4.MaxWordChars, MinLineWords: c4.MinLineWords},
	}
	if c.BadWords != nil {
		o.BadWords = c.BadWords.Words
	}
	return o, nil
}

// MeasuresAs tells whether documents measured for one chain can be decided by the other: whether only thresholds differ, and
// none that says which words or lines are counted, or kept.
func (c Chain) MeasuresAs(other Chain) bool {
	a, err := c.Options()
	b, errOther := other.Options()
	a.Words, b.Words = words.Splitter{}, words.Splitter{}
	if c.BadWords == nil || other.BadWords == nil { // to leave a filter out is to decide
		a.BadWords, b.BadWords = nil, nil
	}
	named := cmp.Or(c.Words, words.Simple) == cmp.Or(other.Words, words.Simple)
	return err == nil && errOther == nil && named && c.asksAs(other) && (c.BadWords != nil || other.BadWords == nil) && reflect.DeepEqual(a, b)
}

// Check tells all that is wrong with a chain.
func (c Chain) Check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	bounds := func(what string, least, most int64) {
		if least < 0 || most < 0 || most > 0 && least > most {
			bad("min_%s %d, max_%s %d leave nothing", what, least, what, most)
		}
	}
	bounds("chars", c.MinChars, c.MaxChars)
	bounds("words", c.MinWords, c.MaxWords)
	if _, err := words.ByName(cmp.Or(c.Words, words.Simple)); err != nil {
		errs = append(errs, err)
	}
	for _, r := range c.Rules() {
		if !(r.Limit >= 0 && r.Limit <= 1e15) && r.Name != unigramRule {
			bad("%s is %v: want 0 to turn it off, or more", r.Name, r.Limit)
		}
	}
	if q := c.GopherQuality; q != nil {
		if q.MaxWords > 0 && q.MinWords > q.MaxWords || q.MaxWordLength > 0 && q.MinWordLength > q.MaxWordLength {
			bad("gopher_quality: min_words %d to max_words %d, min_word_length %v to max_word_length %v leave nothing", q.MinWords, q.MaxWords, q.MinWordLength, q.MaxWordLength)
		}
		if n := len(q.StopWords); n > 1000 || q.MinStopWords > int64(n) {
			bad("gopher_quality: min_stop_words is %d of %d stop_words: want at most as many, and at most 1,000", q.MinStopWords, n)
		}
	}
	if f := c.C4; f != nil && (f.MaxWordChars < 0 || f.MinLineWords < 0) {
		bad("c4: max_line_word_chars %d, min_line_words %d: want 0 for no bound, or more", f.MaxWordChars, f.MinLineWords)
	}
	if p := c.C4Paragraphs; p != nil && p.ParagraphChars < 0 {
		bad("c4_paragraphs: paragraph_chars is %d: want 0 or more", p.ParagraphChars)
	}
	if f := c.FineWeb; f != nil && f.ShortLineChars < 0 {
		bad("fineweb: short_line_chars is %d: want 0 or more", f.ShortLineChars)
	}
	if b := c.BadWords; b != nil {
		if len(b.Words) == 0 || len(b.Words) > 100_000 || slices.Contains(b.Words, "") {
			bad("bad_words: words has %d words, none of which may be empty: want 1 to 100,000", len(b.Words))
		}
		if !(b.KeepFraction >= 0 && b.KeepFraction <= 1) {
			bad("bad_words: keep_fraction is %v: want 0 to 1", b.KeepFraction)
		}
	}
	c.checkAsked(bad)
	return errors.Join(errs...)
}
