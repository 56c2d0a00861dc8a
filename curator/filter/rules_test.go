package filter_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"millrace/curator/filter"
	"millrace/curator/measure"

	"github.com/stretchr/testify/require"
)

// full is every filter with its published thresholds.
func full(t require.TestingT) filter.Chain {
	var c filter.Chain
	require.NoError(t, json.Unmarshal([]byte(`{"min_chars":10,"max_chars":2000000,"min_words":5,"max_words":200000,"gopher_repetition":{},"gopher_quality":{},"c4":{},
		"c4_paragraphs":{},"fineweb":{},"bad_words":{"words":["darn"]},"url":{"domains":["d"],"urls":["u"],"words":["w"],"soft_words":["s"],"subwords":["b"]},
		"language":{"keep":["en","de"]},"unigram":{"frequencies":"f"},"classifier":{"model":"c"},"perplexity":{"model":"p","min":10,"max":1000}}`), &c))
	require.NoError(t, c.Check())
	return c
}

// languages are what the language of good is one of.
var languages = []string{"fr", "en", "xx", "de"}

// good passes every rule.
func good() measure.Values {
	var v measure.Values
	for at, n := range map[measure.Value]int64{
		measure.Chars: 10_000, measure.Words: 2_000, measure.PlainWords: 1_000, measure.PlainWordChars: 5_000, measure.AlphaWords: 1_900, measure.StopWords: 8,
		measure.Lines: 100, measure.Paragraphs: 100, measure.TextLines: 100, measure.C4Sentences: 100, measure.KeptChars: 10_000, measure.KeptWords: 2_000,
		measure.KeptLines: 100, measure.TerminalLines: 90, measure.LongParagraphs: 5,
		measure.Language: 2, measure.LanguageScore: 990_000, measure.UnigramLoss: 8_000_000, measure.ClassifierScore: 900_000, measure.Perplexity: 200_000_000,
	} {
		v[at] = n
	}
	return v
}

// Every rule keeps what is exactly at its threshold and drops what is one past it.
func TestEveryRuleAtItsThreshold(t *testing.T) {
	type set = map[measure.Value]int64
	cases := map[string]struct {
		limit    float64
		at, past set
	}{
		"too_short": {10, set{measure.Chars: 10}, set{measure.Chars: 9}},
		"too_long":  {2e6, set{measure.Chars: 2_000_000}, set{measure.Chars: 2_000_001}},
		"min_words": {5, set{measure.Words: 5}, set{measure.Words: 4}},
		"max_words": {200_000, set{measure.Words: 200_000, measure.AlphaWords: 200_000}, set{measure.Words: 200_001, measure.AlphaWords: 200_000}},

		"gopher_repetition.max_dup_paragraphs":      {0.30, set{measure.DupParagraphs: 30}, set{measure.DupParagraphs: 31}},
		"gopher_repetition.max_dup_paragraph_chars": {0.20, set{measure.DupParagraphChars: 2_000}, set{measure.DupParagraphChars: 2_001}},
		"gopher_repetition.max_dup_lines":           {0.30, set{measure.DupLines: 30}, set{measure.DupLines: 31}},
		"gopher_repetition.max_dup_line_chars":      {0.20, set{measure.DupLineChars: 2_000}, set{measure.DupLineChars: 2_001}},
		"gopher_repetition.max_top_2_gram_chars":    {0.20, set{measure.Top2GramChars: 2_000}, set{measure.Top2GramChars: 2_001}},
		"gopher_repetition.max_top_3_gram_chars":    {0.18, set{measure.Top3GramChars: 1_800}, set{measure.Top3GramChars: 1_801}},
		"gopher_repetition.max_top_4_gram_chars":    {0.16, set{measure.Top4GramChars: 1_600}, set{measure.Top4GramChars: 1_601}},
		"gopher_repetition.max_dup_5_gram_chars":    {0.15, set{measure.Dup5GramChars: 1_500}, set{measure.Dup5GramChars: 1_501}},
		"gopher_repetition.max_dup_6_gram_chars":    {0.14, set{measure.Dup6GramChars: 1_400}, set{measure.Dup6GramChars: 1_401}},
		"gopher_repetition.max_dup_7_gram_chars":    {0.13, set{measure.Dup7GramChars: 1_300}, set{measure.Dup7GramChars: 1_301}},
		"gopher_repetition.max_dup_8_gram_chars":    {0.12, set{measure.Dup8GramChars: 1_200}, set{measure.Dup8GramChars: 1_201}},
		"gopher_repetition.max_dup_9_gram_chars":    {0.11, set{measure.Dup9GramChars: 1_100}, set{measure.Dup9GramChars: 1_101}},
		"gopher_repetition.max_dup_10_gram_chars":   {0.10, set{measure.Dup10GramChars: 1_000}, set{measure.Dup10GramChars: 1_001}},

		"gopher_quality.min_words":          {50, set{measure.PlainWords: 50, measure.PlainWordChars: 250}, set{measure.PlainWords: 49, measure.PlainWordChars: 245}},
		"gopher_quality.max_words":          {100_000, set{measure.PlainWords: 100_000, measure.PlainWordChars: 500_000}, set{measure.PlainWords: 100_001, measure.PlainWordChars: 500_000}},
		"gopher_quality.min_word_length":    {3, set{measure.PlainWordChars: 3_000}, set{measure.PlainWordChars: 2_999}},
		"gopher_quality.max_word_length":    {10, set{measure.PlainWordChars: 10_000}, set{measure.PlainWordChars: 10_001}},
		"gopher_quality.max_hash_ratio":     {0.1, set{measure.Hashes: 200}, set{measure.Hashes: 201}},
		"gopher_quality.max_ellipsis_ratio": {0.1, set{measure.Ellipses: 200}, set{measure.Ellipses: 201}},
		"gopher_quality.max_bullet_lines":   {0.9, set{measure.BulletLines: 90}, set{measure.BulletLines: 91}},
		"gopher_quality.max_ellipsis_lines": {0.3, set{measure.EllipsisLines: 30}, set{measure.EllipsisLines: 31}},
		"gopher_quality.min_alpha_words":    {0.8, set{measure.AlphaWords: 1_600}, set{measure.AlphaWords: 1_599}},
		"gopher_quality.min_stop_words":     {2, set{measure.StopWords: 2}, set{measure.StopWords: 1}},

		"c4.lorem_ipsum":   {0, set{}, set{measure.C4LoremLine: 1}},
		"c4.curly_bracket": {0, set{}, set{measure.C4CurlyLine: 1}},
		"c4.min_sentences": {5, set{measure.C4Sentences: 5}, set{measure.C4Sentences: 4}},
		"c4.nothing_left":  {1, set{measure.KeptLines: 1, measure.TerminalLines: 1}, set{measure.KeptLines: 0}},

		"c4_paragraphs.min_paragraphs": {3, set{measure.LongParagraphs: 3}, set{measure.LongParagraphs: 2}},

		"fineweb.min_terminal_lines":    {0.12, set{measure.TerminalLines: 12}, set{measure.TerminalLines: 11}},
		"fineweb.max_short_lines":       {0.67, set{measure.ShortLines: 67}, set{measure.ShortLines: 68}},
		"fineweb.max_dup_line_chars":    {0.01, set{measure.DupKeptLineChars: 100}, set{measure.DupKeptLineChars: 101}},
		"fineweb.max_newlines_per_word": {0.3, set{measure.KeptNewlines: 600}, set{measure.KeptNewlines: 601}},

		"bad_words": {0, set{}, set{measure.BadWords: 1}},

		"url.domains":        {0, set{}, set{measure.URLDomain: 2}},
		"url.urls":           {0, set{}, set{measure.URLListed: 1}},
		"url.words":          {0, set{}, set{measure.URLWords: 1}},
		"url.max_soft_words": {1, set{measure.URLSoftWords: 1}, set{measure.URLSoftWords: 2}},
		"url.subwords":       {0, set{}, set{measure.URLSubwords: 1}},

		"language.keep":        {1, set{measure.Language: 4}, set{measure.Language: 3}},
		"language.min_score":   {0.65, set{measure.LanguageScore: 650_001}, set{measure.LanguageScore: 649_999}},
		"unigram.min_log_prob": {-10, set{measure.UnigramLoss: 9_999_999}, set{measure.UnigramLoss: 10_000_001}},
		"classifier.min_score": {0.5, set{measure.ClassifierScore: 500_000}, set{measure.ClassifierScore: 499_999}},
		"perplexity.min":       {10, set{measure.Perplexity: 10_000_000}, set{measure.Perplexity: 9_999_999}},
		"perplexity.max":       {1000, set{measure.Perplexity: 1_000_000_000}, set{measure.Perplexity: 1_000_000_001}},
	}
	decider := filter.NewDecider(full(t), languages...)
	rules := full(t).Rules()
	require.Len(t, rules, len(cases), "a rule without a case")
	for _, rule := range rules {
		c, ok := cases[rule.Name]
		require.True(t, ok, rule.Name)
		require.Equal(t, c.limit, rule.Limit, rule.Name)
		v := good()
		for at, n := range c.at {
			v[at] = n
		}
		why, keep := decider.Decide(&v, [32]byte{})
		require.True(t, keep, "%s at the threshold: %v", rule.Name, why)
		for at, n := range c.past {
			v[at] = n
		}
		why, keep = decider.Decide(&v, [32]byte{})
		require.False(t, keep, "%s past the threshold", rule.Name)
		require.Equal(t, rule.Name, why.Reason)
		require.Equal(t, c.limit, why.Limit)
		require.NotEqual(t, c.limit, why.Value)
	}
}

// Scores of language and unigrams must be above their thresholds, as FineWeb and peS2o have it.
func TestStrictRulesDropAtTheThreshold(t *testing.T) {
	decider := filter.NewDecider(full(t), languages...)
	for name, change := range map[string]struct {
		at measure.Value
		n  int64
	}{"language.min_score": {measure.LanguageScore, 650_000}, "unigram.min_log_prob": {measure.UnigramLoss, 10_000_000}} {
		v := good()
		v[change.at] = change.n
		why, keep := decider.Decide(&v, [32]byte{})
		require.False(t, keep, name)
		require.Equal(t, name, why.Reason)
		require.Equal(t, why.Limit, why.Value)
	}
	v := good()
	v[measure.Language] = 0 // none was found
	why, _ := decider.Decide(&v, [32]byte{})
	require.Equal(t, "language.keep", why.Reason)
}

// The rules of models that take their time come last, so what is dropped before needs none of them.
func TestEarly(t *testing.T) {
	decider := filter.NewDecider(full(t), languages...)
	early, all := decider.Early()
	require.False(t, all)
	v := good()
	v[measure.ClassifierScore], v[measure.Perplexity] = 0, 0
	_, keep := early.Decide(&v, [32]byte{})
	require.True(t, keep)
	why, _ := decider.Decide(&v, [32]byte{})
	require.Equal(t, "classifier.min_score", why.Reason)
	v[measure.Hashes] = 1_000
	one, _ := early.Decide(&v, [32]byte{})
	other, _ := decider.Decide(&v, [32]byte{})
	require.Equal(t, one, other)
	_, all = filter.NewDecider(filter.Chain{MinWords: 3}).Early()
	require.True(t, all)
}

func TestTheFirstRuleDecides(t *testing.T) {
	v := good()
	v[measure.Hashes], v[measure.DupLines], v[measure.BadWords] = 1_000, 90, 3
	why, _ := filter.NewDecider(full(t), languages...).Decide(&v, [32]byte{})
	require.Equal(t, "gopher_repetition.max_dup_lines", why.Reason)
	require.Equal(t, 0.9, why.Value)

	v = good()
	v[measure.C4LoremLine], v[measure.C4CurlyLine] = 9, 3
	why, _ = filter.NewDecider(full(t), languages...).Decide(&v, [32]byte{})
	require.Equal(t, "c4.curly_bracket", why.Reason, "its line comes first")
	require.EqualValues(t, 3, why.Value)
	v[measure.C4LoremLine] = 3
	why, _ = filter.NewDecider(full(t), languages...).Decide(&v, [32]byte{})
	require.Equal(t, "c4.lorem_ipsum", why.Reason, "it is looked for first in a line")
	c := full(t)
	c.C4.CurlyBracket = false
	v[measure.C4LoremLine] = 9
	why, _ = filter.NewDecider(c, languages...).Decide(&v, [32]byte{})
	require.Equal(t, "c4.lorem_ipsum", why.Reason)
}

func TestZeroTurnsARuleOff(t *testing.T) {
	c := full(t)
	c.GopherQuality.Hashes = 0
	v := good()
	v[measure.Hashes] = 1_000_000
	_, keep := filter.NewDecider(c, languages...).Decide(&v, [32]byte{})
	require.True(t, keep)
	require.Empty(t, filter.Chain{}.Rules())
	require.False(t, filter.Chain{MinChars: 4}.Measured())
	require.Equal(t, "simple", full(t).Resolve().Words)
	require.Empty(t, filter.Chain{MinChars: 4}.Resolve().Words)
}

func TestKeepFraction(t *testing.T) {
	c := full(t)
	c.BadWords.KeepFraction = 0.25
	d := filter.NewDecider(c, languages...)
	v := good()
	v[measure.BadWords] = 1
	kept := 0
	for i := range 256 {
		digest := [32]byte{8: byte(i)}
		if _, keep := d.Decide(&v, digest); keep {
			kept++
		}
	}
	require.Equal(t, 64, kept)
}

func TestMeasuresAs(t *testing.T) {
	a := full(t)
	for name, c := range map[string]struct {
		change func(*filter.Chain)
		want   bool
	}{
		"threshold":     {func(c *filter.Chain) { c.GopherQuality.Hashes = 0.5 }, true},
		"filter left":   {func(c *filter.Chain) { c.GopherRepetition = nil }, true},
		"no bad words":  {func(c *filter.Chain) { c.BadWords = nil }, true},
		"sentences":     {func(c *filter.Chain) { c.C4.MinSentences = 1 }, true},
		"splitter":      {func(c *filter.Chain) { c.Words = "whitespace" }, false},
		"stop words":    {func(c *filter.Chain) { c.GopherQuality.StopWords = []string{"der", "die"} }, false},
		"lines":         {func(c *filter.Chain) { c.C4.Terminal = true }, false},
		"no c4":         {func(c *filter.Chain) { c.C4 = nil }, false},
		"short lines":   {func(c *filter.Chain) { c.FineWeb.ShortLineChars = 20 }, false},
		"no url":        {func(c *filter.Chain) { c.URL = nil }, true},
		"fewer lists":   {func(c *filter.Chain) { c.URL.Domains = nil }, true},
		"another list":  {func(c *filter.Chain) { c.URL.Domains = []string{"d", "e"} }, false},
		"other kept":    {func(c *filter.Chain) { c.Language.Keep, c.Language.MinScore = nil, 0.9 }, true},
		"a model":       {func(c *filter.Chain) { c.Language.Model = "lid" }, false},
		"no models":     {func(c *filter.Chain) { c.Language, c.Unigram, c.Classifier, c.Perplexity = nil, nil, nil, nil }, true},
		"other label":   {func(c *filter.Chain) { c.Classifier.Label = "hq" }, false},
		"other bounds":  {func(c *filter.Chain) { c.Perplexity.Max, c.Classifier.MinScore, c.Unigram.MinLogProb = 0, 0, 0 }, true},
		"more bad ones": {func(c *filter.Chain) { c.BadWords = &filter.BadWords{Words: []string{"x"}} }, false},
	} {
		b := full(t)
		c.change(&b)
		require.Equal(t, c.want, a.MeasuresAs(b), name)
	}
	var plain, asks filter.Chain
	require.NoError(t, json.Unmarshal([]byte(`{"language":{}}`), &asks))
	require.False(t, plain.MeasuresAs(asks))
	require.True(t, asks.MeasuresAs(plain))
}

func TestCheckNamesWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		`{"min_chars":5,"max_chars":2}`: "leave nothing", `{"min_words":5,"max_words":2}`: "leave nothing", `{"words":"spacy"}`: `"spacy"`, `{"min_words":-1}`: "min_words -1",
		`{"gopher_quality":{"max_hash_ratio":-1}}`:         "gopher_quality.max_hash_ratio is -1",
		`{"gopher_quality":{"min_words":9,"max_words":3}}`: "leave nothing",
		`{"gopher_quality":{"stop_words":["a"]}}`:          "min_stop_words is 2 of 1",
		`{"c4":{"min_line_words":-3}}`:                     "min_line_words -3",
		`{"c4_paragraphs":{"paragraph_chars":-1}}`:         "paragraph_chars is -1",
		`{"fineweb":{"short_line_chars":-1}}`:              "short_line_chars is -1",
		`{"bad_words":{}}`:                                 "words has 0 words",
		`{"bad_words":{"words":["a"],"keep_fraction":2}}`:  "keep_fraction is 2",
		`{"language":{"min_score":2}}`:                     "language.min_score is 2",
		`{"language":{"keep":[""]}}`:                       "language.keep has 1",
		`{"language":{"digest":"sha256:x"}}`:               "language.digest is of a model",
		`{"classifier":{}}`:                                "classifier.model has 0 bytes",
		`{"classifier":{"model":"x","digest":"md5:1"}}`:    "digest of classifier.model",
		`{"perplexity":{"model":"x","min":5,"max":2}}`:     "min 5, max 2",
		`{"unigram":{"frequencies":"x","min_log_prob":3}}`: "min_log_prob is 3",
		`{"url":{}}`:            "names no list",
		`{"url":{"urls":[""]}}`: "url.urls[0] has 0 bytes",
		`{"url":{"urls":["x"],"max_soft_words":-1}}`:          "max_soft_words is -1",
		`{"gopher_repetition":{"max_dup_5_gram_chars":-0.1}}`: "max_dup_5_gram_chars is -0.1",
	} {
		var c filter.Chain
		require.NoError(t, json.Unmarshal([]byte(text), &c), text)
		require.ErrorContains(t, c.Check(), want, text)
	}
	for _, key := range []string{"gopher_repetition", "gopher_quality", "c4", "c4_paragraphs", "fineweb", "url", "language", "unigram", "classifier"} {
		var c filter.Chain
		require.ErrorContains(t, json.Unmarshal(fmt.Appendf(nil, `{%q:{"x":1}}`, key), &c), `unknown field "x"`, key)
	}
}

// Texts that are at the thresholds, and one past them.
func TestTextsAtTheThresholds(t *testing.T) {
	words := func(n int) string { // that repeat no pair too often
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "w%sx ", strings.Repeat(string(rune('a'+i%26)), 1+i/26%3)+string(rune('a'+i/78%26)))
		}
		return strings.TrimSpace(b.String())
	}
	lines := func(n, marked int, mark string) string {
		var b strings.Builder
		for i := range n {
			if i < marked {
				b.WriteString(mark)
			}
			fmt.Fprintf(&b, " line %s of the text %d and more of it\n", strings.Repeat("z", i+1), i)
		}
		return b.String()
	}
	quality := `{"gopher_quality":{"min_stop_words":0,"min_words":%d,"max_words":0,"min_word_length":0,"max_word_length":0}}`
	for name, c := range map[string]struct {
		chain, text, want string
	}{
		"50 words":             {fmt.Sprintf(quality, 50), words(50) + " !! ??", ""},
		"49 words":             {fmt.Sprintf(quality, 50), words(49) + " !! ?? --", "gopher_quality.min_words"},
		"two stop words":       {`{"gopher_quality":{"min_words":0}}`, "mill wheels that turn with water", ""},
		"one stop word":        {`{"gopher_quality":{"min_words":0}}`, "mill wheels that that turn The water", "gopher_quality.min_stop_words"},
		"hash a tenth":         {fmt.Sprintf(quality, 0), words(9) + " #", ""},
		"hash above":           {fmt.Sprintf(quality, 0), words(8) + " ##x", "gopher_quality.max_hash_ratio"},
		"nine bullets of ten":  {fmt.Sprintf(quality, 0), lines(10, 9, "-"), ""},
		"ten bullets of ten":   {fmt.Sprintf(quality, 0), lines(10, 10, "  • "), "gopher_quality.max_bullet_lines"},
		"3 equal lines of 10":  {`{"gopher_repetition":{"max_top_2_gram_chars":0,"max_top_3_gram_chars":0,"max_top_4_gram_chars":0,"max_dup_5_gram_chars":0}}`, strings.Repeat("x\n", 4) + strings.TrimSpace(lines(6, 0, "")), ""},
		"4 equal lines of 10":  {`{"gopher_repetition":{}}`, strings.Repeat("x\n", 5) + strings.TrimSpace(lines(5, 0, "")), "gopher_repetition.max_dup_lines"},
		"pair a fifth":         {`{"gopher_repetition":{"max_top_3_gram_chars":0,"max_top_4_gram_chars":0}}`, "a b " + strings.Repeat("z", 22) + " a b", ""},
		"pair above":           {`{"gopher_repetition":{"max_top_3_gram_chars":0,"max_top_4_gram_chars":0}}`, "a b " + strings.Repeat("z", 20) + " a b", "gopher_repetition.max_top_2_gram_chars"},
		"five sentences":       {`{"c4":{}}`, "One is here. Two is here. Three is here.\nFour is here. Five is here.", ""},
		"four sentences":       {`{"c4":{}}`, "One is here. Two is here. Three is here.\nFour is here. \nFive.", "c4.min_sentences"},
		"curly":                {`{"c4":{}}`, "it has a { in it", "c4.curly_bracket"},
		"lorem":                {`{"c4":{}}`, "it has Lorem Ipsum in it", "c4.lorem_ipsum"},
		"nothing left":         {`{"c4":{"min_sentences":0}}`, "a b\nc d", "c4.nothing_left"},
		"three paragraphs":     {`{"c4_paragraphs":{}}`, strings.Repeat(strings.Repeat("é", 200)+"\n", 3), ""},
		"one of them shorter":  {`{"c4_paragraphs":{}}`, strings.Repeat(strings.Repeat("é", 200)+"\n", 2) + strings.Repeat("é", 199), "c4_paragraphs.min_paragraphs"},
		"two of three short":   {`{"fineweb":{}}`, strings.Repeat("w ", 15) + "\n" + strings.Repeat("v ", 14) + "x.\n" + strings.Repeat("u ", 15) + "y.", ""},
		"three of three short": {`{"fineweb":{}}`, strings.Repeat("w ", 15) + "\n" + strings.Repeat("v ", 14) + "x.\n" + strings.Repeat("u ", 14) + "y.", "fineweb.max_short_lines"},
		"bad":                  {`{"bad_words":{"words":["Darn"]}}`, "well, darn!", "bad_words"},
		"not bad":              {`{"bad_words":{"words":["Darn"]}}`, "darning wool", ""},
	} {
		var chain filter.Chain
		require.NoError(t, json.Unmarshal([]byte(c.chain), &chain), name)
		require.NoError(t, chain.Check(), name)
		opt, err := chain.Options()
		require.NoError(t, err)
		v, _ := measure.New(opt).Measure(c.text)
		why, keep := filter.NewDecider(chain).Decide(&v, [32]byte{})
		require.Equal(t, c.want, why.Reason, "%s: %v", name, why)
		require.Equal(t, c.want == "", keep, name)
	}
}
