package event

import (
	"errors"
	"fmt"
	"strings"
)

// Batch is what one writer logs of one run at once. Its facts go into the log one after the other; those that a first try brought there
// are ignored when the batch is sent again.
type Batch struct {
	Run    RunID
	Writer WriterID
	// Sequence is the batch's number: a writer counts 1, 2, 3 …. 0: the batch has none, and a repeat is no repeat.
	Sequence uint64
	// Facts are all about Run. Metric points are in one MetricsLogged whose frames are of Writer; it may be anywhere among them.
	Facts []Event
}

// Receipt is the answer to a batch.
type Receipt struct {
	// Seq is a place in the log at or after which every fact of the batch is there, durable.
	Seq uint64
	// Points is how many metric points the batch has.
	Points int
	// Duplicate tells that the whole batch had been taken before.
	Duplicate bool
}

// Numbers of a batch's facts: the batch's in the upper bits, the fact's place below, the last one marked.
const (
	batchShift = 16
	lastOfAll  = 1<<batchShift - 1
	// MaxBatchFacts bounds the facts of a batch, each frame of metric points being one.
	MaxBatchFacts = lastOfAll
	// MaxBatchSequence bounds the number of a batch.
	MaxBatchSequence = 1<<(64-batchShift) - 1
)

// ErrTooManyFacts is returned for a batch with more than MaxBatchFacts facts.
var ErrTooManyFacts = errors.New("too many facts in one batch")

// BatchEnd is the sequence of the last fact of a batch: once the fold has seen it the whole batch has been taken.
func BatchEnd(batch uint64) uint64 { return batch<<batchShift | lastOfAll }

// BatchTaken is the newest batch that was taken as a whole when sequence was the last fact seen of a writer; 0: none.
func BatchTaken(sequence uint64) uint64 {
	if sequence&lastOfAll == lastOfAll {
		return sequence >> batchShift
	}
	return max(sequence>>batchShift, 1) - 1
}

// Number gives the facts of a batch their sequences: envelopes in the order in which they are to be published, without times. The same
// batch gets the same ids each time.
func (b Batch) Number() ([]Envelope, error) {
	n := 0
	for _, e := range b.Facts {
		n += weight(e)
	}
	if n > MaxBatchFacts || b.Sequence > MaxBatchSequence {
		return nil, fmt.Errorf("event: batch %d of writer %q: %d facts: %w", b.Sequence, b.Writer, n, ErrTooManyFacts)
	}
	i := 0
	next := func(more int) uint64 {
		i += more
		switch {
		case b.Sequence == 0:
			return 0
		case i == n:
			return BatchEnd(b.Sequence)
		}
		return b.Sequence<<batchShift | uint64(i-1)
	}
	out := make([]Envelope, 0, len(b.Facts))
	for _, e := range b.Facts {
		if m, ok := e.(MetricsLogged); ok {
			frames := make([]Frame, len(m.Frames))
			for i, f := range m.Frames {
				f.Sequence = next(1)
				frames[i] = f
			}
			out = append(out, Envelope{Event: MetricsLogged{Gateway: m.Gateway, Frames: frames}})
			continue
		}
		env := Envelope{Event: e, Writer: b.Writer, Sequence: next(weight(e))}
		if seq := env.Sequence; seq > 0 {
			env.ID = DerivedID("logged", string(b.Run), string(b.Writer), fmt.Sprint(seq))
		}
		out = append(out, env)
	}
	return out, nil
}

// weight is how many numbers of a batch a fact takes: one that carries others takes theirs, and has the last of them, so that a batch has
// the same numbers however its facts are carried.
func weight(e Event) int {
	switch e := e.(type) {
	case MetricsLogged:
		return len(e.Frames)
	case BatchLogged:
		return max(1, len(e.Facts))
	}
	return 1
}

// RunOf is the run that a fact is about, "" when it is about something else; frames of metric points name their runs themselves.
func RunOf(e Event) RunID {
	rest, ok := strings.CutPrefix(e.Subject(), Prefix+"run.")
	if !ok {
		return ""
	}
	run, _, _ := strings.Cut(rest, ".")
	return RunID(run)
}
