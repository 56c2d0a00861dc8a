package node

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"millrace/event"
	"millrace/graph"
	"millrace/services/keeper"
	"millrace/services/rules"
	"millrace/storage/readmodel"
)

// compactFrom is how many bytes of a read model's file are free at least, besides more than half of it, before it is rewritten at the start.
const compactFrom = 64 << 20

// openArchive lets every reader of the log go on into its archive.
func (n *Node) openArchive(context.Context) error {
	n.archive = &keeper.Archive{Bus: n.bus, Blobs: n.blobs}
	n.bus.Remember(n.archive)
	return nil
}

// prepare brings the read model's file near the log's end before it is opened, and gives back what of it is free.
func (n *Node) prepare(ctx context.Context, path string) error {
	freed, err := readmodel.Compact(path, compactFrom)
	if err != nil {
		return err
	}
	if freed > 0 {
		n.log.Info("the read model's file was compacted", "freed", freed)
	}
	return keeper.Prepare(ctx, n.bus, n.archive, path, n.log)
}

// openKeeper works beside the tracker.
func (n *Node) openKeeper(context.Context) error {
	if n.tracker == nil {
		return nil
	}
	c := n.config.Keep
	facts := c.SnapshotFacts
	if facts == 0 {
		facts = 1_000_000
	}
	n.keeper = &keeper.Keeper{
		Bus: n.bus, Blobs: n.blobs, Model: n.model, Archive: n.archive, Temp: n.config.Data, SnapshotFacts: uint64(max(0, facts)),
		SnapshotEvery: time.Duration(max(0, c.SnapshotHours) * float64(time.Hour)), LogDays: max(0, c.LogDays), Now: time.Now, Log: n.log,
	}
	var err error
	n.past, err = keeper.OpenPast(n.keeper, filepath.Join(n.config.Data, "past"), keeper.PastLimits{Models: c.PastModels, Bytes: c.PastBytes})
	if err != nil {
		return fmt.Errorf("node: %w", err)
	}
	n.closes = append(n.closes, n.past.Close)
	n.trials = rules.NewTrials(n.bus, n.model, n.past, rules.TrialLimits{Bytes: c.PastBytes})
	return nil
}

// keeping is the keeper as GraphQL wants it.
type keeping struct{ *keeper.Keeper }

// First is where the log itself begins.
func (k keeping) First(ctx context.Context) (uint64, error) {
	s, err := k.Bus.State(ctx)
	return max(1, s.First), err
}

func (k keeping) Trim(ctx context.Context, before time.Time, place uint64, dry bool, by string) (graph.Trimmed, error) {
	t, err := k.Keeper.Trim(ctx, keeper.TrimWish{Before: before, Place: place, DryRun: dry, By: by})
	return graph.Trimmed(t), err
}

func (k keeping) Collect(ctx context.Context, grace time.Duration, dry bool) (graph.Garbage, error) {
	g, err := k.Keeper.Collect(ctx, grace, dry)
	out := graph.Garbage{Objects: g.Objects, Bytes: g.Bytes}
	for _, o := range g.Kept {
		out.Kept = append(out.Kept, graph.KeptObjects(o))
	}
	return out, err
}

func (k keeping) Plan(ctx context.Context, set *event.RetentionSet) (graph.RetentionPlan, error) {
	p, err := k.Keeper.Plan(ctx, set)
	return planned(p), err
}

func (k keeping) ApplyRetention(ctx context.Context, dry bool) (graph.RetentionPlan, error) {
	p, err := k.Keeper.ApplyRetention(ctx, dry)
	return planned(p), err
}

func planned(p keeper.Plan) graph.RetentionPlan {
	return graph.RetentionPlan{
		Runs: p.Runs, Checkpoints: p.Checkpoints, Pruned: len(p.Pruned), LogBefore: p.LogBefore, Database: p.Database, Storage: p.Storage,
	}
}

func (k keeping) Storage(ctx context.Context, runs []event.RunID, checkpoint *readmodel.Checkpoint, dataset event.Digest) (int64, error) {
	w := keeper.What{Runs: runs, Dataset: dataset}
	if checkpoint != nil {
		w.Run, w.Step = checkpoint.Run, checkpoint.Step
	}
	return k.Keeper.Storage(ctx, w)
}

// CompactView gives back what is free in the read model's file of a stopped node, when that is more than half, and tells how much it was.
func CompactView(data string) (freed int64, err error) {
	return readmodel.Compact(filepath.Join(data, "readmodel.db"), 1)
}
