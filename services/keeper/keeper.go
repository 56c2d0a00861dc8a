package keeper

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"millrace/services/bus"
	"millrace/storage/blob"
	"millrace/storage/readmodel"
)

// Keeper does what keeps storage and log small. One works beside each tracker; two of them at the same time do no harm.
type Keeper struct {
	Bus     *bus.Bus
	Blobs   *blob.Store
	Model   *readmodel.Model
	Archive *Archive
	// Temp is a folder for copies on their way.
	Temp string
	// SnapshotFacts and SnapshotEvery are after how many facts, and how long, Run takes a snapshot; 0: never.
	SnapshotFacts uint64
	SnapshotEvery time.Duration
	// LogDays is how many days the log keeps facts when no policy says so; 0: for ever.
	LogDays float64
	Now     func() time.Time
	Log     *slog.Logger

	doing sync.Mutex // one deed at a time
}

// Refusal is why something asked for was not done.
type Refusal struct {
	code, hint string
	field      []string
	err        error
}

func (r *Refusal) Error() string   { return r.err.Error() }
func (r *Refusal) Unwrap() error   { return r.err }
func (r *Refusal) Code() string    { return r.code }
func (r *Refusal) Hint() string    { return r.hint }
func (r *Refusal) Field() []string { return r.field }

// The codes of refusals.
const (
	invalid     = "INVALID"
	conflict    = "CONFLICT"
	unavailable = "UNAVAILABLE"
)

func refuse(code, field, hint, format string, args ...any) error {
	r := &Refusal{code: code, hint: hint, err: fmt.Errorf(format, args...)}
	if field != "" {
		r.field = []string{field}
	}
	return r
}

// begin makes sure that one deed is done at a time.
func (k *Keeper) begin() (end func(), err error) {
	if !k.doing.TryLock() {
		return nil, refuse(conflict, "", "wait until it is done", "a snapshot, a trim or a collection is under way already")
	}
	return k.doing.Unlock, nil
}

// ErrSnapshot is returned for a snapshot that cannot be restored.
var ErrSnapshot = errors.New("the snapshot cannot be restored")
