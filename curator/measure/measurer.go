package measure

import (
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
	stop  map[uint64]int // hash of a stop word: its index
	maybe [256]bool      // by the last byte of the hash: whether a look into stop is worth it
	found []bool         // which stop words were seen
	bad   badWords

	words repetition
	seen  table
	lower []byte
	kept  []byte
}

// New makes a measurer.
func New(opt Options) *Measurer {
	m := &Measurer{opt: opt, stop: map[uint64]int{}, bad: newBadWords(opt.BadWords)}
	for _, w := range opt.StopWords {
		if _, ok := m.stop[hash(w)]; !ok {
			m.stop[hash(w)] = len(m.stop)
			m.maybe[uint8(hash(w))] = true
		}
	}
	m.found = make([]bool, len(m.stop))
	return m
}

// scratchWords is the largest document whose scratch space is kept for the next: some 30 MB a measurer.
const scratchWords = 1 << 19

// Measure gives a document's values, and its text: with Options.Rewrite what C4 keeps of it, else the text itself.
func (m *Measurer) Measure(text string) (Values, string) {
	var v Values
	v[Chars] = int64(utf8.RuneCountInString(text))
	v[Hashes] = int64(strings.Count(text, "#"))
	v[Ellipses] = int64(strings.Count(text, "...") + strings.Count(text, "…"))
	m.words.reset()
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
		m.words, m.seen, m.lower, m.kept = repetition{}, table{}, nil, nil
	}
	return v, kept
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
	for i := 0; ; {
		start, end := m.opt.Words.Next(text, i)
		if start == len(text) {
			break
		}
		i = end
		word := text[start:end]
		var has, high uint8
		for k := range len(word) {
			c := word[k]
			high |= c
			has |= traits[c&(utf8.RuneSelf-1)]
		}
		chars := int64(len(word))
		if high >= utf8.RuneSelf {
			has, chars = look(word)
		}
		h := hash(word)
		m.words.add(h, start, chars)
		v[Words]++
		if has&alpha != 0 {
			v[AlphaWords]++
		}
		if has&plain != 0 {
			v[PlainWords]++
			v[PlainWordChars] += chars
		}
		if m.maybe[uint8(h)] {
			if at, ok := m.stop[h]; ok && !m.found[at] {
				m.found[at] = true
				v[StopWords]++
			}
		}
	}
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
			v[DupParagraphChars] += int64(utf8.RuneCountInString(p))
		}
	}
	m.seen.reset(strings.Count(text, "\n") + 1)
	for rest, more := text, true; more; {
		var line string
		line, rest, more = cutRun(rest, 1)
		v[TextLines]++
		if m.seen.add(hash(line)) > 1 {
			v[DupLines]++
			v[DupLineChars] += int64(utf8.RuneCountInString(line))
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
		chars := int64(utf8.RuneCountInString(line))
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
