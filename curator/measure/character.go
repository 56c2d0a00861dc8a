package measure

import (
	"unicode"

	"millrace/curator/words"
)

// look finds what traits does, of a word with characters beyond ASCII, and counts its characters.
func look(word string) (has uint8, chars int64) {
	for _, r := range word {
		chars++
		if unicode.IsLetter(r) {
			has |= alpha
		}
		if !punctuation(r) {
			has |= plain
		}
	}
	return has, chars
}

// punctuation tells the symbols that make no word by themselves, the set of cc_net and datatrove: ASCII punctuation and
// control characters, a few dozen marks, and every terminal mark. A full-width digit one is in that set, so it is here.
func punctuation(r rune) bool {
	switch {
	case r < 0x80:
		return r != '\t' && r != '\n' && r != ' ' && traits[r&0x7f]&plain == 0
	case r < 0xa0:
		return true
	}
	switch r {
	case '«', '´', '»', '–', '—', '’', '“', '”', '„', '…', '∶', '━', '►', '、', '。', '〈', '〉', '《', '》', '「', '」', '【', '】',
		'！', '％', '（', '）', '，', '．', '１', '：', '；', '？', '～':
		return true
	}
	return words.IsTerminal(r)
}
