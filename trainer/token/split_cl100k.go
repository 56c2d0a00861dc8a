package token

// cl100kLen is the length of the first pre-token of s by CL100K.
func cl100kLen(s string) int {
	if n := cl100kWord(s); n > 0 {
		return n
	}
	end, last, newline := spaceRun(s)
	if newline > 0 && end < len(s) {
		return newline
	}
	return spacesBefore(s, end, last)
}

// llama3Len is the length of the first pre-token of s by Llama3, which differs from CL100K only at the end of a text: its
// last newlines part from the spaces after them.
func llama3Len(s string) int {
	if n := cl100kWord(s); n > 0 {
		return n
	}
	end, last, newline := spaceRun(s)
	if newline > 0 {
		return newline
	}
	return spacesBefore(s, end, last)
}

// cl100kWord is the length of what the alternatives before those of spaces match at the start of s; otherwise 0.
func cl100kWord(s string) int {
	if n := anyCaseContractionLen(s); n > 0 {
		return n
	}
	c, n := class(s, 0)
	switch {
	case c&setLetters != 0:
		return runEnd(s, n, setLetters)
	case c == classNumber:
		return upTo3Numbers(s, n)
	case c&setPrefix != 0 && n < len(s):
		if next, m := class(s, n); next&setLetters != 0 {
			return runEnd(s, n+m, setLetters)
		}
	}
	if n := othersLen(s, c, n); n > 0 {
		return runEnd(s, n, classNewline)
	}
	return 0
}

// othersLen is the length of ` ?[^\s\p{L}\p{N}]+` at the start of s, whose first character has class c and n bytes;
// otherwise 0.
func othersLen(s string, c byte, n int) int {
	if s[0] == ' ' && len(s) > 1 {
		var m int
		c, m = class(s, 1)
		n += m
	}
	if c&setOthers == 0 {
		return 0
	}
	return runEnd(s, n, setOthers)
}
