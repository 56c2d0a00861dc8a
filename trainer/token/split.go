package token

import "iter"

// Split yields the pre-tokens of text by GPT-2's pattern; joined they are text again. It is GPT2.Split.
func Split(text string) iter.Seq[string] { return GPT2.Split(text) }

// Chunks cuts text into parts of at least size bytes (the last may be shorter) such that encoding the parts one by one
// gives the ids of the whole, for every Tokenizer: it cuts only where no pre-token of any Pattern goes across. That is
// between a printable ASCII character and a space or tab, and between an ASCII letter or digit and a newline. A text
// without such a place comes back whole.
func Chunks(text string, size int) iter.Seq[string] {
	return func(yield func(string) bool) {
		for len(text) > 0 {
			n := chunkLen(text, max(size, 1))
			if !yield(text[:n]) {
				return
			}
			text = text[n:]
		}
	}
}

func chunkLen(s string, size int) int {
	for i := size; i < len(s); i++ {
		// Only ASCII is looked at: a continuation byte before the space is the end of some character, which may itself be
		// a space (U+00A0), so that one is passed over.
		if s[i] >= 0x80 || s[i-1] >= 0x80 {
			continue
		}
		before := asciiClass[s[i-1]]
		switch asciiClass[s[i]] {
		case classSpace:
			if before&setSpaces == 0 {
				return i
			}
		case classNewline: // others take the newlines after them along in all patterns but GPT-2's
			if before&(setLetters|classNumber) != 0 {
				return i
			}
		}
	}
	return len(s)
}

// gpt2Len is the length of the first pre-token of s by GPT2. s must not be empty, here and in the other scanners.
func gpt2Len(s string) int {
	if s[0] == '\'' {
		if n := contractionLen(s); n > 0 {
			return n
		}
	}
	c, n := class(s, 0)
	if c&setSpaces != 0 {
		if s[0] != ' ' || len(s) == 1 {
			return gpt2Spaces(s)
		}
		// " ?" takes the one space before a word, a number or a run of others.
		var m int
		if c, m = class(s, 1); c&setSpaces != 0 {
			return gpt2Spaces(s)
		}
		n += m
	}
	switch {
	case c&setLetters != 0:
		return runEnd(s, n, setLetters)
	case c == classNumber:
		return runEnd(s, n, classNumber)
	}
	return runEnd(s, n, setOthers)
}

func gpt2Spaces(s string) int {
	end, last, _ := spaceRun(s)
	return spacesBefore(s, end, last)
}

// contractionLen is the length of 's 't 're 've 'm 'll 'd at the start of s, whatever follows; otherwise 0.
func contractionLen(s string) int {
	if len(s) < 2 {
		return 0
	}
	switch s[1] {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v':
		if len(s) > 2 && s[2] == 'e' {
			return 3
		}
	case 'l':
		if len(s) > 2 && s[2] == 'l' {
			return 3
		}
	}
	return 0
}

// anyCaseContractionLen is contractionLen in capital and small letters. U+017F, the long s, is an s to (?i).
func anyCaseContractionLen(s string) int {
	if len(s) < 2 || s[0] != '\'' {
		return 0
	}
	switch s[1] | 0x20 {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v':
		if len(s) > 2 && s[2]|0x20 == 'e' {
			return 3
		}
	case 'l':
		if len(s) > 2 && s[2]|0x20 == 'l' {
			return 3
		}
	}
	if len(s) > 2 && s[1:3] == "ſ" {
		return 3
	}
	return 0
}
