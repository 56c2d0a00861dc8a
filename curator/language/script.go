package language

import "unicode"

// The scripts that are told apart.
const (
	none = iota
	latin
	cyrillic
	devanagari
	hebrew
	ethiopic
	arabic
	han
	kana
	hangul
	greek
	georgian
	armenian
	bengali
	gujarati
	gurmukhi
	kannada
	malayalam
	oriya
	sinhala
	tamil
	telugu
	thai
	lao
	khmer
	myanmar
	tibetan
	scripts // how many
)

// names are the scripts of profiles.tsv.
var names = [scripts]string{latin: "Latin", cyrillic: "Cyrillic", devanagari: "Devanagari", hebrew: "Hebrew", ethiopic: "Ethiopic", arabic: "Arabic"}

// only are the languages that are taken to be alone in their script.
var only = [scripts]string{han: "zh", kana: "ja", hangul: "ko", greek: "el", georgian: "ka", armenian: "hy", bengali: "bn", gujarati: "gu", gurmukhi: "pa",
	kannada: "kn", malayalam: "ml", oriya: "or", sinhala: "si", tamil: "ta", telugu: "te", thai: "th", lao: "lo", khmer: "km", myanmar: "my", tibetan: "bo"}

var tables = [scripts]*unicode.RangeTable{latin: unicode.Latin, cyrillic: unicode.Cyrillic, devanagari: unicode.Devanagari, hebrew: unicode.Hebrew,
	ethiopic: unicode.Ethiopic, arabic: unicode.Arabic, han: unicode.Han, hangul: unicode.Hangul, greek: unicode.Greek,
	georgian: unicode.Georgian, armenian: unicode.Armenian, bengali: unicode.Bengali, gujarati: unicode.Gujarati, gurmukhi: unicode.Gurmukhi,
	kannada: unicode.Kannada, malayalam: unicode.Malayalam, oriya: unicode.Oriya, sinhala: unicode.Sinhala, tamil: unicode.Tamil, telugu: unicode.Telugu,
	thai: unicode.Thai, lao: unicode.Lao, khmer: unicode.Khmer, myanmar: unicode.Myanmar, tibetan: unicode.Tibetan}

// ranges are where most letters are.
var ranges = [...]struct {
	first, last rune
	script      int
}{{0xc0, 0x24f, latin}, {0x1e00, 0x1eff, latin}, {0x370, 0x3ff, greek}, {0x400, 0x52f, cyrillic}, {0x620, 0x64a, arabic}, {0x671, 0x6d3, arabic}, {0x5d0, 0x5ea, hebrew},
	{0x904, 0x939, devanagari}, {0x93e, 0x94d, devanagari}, {0x3041, 0x3096, kana}, {0x30a1, 0x30fa, kana}, {0x4e00, 0x9fff, han}, {0xac00, 0xd7a3, hangul}, {0xe01, 0xe3a, thai}}

// scriptOf is the script of a letter or mark; none for those that are of no script, or of another.
func scriptOf(r rune) int {
	for _, at := range ranges {
		if r >= at.first && r <= at.last {
			return at.script
		}
	}
	return search(r)
}

func search(r rune) int {
	if unicode.Is(unicode.Hiragana, r) || unicode.Is(unicode.Katakana, r) || r == 'ー' {
		return kana
	}
	for s, table := range tables {
		if table != nil && unicode.Is(table, r) {
			return s
		}
	}
	return none
}
