package keeper

import (
	"context"
	"errors"
	"time"

	"millrace/storage/readmodel"
)

// Run takes snapshots when they are due, and applies the policies of what is kept once an hour, until ctx ends. What fails is told in the log
// and tried again.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	applied := k.Now()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if due, err := k.due(); err != nil {
			k.Log.Error("it cannot be told whether a snapshot is due", "error", err)
		} else if due {
			k.tried(ctx, "a snapshot", func() error {
				_, err := k.Snapshot(ctx, "keeper")
				return err
			})
		}
		if k.Now().Sub(applied) < time.Hour {
			continue
		}
		applied = k.Now()
		k.tried(ctx, "retention", func() error {
			_, err := k.ApplyRetention(ctx, false)
			return err
		})
	}
}

// tried does a deed and tells when it failed, unless somebody else is at one.
func (k *Keeper) tried(ctx context.Context, what string, do func() error) {
	err := do()
	var refused *Refusal
	if err != nil && ctx.Err() == nil && !(errors.As(err, &refused) && refused.code == conflict) {
		k.Log.Error(what+" failed and will be tried again", "error", err)
	}
}

// due tells whether so many facts came, or so much time went by, since the newest snapshot.
func (k *Keeper) due() (bool, error) {
	all, err := k.Model.Snapshots()
	if err != nil {
		return false, err
	}
	var last readmodel.Snapshot
	for _, s := range all {
		if s.Layout == readmodel.Layout {
			last = s
		}
	}
	is := k.Model.Cursor().Applied
	if is <= last.Seq {
		return false, nil
	}
	return k.SnapshotFacts > 0 && is-last.Place >= k.SnapshotFacts || k.SnapshotEvery > 0 && k.Now().Sub(last.At) >= k.SnapshotEvery, nil
}
