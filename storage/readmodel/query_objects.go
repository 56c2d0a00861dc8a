package readmodel

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"millrace/event"
)

// Object is a word of the read model on an object in storage.
type Object struct {
	Digest event.Digest
	// Size is in bytes, 0 where the record does not tell.
	Size int64
	// Kind says what refers to it: "dataset", "checkpoint", "artifact", "alias", "evaluation", "text", "run".
	Kind string
	// Run is the run whose record it is, "" when it is of none.
	Run event.RunID
	// Names tells that the object may name further ones, which are then referred to too: a dataset's manifest, a checkpoint's tree.
	Names bool
}

// Objects calls fn with everything that the records refer to, objects several times when several records do. It sees every fact that was
// applied before the call; facts are applied on meanwhile. It would rather tell of a digest that names no object than leave one out: where a record's
// form is not known every digest in it counts. Not told are snapshots and archives, checkpoints and datasets that were deleted (an alias still
// counts), and who merely read a checkpoint or a dataset that has a record of its own.
func (m *Model) Objects(ctx context.Context, fn func(Object)) error {
	if err := m.Commit(); err != nil {
		return err
	}
	tx, err := m.db.Begin(false) // not under the lock: this takes a while
	if err != nil {
		return fmt.Errorf("readmodel: objects: %w", errors.Join(ErrClosed, err))
	}
	defer func() { _ = tx.Rollback() }()
	o := objects{ctx: ctx, tx: tx, own: map[event.Digest]bool{}, fn: fn}
	return o.all()
}

type objects struct {
	ctx context.Context
	tx  *bbolt.Tx
	own map[event.Digest]bool // checkpoints and datasets, whose own records decide
	fn  func(Object)
}

func (o *objects) all() error {
	if err := errors.Join(o.each(tableCheckpoint, o.checkpoint), o.each(tableDataset, o.dataset), o.each(tableKept, o.kept)); err != nil {
		return err
	}
	for t := range tableCount {
		var err error
		switch t {
		case tableCheckpoint, tableDataset, tableKept:
		case tableMeta, tableLive, tableGone, tableSeries, tableLast, tableChunk, tableBlock, tableLine, tableAlert, tableAlertOrder, tableCheckpointOf,
			tableEvaluationOf, tableEdge, tableFiring, tableFiringOrder, tableFired, tableStored, tableVote: // they tell of what has a record elsewhere
		case tableAlias:
			err = o.each(t, func(_ string, _, value []byte) error {
				a, err := decode[Alias](value)
				o.fn(Object{Digest: a.Checkpoint, Kind: "alias", Names: true})
				return err
			})
		case tableArtifact:
			err = o.each(t, o.artifact)
		case tableEvaluation:
			err = o.each(t, o.evaluation)
		case tableText, tableRow:
			err = o.each(t, o.mentioned("text"))
		default:
			err = o.each(t, o.mentioned("run"))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// each reads a table.
func (o *objects) each(t table, fn func(group string, rest, value []byte) error) error {
	n := 0
	return o.tx.Bucket([]byte(layout[t].name)).ForEach(func(k, v []byte) error {
		if n++; n%1024 == 0 && o.ctx.Err() != nil {
			return o.ctx.Err()
		}
		group, rest, ok := cutPart(k)
		if !ok {
			return fmt.Errorf("readmodel: table %s: key %x: %w", layout[t].name, k, ErrBroken)
		}
		if err := fn(group, rest, v); err != nil {
			return fmt.Errorf("readmodel: table %s: key %x: %w", layout[t].name, k, err)
		}
		return nil
	})
}

func (o *objects) checkpoint(run string, _, value []byte) error {
	c, err := decode[Checkpoint](value)
	if err != nil {
		return err
	}
	o.own[c.Checkpoint] = true
	if c.Deleted {
		return nil
	}
	o.fn(Object{Digest: c.Checkpoint, Kind: "checkpoint", Run: event.RunID(run), Names: len(c.Files) == 0})
	for _, f := range c.Files {
		o.fn(Object{Digest: f.Digest, Size: f.Size, Kind: "checkpoint", Run: event.RunID(run)})
	}
	return nil
}

func (o *objects) dataset(_ string, _, value []byte) error {
	d, err := decode[Dataset](value)
	if err != nil {
		return err
	}
	o.own[d.Dataset] = true
	o.fn(Object{Digest: d.Dataset, Kind: "dataset", Names: true})
	o.fn(Object{Digest: d.Tokenizer, Kind: "dataset"})
	return nil
}

// kept finds datasets that were deleted.
func (o *objects) kept(kind string, rest, _ []byte) error {
	if kind != keptGone {
		return nil
	}
	if what, rest, ok := cutPart(rest); ok && what == "dataset" {
		digest, _, _ := cutPart(rest)
		o.own[event.Digest(digest)] = true
	}
	return nil
}

func (o *objects) artifact(run string, _, value []byte) error {
	a, err := decode[Artifact](value)
	if err != nil {
		return err
	}
	o.fn(Object{Digest: a.File.Digest, Size: a.File.Size, Kind: "artifact", Run: event.RunID(run)})
	return o.mentioned("artifact")(run, nil, value)
}

// evaluation keeps what a verdict names, but not what it is of.
func (o *objects) evaluation(run string, _, value []byte) error {
	e, err := decode[Evaluation](value)
	if err != nil {
		return err
	}
	for d := range Digests(value) {
		if d != e.Checkpoint && d != e.SuiteDigest {
			o.fn(Object{Digest: d, Kind: "evaluation", Run: event.RunID(run)})
		}
	}
	return nil
}

// mentioned tells of every digest in a record that is not of a checkpoint or dataset.
func (o *objects) mentioned(kind string) func(run string, rest, value []byte) error {
	return func(run string, rest, value []byte) error {
		if run == "" {
			run, _, _ = cutPart(rest)
		}
		for d := range Digests(value) {
			if !o.own[d] {
				o.fn(Object{Digest: d, Kind: kind, Run: event.RunID(run)})
			}
		}
		return nil
	}
}

// Digests yields every digest that stands anywhere in some text.
func Digests(text []byte) func(yield func(event.Digest) bool) {
	const head = "sha256:"
	return func(yield func(event.Digest) bool) {
		for {
			i := bytes.Index(text, []byte(head))
			if i < 0 {
				return
			}
			text = text[i:]
			if len(text) < len(head)+64 {
				return
			}
			if d := event.Digest(text[:len(head)+64]); d.Valid() && !yield(d) {
				return
			}
			text = text[len(head):]
		}
	}
}
