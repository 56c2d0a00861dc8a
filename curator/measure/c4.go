package measure

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"millrace/curator/words"
)

// C4 is how C4's filter judges lines, which it takes without white space at the ends. A line is left out when, in this
// order: it has a run of more than MaxWordChars characters without white space; Terminal is set and it does not end in one of
// . ? ! " ', or ends in "..."; it has fewer than MinLineWords such runs; JavaScript is set and it has "javascript"; Policy is
// set and it has a phrase of cookie and privacy notices. Citations are taken out of a line after the first of these rules.
// Case is folded in ASCII only. 0 is no bound.
type C4 struct {
	Citations    bool // take "[12]", "[]", "[edit]" and "[citation needed]" out
	Terminal     bool
	JavaScript   bool
	Policy       bool
	MaxWordChars int64
	MinLineWords int64
}

var policies = []string{"terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies"}

// measureLines measures lines as Gopher's quality filter does and walks over them as C4's; it gives the text C4 keeps.
func (m *Measurer) measureLines(text string, v *Values) string {
	c := m.opt.C4
	looks := m.looksFor(text)
	citations := c.Citations && strings.IndexByte(text, '[') >= 0
	kept := m.kept[:0]
	some := false
	word := 0 // index of a word: those of the lines before are passed
	spans := m.spans
	for rest := text; rest != ""; {
		at := len(text) - len(rest)
		var line string
		line, rest = words.Line(rest)
		v[Lines]++
		left := words.TrimLeft(line)
		at += len(line) - len(left)
		line = words.TrimRight(left)
		if strings.HasPrefix(line, "-") || strings.HasPrefix(line, "•") {
			v[BulletLines]++
		}
		if strings.HasSuffix(line, "...") || strings.HasSuffix(line, "…") {
			v[EllipsisLines]++
		}
		if c.MaxWordChars > 0 && longWord(line, c.MaxWordChars) {
			continue
		}
		few := fewWords(line, c.MinLineWords) // of the line with its citations
		looks := looks
		cited := false
		if citations && strings.IndexByte(line, '[') >= 0 {
			if without := uncite(line); len(without) < len(line) {
				line = without
				cited = true
				looks.lorem, looks.script, looks.policy = true, c.JavaScript, c.Policy // what stood around a citation may be a phrase now
			}
		}
		if c.Terminal && !ends(line) || few {
			continue
		}
		var low []byte
		if looks.lorem || looks.script || looks.policy {
			m.lower = appendLower(m.lower[:0], line)
			low = m.lower
		}
		if looks.lorem && v[C4LoremLine] == 0 && bytes.Contains(low, []byte("lorem ipsum")) {
			v[C4LoremLine] = v[Lines]
		}
		if looks.script && bytes.Contains(low, []byte("javascript")) {
			continue
		}
		if looks.curly && v[C4CurlyLine] == 0 && strings.IndexByte(line, '{') >= 0 {
			v[C4CurlyLine] = v[Lines]
		}
		if looks.policy && hasPolicy(low) {
			continue
		}
		if cited {
			v[KeptWords] += m.opt.Words.Count(line)
		} else {
			for word < len(spans) && int(spans[word].Start) < at {
				word++
			}
			from := word
			for word < len(spans) && int(spans[word].Start) < at+len(line) {
				word++
			}
			v[KeptWords] += int64(word - from)
		}
		v[C4Sentences] += words.Sentences(line)
		if some {
			kept = append(kept, '\n')
		}
		some = true
		kept = append(kept, line...)
	}
	m.kept = kept
	if !m.opt.Rewrite {
		return ""
	}
	return words.Trim(string(kept))
}

// looks says what a line may have because the text has it somewhere.
type looks struct{ lorem, script, policy, curly bool }

// looksFor searches the text once, so that most texts' lines need not be. The letters by which phrases are found are rare.
func (m *Measurer) looksFor(text string) looks {
	return looks{
		lorem:  hasFold(text, "lorem ipsum", 7),
		script: m.opt.C4.JavaScript && hasFold(text, "javascript", 0),
		policy: m.opt.C4.Policy && (hasFold(text, "cookie", 3) || hasFold(text, "terms of use", 7) || hasFold(text, "privacy policy", 3)),
		curly:  strings.IndexByte(text, '{') >= 0,
	}
}

// hasFold tells whether text has a phrase of small ASCII letters and spaces, in capitals or not; it looks for the letter at
// phrase[at].
func hasFold(text, phrase string, at int) bool {
	for _, letter := range [2]byte{phrase[at], phrase[at] &^ 0x20} {
		for from := at; from < len(text); from++ {
			i := strings.IndexByte(text[from:], letter)
			if i < 0 {
				break
			}
			from += i
			if start := from - at; len(text)-start >= len(phrase) && equalFold(text[start:start+len(phrase)], phrase) {
				return true
			}
		}
	}
	return false
}

func equalFold(s, phrase string) bool {
	for i := range len(s) {
		c := s[i]
		if c-'A' < 26 {
			c |= 0x20
		}
		if c != phrase[i] {
			return false
		}
	}
	return true
}

func appendLower(dst []byte, s string) []byte {
	from := len(dst)
	dst = append(dst, s...)
	for i, c := range dst[from:] {
		if c-'A' < 26 {
			dst[from+i] = c | 0x20
		}
	}
	return dst
}

func hasPolicy(line []byte) bool {
	for _, p := range policies {
		if bytes.Contains(line, []byte(p)) {
			return true
		}
	}
	return false
}

func ends(line string) bool {
	if line == "" || strings.HasSuffix(line, "...") {
		return false
	}
	return strings.IndexByte(`.?!"'`, line[len(line)-1]) >= 0
}

func fewWords(line string, least int64) bool {
	i := 0
	for range least {
		start, end := words.NextField(line, i)
		if start == len(line) {
			return true
		}
		i = end
	}
	return false
}

func longWord(line string, most int64) bool {
	if int64(len(line)) <= most {
		return false
	}
	for i := 0; ; {
		start, end := words.NextField(line, i)
		if start == len(line) {
			return false
		}
		if int64(end-start) > most && int64(utf8.RuneCountInString(line[start:end])) > most {
			return true
		}
		i = end
	}
}

// uncite takes citations out.
func uncite(line string) string {
	var out []byte
	done := 0
	for i := 0; i < len(line); {
		if n := citation(line[i:]); n > 0 {
			out = append(out, line[done:i]...)
			i += n
			done = i
			continue
		}
		i++
	}
	if done == 0 {
		return line
	}
	return string(append(out, line[done:]...))
}

// citation is the length of the citation that s begins with.
func citation(s string) int {
	if s[0] != '[' {
		return 0
	}
	for _, c := range []string{"[edit]", "[citation needed]"} {
		if strings.HasPrefix(s, c) {
			return len(c)
		}
	}
	for i, r := range s[1:] {
		if r == ']' {
			return i + 2
		}
		if !unicode.IsDigit(r) {
			break
		}
	}
	return 0
}
