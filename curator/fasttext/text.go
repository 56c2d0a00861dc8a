package fasttext

import "strings"

// rowsOf fills s.rows with the rows of the input that stand for the text: those of words, of their character n-grams, and
// of word n-grams. A "</s>" ends the text.
func (m *Model) rowsOf(s *scratch, text string) {
	s.rows, s.hashes = s.rows[:0], s.hashes[:0]
	for i := 0; i < len(text); {
		if blank(text[i]) {
			i++
			continue
		}
		end := i
		for end < len(text) && !blank(text[end]) {
			end++
		}
		word := text[i:end]
		if word == endOfLine {
			break
		}
		m.addWord(s, word)
		i = end
	}
	m.addWord(s, endOfLine)
	m.addWordNgrams(s)
}

// blank tells what parts words.
func blank(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' || c == 0 }

func (m *Model) addWord(s *scratch, word string) {
	row, known := m.words[word]
	if known {
		s.rows = append(s.rows, row)
	} else if strings.HasPrefix(word, prefix) {
		return // a label is no word
	}
	if word != endOfLine && m.maxn > 0 {
		m.addSubwords(s, word)
	}
	s.hashes = append(s.hashes, int32(hash(fnvBasis, word)))
}

// addSubwords adds the n-grams of minn to maxn characters of "<word>", but "<" and ">" alone.
func (m *Model) addSubwords(s *scratch, word string) {
	s.word = append(append(append(s.word[:0], '<'), word...), '>')
	w := s.word
	for i := range w {
		if !begins(w[i]) {
			continue
		}
		h := uint32(fnvBasis)
		for end, n := i, 1; end < len(w) && n <= m.maxn; n++ {
			h = (h ^ uint32(int8(w[end]))) * fnvPrime
			for end++; end < len(w) && !begins(w[end]); end++ {
				h = (h ^ uint32(int8(w[end]))) * fnvPrime
			}
			if n >= m.minn && (n > 1 || i > 0 && end < len(w)) {
				m.addRow(s, h%uint32(m.bucket))
			}
		}
	}
}

// begins tells whether a byte begins a character.
func begins(c byte) bool { return c&0xc0 != 0x80 }

const (
	fnvBasis = 2166136261
	fnvPrime = 16777619
)

// hash is FNV-1a of 32 bits, but that bytes are taken for signed numbers.
func hash(h uint32, s string) uint32 {
	for i := range len(s) {
		h = (h ^ uint32(int8(s[i]))) * fnvPrime
	}
	return h
}

// addWordNgrams adds runs of 2 to wordNgrams words.
func (m *Model) addWordNgrams(s *scratch) {
	for i, first := range s.hashes {
		h := uint64(first) // with its sign
		for _, next := range s.hashes[i+1 : min(i+max(m.wordNgrams, 1), len(s.hashes))] {
			h = h*116049371 + uint64(next)
			m.addRow(s, uint32(h%uint64(m.bucket)))
		}
	}
}

// addRow adds the row of a bucket, if it was not pruned.
func (m *Model) addRow(s *scratch, bucket uint32) {
	if m.pruned {
		row, ok := m.kept[bucket]
		if !ok {
			return
		}
		bucket = uint32(row)
	}
	s.rows = append(s.rows, int32(len(m.words))+int32(bucket))
}
