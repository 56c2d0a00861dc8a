package graph

// lineCount is how many rows are wanted, within bounds.
func lineCount(first *int) (int, error) {
	if first == nil {
		return defaultLines, nil
	}
	if *first < 0 {
		return 0, badInput("first is %d, want 0 or more", *first)
	}
	return min(*first, maxLines), nil
}
