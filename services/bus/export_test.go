package bus

import "millrace/event"

// Cut shows the pieces that frames are cut into.
func Cut(frames []event.Frame, limit int) ([][]event.Frame, error) {
	pieces, err := cut(frames, limit)
	var out [][]event.Frame
	for _, p := range pieces {
		out = append(out, p.frames)
	}
	return out, err
}

// CutOff ends the connection without a word and for good, as a dead machine does.
func CutOff(b *Bus) { b.nc.Close() }

// Redacted shows how a URL is told to people.
func Redacted(urls string) string { return redacted(urls) }
