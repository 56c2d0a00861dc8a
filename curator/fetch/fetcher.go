package fetch

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Errors a caller may want to branch on.
var (
	// ErrNothing: nothing was fetched; the message says why.
	ErrNothing = errors.New("nothing was fetched")
	// ErrDenied: the model's endpoint refused the key.
	ErrDenied = errors.New("the endpoint refused the key")
	// ErrUnavailable: the model's endpoint does not answer, or not as it should. What it has answered is kept.
	ErrUnavailable = errors.New("the endpoint does not answer")
	// ErrBusy: somebody else has taken the directory.
	ErrBusy = errors.New("the directory is in use")
	// ErrDamaged: the directory's journal is not what was written.
	ErrDamaged = errors.New("the journal was changed or damaged")
)

// Fetcher fetches into a directory.
type Fetcher struct {
	// Dir belongs to one Crawl or Synthetic, until it is removed.
	Dir *Dir
	// Now is the clock: of WARC-Date, of rates and pauses.
	Now func() time.Time
	// Pause is how long the first pause is before a request is sent again; every next is twice as long. 0 is 1 s.
	Pause time.Duration
	// Progress, when set, is called from the goroutine that fetches.
	Progress func(Progress)
}

// Progress says how far a Fetcher is.
type Progress struct {
	Done  int64 // pages or samples
	Total int64 // as far as is known; a crawl finds more
	Bytes int64 // received, in this call
}

// Result is what lies in the directory.
type Result struct {
	Parts []Part // in order
	// Got counts pages or samples, Tokens what the model's endpoint said that they took. Received is the bytes of bodies that
	// came over the network, in this call and those before it.
	Got      int64
	Tokens   Tokens
	Received int64
	// Left counts what was asked for and is not among them, by reason, most first.
	Left []Count
}

// Part is a file of the directory, durable. Its name tells its place.
type Part struct {
	Name string
	Size int64
}

// Count is a reason and how often it came.
type Count struct {
	Reason string
	N      int64
}

// Tokens are counted by the endpoint.
type Tokens struct {
	Prompt     int64 `json:"prompt"`
	Completion int64 `json:"completion"`
}

// partBytes is how large a part becomes before the next begins; it is stored in one piece.
const partBytes = 32 << 20

// counts is a table in a fixed order.
func counts(m map[string]int64) []Count {
	var list []Count
	for reason, n := range m {
		list = append(list, Count{reason, n})
	}
	slices.SortFunc(list, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Reason, b.Reason))
	})
	return list
}

func (f Fetcher) path(name string) string { return f.Dir.Path(name) }

func (f Fetcher) pause() time.Duration { return cmp.Or(f.Pause, time.Second) }

// remove deletes a file, durably.
func remove(path string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
