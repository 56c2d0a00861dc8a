package token

// Merge merges one piece as encoding does.
func (t *BPE) Merge(piece string) []int32 { return newEncoder().merge(t, nil, piece) }

// MergeLong merges one piece as encoding merges long ones.
func (t *BPE) MergeLong(piece string) []int32 { return newEncoder().mergeLong(t, nil, piece) }

// MergePairs are the merges by rank.
func (t *BPE) MergePairs() [][2]int32 { return t.parts.merges }

// ClassNames are the names of a character's class in regular expressions.
func ClassNames(r rune) []string {
	c, _ := class(string(r), 0)
	return map[byte][]string{classSpace: {"s"}, classNewline: {"s"}, classNumber: {"N"}, classUpper: {"L", "Lu"}, classLower: {"L", "Ll"},
		classCaseless: {"L", "Lo"}, classMark: {"M"}}[c]
}
