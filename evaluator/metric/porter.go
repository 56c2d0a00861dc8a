package metric

import "strings"

// stem is Porter's algorithm for suffix stripping (Program 14(3), 1980) of a word of a-z and 0-9, with the extensions of NLTK, which
// rouge-score uses: irregular forms, -ies and -ied of short words, -y after any consonant, -alli first, -fulli, -logi. A digit is a
// consonant.
func stem(word string) string {
	if s, ok := irregular[word]; ok {
		return s
	}
	if len(word) <= 2 {
		return word
	}
	word = plural(word)
	word = past(word)
	if s, ok := strings.CutSuffix(word, "y"); ok && len(s) > 1 && consonant(s, len(s)-1) {
		word = s + "i"
	}
	word = double(word)
	word = strip(word, step3, 0)
	word = strip(word, step4, 1)
	if s, ok := strings.CutSuffix(word, "e"); ok {
		if m := measure(s); m > 1 || m == 1 && !shortEnd(s) {
			word = s
		}
	}
	if strings.HasSuffix(word, "ll") && measure(word[:len(word)-1]) > 1 {
		word = word[:len(word)-1]
	}
	return word
}

var irregular = map[string]string{
	"sky": "sky", "skies": "sky", "dying": "die", "lying": "lie", "tying": "tie", "news": "news", "innings": "inning", "inning": "inning",
	"outings": "outing", "outing": "outing", "cannings": "canning", "canning": "canning", "howe": "howe", "proceed": "proceed",
	"exceed": "exceed", "succeed": "succeed",
}

// suffix is a rule: what is taken off, and what is put on.
type suffix struct{ off, on string }

// The rules of steps 2 to 4, in their order: the first that fits decides.
var (
	step2 = []suffix{
		{"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"}, {"anci", "ance"}, {"izer", "ize"}, {"bli", "ble"}, {"alli", "al"},
		{"entli", "ent"}, {"eli", "e"}, {"ousli", "ous"}, {"ization", "ize"}, {"ation", "ate"}, {"ator", "ate"}, {"alism", "al"},
		{"iveness", "ive"}, {"fulness", "ful"}, {"ousness", "ous"}, {"aliti", "al"}, {"iviti", "ive"}, {"biliti", "ble"}, {"fulli", "ful"},
	}
	step3 = []suffix{{"icate", "ic"}, {"ative", ""}, {"alize", "al"}, {"iciti", "ic"}, {"ical", "ic"}, {"ful", ""}, {"ness", ""}}
	step4 = []suffix{
		{"al", ""}, {"ance", ""}, {"ence", ""}, {"er", ""}, {"ic", ""}, {"able", ""}, {"ible", ""}, {"ant", ""}, {"ement", ""}, {"ment", ""},
		{"ent", ""}, {"ion", ""}, {"ou", ""}, {"ism", ""}, {"ate", ""}, {"iti", ""}, {"ous", ""}, {"ive", ""}, {"ize", ""},
	}
)

// strip applies the first rule that fits, if what it leaves has a measure above one.
func strip(word string, rules []suffix, above int) string {
	for _, r := range rules {
		s, ok := strings.CutSuffix(word, r.off)
		if !ok {
			continue
		}
		if measure(s) <= above || r.off == "ion" && !strings.HasSuffix(s, "s") && !strings.HasSuffix(s, "t") {
			return word
		}
		return s + r.on
	}
	return word
}

// plural is step 1a.
func plural(word string) string {
	switch {
	case strings.HasSuffix(word, "ies"):
		if len(word) == 4 {
			return word[:len(word)-1]
		}
		return word[:len(word)-2]
	case strings.HasSuffix(word, "sses"):
		return word[:len(word)-2]
	case strings.HasSuffix(word, "ss"):
		return word
	}
	return strings.TrimSuffix(word, "s")
}

// past is step 1b: -ied, -eed, -ed and -ing.
func past(word string) string {
	if strings.HasSuffix(word, "ied") {
		if len(word) == 4 {
			return word[:len(word)-1]
		}
		return word[:len(word)-2]
	}
	if s, ok := strings.CutSuffix(word, "eed"); ok {
		if measure(s) > 0 {
			return s + "ee"
		}
		return word
	}
	s, ok := strings.CutSuffix(word, "ed")
	if !ok {
		s, ok = strings.CutSuffix(word, "ing")
	}
	if !ok || !vowelIn(s) {
		return word
	}
	switch {
	case strings.HasSuffix(s, "at"), strings.HasSuffix(s, "bl"), strings.HasSuffix(s, "iz"):
		return s + "e"
	case len(s) >= 2 && s[len(s)-1] == s[len(s)-2] && consonant(s, len(s)-1):
		if strings.IndexByte("lsz", s[len(s)-1]) >= 0 {
			return s
		}
		return s[:len(s)-1]
	case measure(s) == 1 && shortEnd(s):
		return s + "e"
	}
	return s
}

// double is step 2: double suffixes become single ones.
func double(word string) string {
	for {
		s, ok := strings.CutSuffix(word, "alli")
		if !ok || measure(s) == 0 {
			break
		}
		word = s + "al"
	}
	for _, r := range step2 {
		if strings.HasSuffix(word, r.off) {
			return strip(word, []suffix{r}, 0)
		}
	}
	if s, ok := strings.CutSuffix(word, "logi"); ok && measure(s+"l") > 0 {
		return s + "log"
	}
	return word
}

// consonant tells of a letter: not a, e, i, o, u, nor a y after a consonant.
func consonant(word string, i int) bool {
	is := true
	for word[i] == 'y' && i > 0 {
		is = !is
		i--
	}
	return is == (strings.IndexByte("aeiou", word[i]) < 0)
}

// measure counts how often a vowel is followed by a consonant.
func measure(s string) (m int) {
	was := true
	for i := range len(s) {
		is := next(s, i, was)
		if is && !was {
			m++
		}
		was = is
	}
	return m
}

func vowelIn(s string) bool {
	was := true
	for i := range len(s) {
		if was = next(s, i, was); !was {
			return true
		}
	}
	return false
}

// next is consonant of a letter whose predecessor's answer is known.
func next(s string, i int, was bool) bool {
	if s[i] == 'y' {
		return i == 0 || !was
	}
	return strings.IndexByte("aeiou", s[i]) < 0
}

// shortEnd tells of a stem that ends with a short syllable: consonant, vowel, consonant but w, x and y; or is a vowel and a consonant.
func shortEnd(s string) bool {
	n := len(s)
	if n == 2 {
		return !consonant(s, 0) && consonant(s, 1)
	}
	return n >= 3 && consonant(s, n-3) && !consonant(s, n-2) && consonant(s, n-1) && strings.IndexByte("wxy", s[n-1]) < 0
}
