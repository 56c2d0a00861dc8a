package blocklist

// automaton finds many words in one walk (Aho and Corasick 1975), over ASCII letters in lower case and numbers.
type automaton struct {
	next [][symbols]int32 // by state and symbol; state 0 is the beginning
	ends []int32          // how many words end in a state
}

const symbols = 36

// symbol is the number of a letter or number, whatever its case; -1 for other bytes.
func symbol(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'z':
		return int(c|0x20-'a') + 10
	}
	return -1
}

func newAutomaton(words []string) automaton {
	var a automaton
	if len(words) == 0 {
		return a
	}
	a.next, a.ends = make([][symbols]int32, 1), make([]int32, 1)
	for _, word := range words {
		at := int32(0)
		for i := range len(word) {
			to := &a.next[at][symbol(word[i])]
			if *to == 0 {
				*to = int32(len(a.next))
				at = *to
				a.next, a.ends = append(a.next, [symbols]int32{}), append(a.ends, 0)
				continue
			}
			at = *to
		}
		a.ends[at] = 1 // a word that is listed twice is one
	}
	// fail is the longest end of what a state has read that is a beginning of a word; states in the order of their depth.
	fail := make([]int32, len(a.next))
	queue := make([]int32, 0, len(a.next))
	for _, to := range a.next[0] {
		if to != 0 {
			queue = append(queue, to)
		}
	}
	for i := 0; i < len(queue); i++ {
		at := queue[i]
		a.ends[at] += a.ends[fail[at]]
		for c := range symbols {
			to := a.next[at][c]
			if to == 0 {
				a.next[at][c] = a.next[fail[at]][c]
				continue
			}
			fail[to] = a.next[fail[at]][c]
			queue = append(queue, to)
		}
	}
	return a
}

// count is how often words stand in text, bytes that are no letter or number left out.
func (a *automaton) count(text string) int64 {
	if a.next == nil {
		return 0
	}
	var n int64
	at := int32(0)
	for i := range len(text) {
		c := symbol(text[i])
		if c < 0 {
			continue
		}
		at = a.next[at][c]
		n += int64(a.ends[at])
	}
	return n
}
