package measure

import (
	"slices"
	"strings"
	"unicode/utf8"

	"millrace/curator/words"
)

// Options decide what the numbers mean. Two documents' values compare only under the same options.
type Options struct {
	Words     words.Splitter
	StopWords []string // case matters
	// C4 says how lines are judged; Rewrite whether the text is what is left of them.
	C4      C4
	Rewrite bool
	// ShortLineChars and ParagraphChars are the lengths of ShortLines and LongParagraphs.
	ShortLineChars int64
	ParagraphChars int64
	BadWords       []string
}

// Measurer measures one document after another.
type Measurer struct {
	opt   Options
	stop  [256][]stopWord // by the last byte of the hash
	found []bool          // which stop words were seen
	bad   badWords

	ascii bool // the text is
	spans []words.Span
	words repetition
	seen  table
	lower []byte
	kept  []byte
}

// stopWord is the hash of one, and its place among them.
type stopWord struct {
	hash uint64
	at   int
}

// New makes a measurer.
func New(opt Options) *Measurer {
	m := &Measurer{opt: opt, bad: newBadWords(opt.BadWords)}
	for i, w := range opt.StopWords {
		if !slices.Contains(opt.StopWords[:i], w) {
			last := uint8(hash(w))
			m.stop[last] = append(m.stop[last], stopWord{hash(w), len(m.found)})
			m.found = append(m.found, false)
		}
	}
	return m
}

// scratchWords is the largest document whose scratch space is kept for the next: some 30 MB a measurer.
const scratchWords = 1 << 19

// Measure gives a document's values, and its text: with Options.Rewrite what C4 keeps of it, else the text itself.
func (m *Measurer) Measure(text string) (Values, string) {
	var v Values
	m.ascii = isASCII(text)
	v[Chars] = m.chars(text)
	v[Hashes] = int64(strings.Count(text, "#"))
	v[Ellipses] = int64(strings.Count(text, "...") + strings.Count(text, "…"))
	m.measureWords(text, &v)
	m.words.measure(&v)
	m.measureRepeats(text, &v)
	kept := m.measureLines(text, &v)
	if !m.opt.Rewrite {
		kept = text
		v[KeptWords] = v[Words]
	}
	m.measureKept(kept, &v)
	if len(m.bad.first) > 0 {
		v[BadWords] = m.bad.count(kept)
	}
	if len(m.words.hashes) > scratchWords {
		m.spans, m.words, m.seen, m.lower, m.kept = nil, repetition{}, table{}, nil, nil
	}
	return v, kept
}

// isASCII looks at eight bytes at once.
func isASCII(s string) bool {
	const high = 0x8080808080808080
	for ; len(s) >= 8; s = s[8:] {
		if load(s)&high != 0 {
			return false
		}
	}
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// chars is how many characters a part of the text has.
func (m *Measurer) chars(s string) int64 {
	if m.ascii {
		return int64(len(s))
	}
	return int64(utf8.RuneCountInString(s))
}

// What an ASCII character makes of its word.
const (
	alpha = 1 << iota // it has a letter
	plain             // it is not punctuation only
)

var traits = func() (t [utf8.RuneSelf]uint8) {
	for c := range t {
		switch {
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			t[c] = alpha | plain
		case c >= '0' && c <= '9':
			t[c] = plain
		}
	}
	return t
}()

func (m *Measurer) measureWords(text string, v *Values) {
	clear(m.found)
	missing := len(m.found)
	m.spans = m.opt.Words.Append(m.spans[:0], text)
	n := len(m.spans)
	m.words.hashes = slices.Grow(m.words.hashes[:0], n)[:n]
	m.words.ends = slices.Grow(m.words.ends[:0], n)[:n]
	total := uint32(0)
	for i, s := range m.spans {
		start, end := int(s.Start), int(s.End)
		h, high := hashWord(text, start, end)
		m.words.hashes[i] = h
		has, chars := traits[text[start]&(utf8.RuneSelf-1)], int64(end-start)
		if high&0x8080808080808080 != 0 {
			has, chars = look(text[start:end])
		} else if has != alpha|plain {
			for k := start + 1; k < end; k++ {
				has |= traits[text[k]&(utf8.RuneSelf-1)]
			}
		}
		total += uint32(chars)
		m.words.ends[i] = total
		v[AlphaWords] += int64(has & alpha)
		if has&plain != 0 {
			v[PlainWords]++
			v[PlainWordChars] += chars
		}
		if missing > 0 {
			for _, w := range m.stop[uint8(h)] {
				if w.hash == h && !m.found[w.at] {
					m.found[w.at] = true
					missing--
				}
			}
		}
	}
	v[Words] = int64(n)
	v[StopWords] = int64(len(m.found) - missing)
}

// measureRepeats finds paragraphs and lines that were there before.
func (m *Measurer) measureRepeats(text string, v *Values) {
	trimmed := words.Trim(text)
	m.seen.reset(strings.Count(trimmed, "\n\n") + 1)
	for rest, more := trimmed, true; more; {
		var p string
		p, rest, more = cutRun(rest, 2)
		v[Paragraphs]++
		if m.seen.add(hash(p)) > 1 {
			v[DupParagraphs]++
			v[DupParagraphChars] += m.chars(p)
		}
	}
	m.seen.reset(strings.Count(text, "\n") + 1)
	for rest, more := text, true; more; {
		var line string
		line, rest, more = cutRun(rest, 1)
		v[TextLines]++
		if m.seen.add(hash(line)) > 1 {
			v[DupLines]++
			v[DupLineChars] += m.chars(line)
		}
	}
}

// cutRun cuts text at its first run of at least n line feeds; more is false when there is none.
func cutRun(text string, n int) (before, after string, more bool) {
	for at := 0; ; {
		k := strings.IndexByte(text[at:], '\n')
		if k < 0 {
			return text, "", false
		}
		start := at + k
		at = start
		for at < len(text) && text[at] == '\n' {
			at++
		}
		if at-start >= n {
			return text[:start], text[at:], true
		}
	}
}

// measureKept measures what FineWeb's filter and mC4's paragraph rule look at.
func (m *Measurer) measureKept(text string, v *Values) {
	v[KeptNewlines] = int64(strings.Count(text, "\n"))
	m.seen.reset(int(v[KeptNewlines]) + 1)
	for line := range strings.SplitSeq(text, "\n") {
		chars := m.chars(line)
		v[KeptChars] += chars
		if chars >= m.opt.ParagraphChars {
			v[LongParagraphs]++
		}
		if words.TrimLeft(line) == "" {
			continue
		}
		v[KeptLines]++
		if words.EndsTerminal(line) {
			v[TerminalLines]++
		}
		if chars <= m.opt.ShortLineChars {
			v[ShortLines]++
		}
		if m.seen.add(hash(line)) > 1 {
			v[DupKeptLineChars] += chars
		}
	}
}
