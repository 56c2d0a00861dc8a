package graph

import (
	"slices"

	"millrace/event"
	"millrace/graph/internal/view"
)

// lines is how many of a list's newest entries are wanted.
func lines(last *int) (int, error) {
	if last == nil {
		return defaultLines, nil
	}
	if *last < 0 {
		return 0, badInput("last is %d, want 0 or more", *last)
	}
	return min(*last, maxLines), nil
}

// console is a stream's newest lines in their order; without a stream, those of each stream, one after the other.
func (r *resolver) console(id event.RunID, stream string, n int) ([]view.ConsoleLine, error) {
	streams := []string{stream}
	if stream == "" {
		var err error
		if streams, _, err = r.Model.Streams(id); err != nil {
			return nil, err
		}
		slices.Sort(streams)
	}
	out := []view.ConsoleLine{}
	for _, s := range streams {
		got, err := r.Model.LastLines(id, s, n)
		if err != nil {
			return nil, err
		}
		for _, l := range got {
			out = append(out, view.ConsoleLine{Stream: s, Line: l.Number, Text: l.Text})
		}
	}
	return out, nil
}
