package attribute

import (
	"bufio"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"

	"millrace/event"
)

// sortEntries is how many entries are held in memory, 16 bytes each; more go to a temporary file.
const sortEntries = 1 << 21

// Indexer sorts entries into an index. It holds 32 MiB; what is more is on disk. The result does not depend on the order in which
// entries come. Close it.
type Indexer struct {
	Dir string // of the temporary file; the system's folder when empty

	held []Entry
	most int // of held; sortEntries unless a test says otherwise
	file *os.File
	name string // of the file, where it could not be removed while it is open
	runs []int64
	end  int64
}

// Add takes an entry. It fails when a temporary file cannot be written.
func (x *Indexer) Add(e Entry) error {
	if x.most == 0 {
		x.most = sortEntries
	}
	if x.held = append(x.held, e); len(x.held) >= x.most {
		return x.spill()
	}
	return nil
}

func unwritten(err error) error {
	return fmt.Errorf("index of attributes: %w: it takes some 80 bytes a document in the folder for temporary files (TMPDIR)", err)
}

// spill writes what is held, sorted.
func (x *Indexer) spill() error {
	if x.file == nil {
		f, err := os.CreateTemp(x.Dir, "millrace-index-")
		if err != nil {
			return unwritten(err)
		}
		x.file = f
		if os.Remove(f.Name()) != nil {
			x.name = f.Name() // some systems remove no open file
		}
	}
	slices.SortFunc(x.held, Entry.compare)
	w := bufio.NewWriterSize(io.NewOffsetWriter(x.file, x.end), 256<<10)
	var raw []byte
	for _, e := range x.held {
		raw = appendEntry(raw[:0], e)
		if _, err := w.Write(raw); err != nil {
			return unwritten(err)
		}
	}
	if err := w.Flush(); err != nil {
		return unwritten(err)
	}
	x.runs = append(x.runs, x.end)
	x.end += int64(len(x.held)) * entryBytes
	x.held = x.held[:0]
	return nil
}

// Blobs are the index of all that was added, in order, each with its first key. Nothing may be added afterwards.
func (x *Indexer) Blobs(ctx context.Context, recipe event.Digest) iter.Seq2[Part, error] {
	return parts(recipe, x.sorted(ctx))
}

// Close removes the temporary file.
func (x *Indexer) Close() error {
	if x.file == nil {
		return nil
	}
	err := x.file.Close()
	if x.name != "" {
		err = errors.Join(err, os.Remove(x.name))
	}
	x.file = nil
	return err
}

// sorted is every entry in order.
func (x *Indexer) sorted(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		slices.SortFunc(x.held, Entry.compare)
		m := merger{}
		if err := m.open(x); err != nil {
			yield(Entry{}, err)
			return
		}
		for n := 1; len(m) > 0; n++ {
			if n%(1<<16) == 0 && ctx.Err() != nil {
				yield(Entry{}, ctx.Err())
				return
			}
			if !yield(m[0].head, nil) {
				return
			}
			if err := m[0].next(); errors.Is(err, io.EOF) {
				heap.Pop(&m)
			} else if err != nil {
				yield(Entry{}, err)
				return
			} else {
				heap.Fix(&m, 0)
			}
		}
	}
}

// cursor is a sorted run, on disk or held, with its first entry that was not taken.
type cursor struct {
	head Entry
	in   *bufio.Reader
	held []Entry
}

func (c *cursor) next() error {
	if c.in == nil {
		if len(c.held) == 0 {
			return io.EOF
		}
		c.head, c.held = c.held[0], c.held[1:]
		return nil
	}
	var raw [entryBytes]byte
	if _, err := io.ReadFull(c.in, raw[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return io.EOF
		}
		return fmt.Errorf("index of attributes: temporary file: %w", err)
	}
	e := entryAt(raw[:])
	if c.head.compare(e) > 0 {
		return errors.New("index of attributes: a temporary file was changed or damaged: run the recipe again")
	}
	c.head = e
	return nil
}

// merger is a heap of cursors.
type merger []*cursor

func (m *merger) open(x *Indexer) error {
	all := []*cursor{{held: x.held}}
	for i, from := range x.runs {
		to := x.end
		if i+1 < len(x.runs) {
			to = x.runs[i+1]
		}
		all = append(all, &cursor{in: bufio.NewReaderSize(io.NewSectionReader(x.file, from, to-from), 16<<10)})
	}
	for _, c := range all {
		if err := c.next(); err == nil {
			*m = append(*m, c)
		} else if !errors.Is(err, io.EOF) {
			return err
		}
	}
	heap.Init(m)
	return nil
}

func (m merger) Len() int           { return len(m) }
func (m merger) Less(i, j int) bool { return m[i].head.compare(m[j].head) < 0 }
func (m merger) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }
func (m *merger) Push(any)          { panic("a merge only shrinks") }
func (m *merger) Pop() any {
	last := (*m)[len(*m)-1]
	*m = (*m)[:len(*m)-1]
	return last
}
