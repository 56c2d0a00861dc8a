package bus

import (
	"errors"
	"fmt"
)

// Of Open.
var (
	// ErrLocked says that another process has the store directory open.
	ErrLocked = errors.New("the store directory is in use")
	// ErrUnreachable says that no NATS answers at the URL.
	ErrUnreachable = errors.New("NATS cannot be reached")
	// ErrRefused says that NATS answers but refuses our credentials.
	ErrRefused = errors.New("NATS refuses the credentials")
	// ErrCorrupt says that the store directory holds a log that the server cannot read.
	ErrCorrupt = errors.New("the log cannot be read")
)

// Of publishing.
var (
	// ErrExists says that the subject already has a fact.
	ErrExists = errors.New("the subject already has a fact")
	// ErrOvertaken says that a subject has a newer fact than the one that was known.
	ErrOvertaken = errors.New("a newer fact was faster")
	// ErrFull says that the log cannot take more: a full disk or a limit.
	ErrFull = errors.New("the log is full")
	// ErrTooLarge says that a fact does not fit in one message.
	ErrTooLarge = errors.New("the event is too large")
)

// Of reading.
var (
	// ErrNone says that a subject has no fact.
	ErrNone = errors.New("no fact on this subject")
	// ErrOtherLog says that the log is not the one that was read so far: it was replaced, or ends before the reader's place. What was
	// folded from it must be folded again from 1.
	ErrOtherLog = errors.New("this is another log")
	// ErrTrimmed says that facts after the reader's place were removed, so that reading on would leave a gap.
	ErrTrimmed = errors.New("facts were removed from the log")
	// ErrMissing says that facts between others are not there: deleted by an operator, or lost by a damaged disk.
	ErrMissing = errors.New("facts are missing from the log")
	// ErrNoLog says that the stream no longer exists.
	ErrNoLog = errors.New("the log no longer exists")
)

// ErrClosed is returned by every method once Close was called.
var ErrClosed = errors.New("the bus is closed")

// ErrPoison marks what no repeat can mend; see Poison.
var ErrPoison = errors.New("will never succeed")

// Poison wraps an error of a Work function to say that trying again is pointless: the fact is not delivered to the group again.
func Poison(err error) error { return fmt.Errorf("%w: %w", ErrPoison, err) }
