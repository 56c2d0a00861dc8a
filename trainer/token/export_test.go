package token

// MergeShort and MergeLong let tests compare the two ways to merge one piece.
func (t *BPE) MergeShort(piece string) []int32 {
	return (&encoder{}).mergeShort(t, nil, piece)
}

func (t *BPE) MergeLong(piece string) []int32 {
	return (&encoder{}).mergeLong(t, nil, piece)
}

// MergePairs are the merges by rank.
func (t *BPE) MergePairs() [][2]int32 { return t.merges }
