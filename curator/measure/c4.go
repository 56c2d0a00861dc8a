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
	m.lower = appendLower(m.lower[:0], text)
	lorem := bytes.Contains(m.lower, []byte("lorem ipsum"))
	script := c.JavaScript && bytes.Contains(m.lower, []byte("javascript"))
	policy := c.Policy && (bytes.Contains(m.lower, []byte("cookie")) || bytes.Contains(m.lower, []byte("terms of use")) || bytes.Contains(m.lower, []byte("privacy policy")))
	curly := strings.IndexByte(text, '{') >= 0
	kept := m.kept[:0]
	some := false
	word := 0 // index of a word: those of the lines before are passed
	starts := m.words.starts
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
		low := m.lower[at : at+len(line)]
		few := fewWords(line, c.MinLineWords) // of the line with its citations
		lorem, script, policy := lorem, script, policy
		cited := false
		if c.Citations && strings.IndexByte(line, '[') >= 0 {
			if without := uncite(line); len(without) < len(line) {
				line, low = without, appendLower(nil, without)
				cited = true
				lorem, script, policy = true, c.JavaScript, c.Policy // what stood around a citation may be a phrase now
			}
		}
		if c.Terminal && !ends(line) || few {
			continue
		}
		if lorem && v[C4LoremLine] == 0 && bytes.Contains(low, []byte("lorem ipsum")) {
			v[C4LoremLine] = v[Lines]
		}
		if script && bytes.Contains(low, []byte("javascript")) {
			continue
		}
		if curly && v[C4CurlyLine] == 0 && strings.IndexByte(line, '{') >= 0 {
			v[C4CurlyLine] = v[Lines]
		}
		if policy && hasPolicy(low) {
			continue
		}
		if cited {
			v[KeptWords] += m.opt.Words.Count(line)
		} else {
			for word < len(starts) && int(starts[word]) < at {
				word++
			}
			from := word
			for word < len(starts) && int(starts[word]) < at+len(line) {
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
