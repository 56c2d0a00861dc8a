package token

// o200kLen is the length of the first pre-token of s by O200K.
func o200kLen(s string) int {
	c, n := class(s, 0)
	if n := o200kWord(s, c, n); n > 0 {
		return n + anyCaseContractionLen(s[n:])
	}
	if c == classNumber {
		return upTo3Numbers(s, n)
	}
	if n := othersLen(s, c, n); n > 0 {
		for n < len(s) && (s[n] == '\r' || s[n] == '\n' || s[n] == '/') {
			n++
		}
		return n
	}
	end, last, newline := spaceRun(s)
	if newline > 0 {
		return newline
	}
	return spacesBefore(s, end, last)
}

// o200kWord is the length of a word without its contraction; otherwise 0. The two alternatives of the pattern are
//
//	[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+
//	[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*
//
// Modifier letters, other letters and marks are in both sets, so the first one backtracks: capitals followed by no small
// letter give back characters until the last one that may count as small, and the word ends behind it. The optional first
// character may be a mark, which is a word by itself when it begins none.
func o200kWord(s string, c byte, n int) int {
	switch {
	case c&setLetters != 0:
		capitals, match := smallEnd(s, 0)
		if match > 0 {
			return match
		}
		return capitals
	case c&setPrefix == 0:
		return 0
	}
	capitals, match := smallEnd(s, n)
	switch {
	case match > 0:
		return match
	case c == classMark:
		return n
	case capitals > n:
		return capitals
	}
	return 0
}

// smallEnd tries [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+ at s[i:]. match is its end, 0 when it does not
// match; capitals is then where the first set's run ends.
func smallEnd(s string, i int) (capitals, match int) {
	for i < len(s) {
		c, n := class(s, i)
		if c&setCapital == 0 {
			if c == classLower {
				return i, runEnd(s, i+n, setSmall)
			}
			break
		}
		i += n
		if c&setSmall != 0 {
			match = i
		}
	}
	return i, match
}
