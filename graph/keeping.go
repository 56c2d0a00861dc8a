package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"millrace/event"
	"millrace/graph/internal/gen"
	"millrace/storage/readmodel"
)

// errNoKeeper refuses what only a keeper can do.
var errNoKeeper = refusal{code: "UNAVAILABLE", message: "this node keeps nothing: ask one with the role tracker"}

func (r *resolver) keeper() (Keeper, error) {
	if r.Config.Keeper == nil {
		return nil, errNoKeeper
	}
	return r.Config.Keeper, nil
}

// maxNamed bounds how many things a plan names.
const maxNamed = 1000

func snapshotOf(s readmodel.Snapshot) gen.Snapshot {
	return gen.Snapshot{
		Seq: int64(s.Place), At: s.At, Digest: string(s.SnapshotTaken.Snapshot), Layout: s.Layout, Bytes: s.Bytes, Stored: s.Stored,
	}
}

// snapshotAt finds a snapshot by its place, which was just taken.
func (r *resolver) snapshotAt(taken event.SnapshotTaken) (*gen.Snapshot, error) {
	all, err := r.Model.Snapshots()
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		if s.Place == taken.Place && s.Layout == taken.Layout {
			return ptr(snapshotOf(s)), nil
		}
	}
	return ptr(snapshotOf(readmodel.Snapshot{SnapshotTaken: taken, At: r.Now()})), nil
}

// trim moves the log's beginning into the archive.
func (r *resolver) trim(ctx context.Context, in gen.TrimLogInput) (*gen.TrimmedLog, error) {
	k, err := r.keeper()
	if err != nil {
		return nil, err
	}
	if (in.Before == nil) == (in.Seq == nil) {
		return nil, refusal{code: "INVALID", message: "give before or seq, one of them"}
	}
	place := deref(in.Seq)
	if in.Seq != nil && place < 1 {
		return nil, refusal{code: "INVALID", message: fmt.Sprintf("seq is %d, and places begin at 1", place), field: []string{"seq"}}
	}
	t, err := k.Trim(ctx, deref(in.Before), uint64(place), deref(in.DryRun), deref(in.By))
	if err != nil {
		return nil, err
	}
	out := &gen.TrimmedLog{FirstSeq: int64(t.First), Archived: t.Archived, Stored: t.Stored, Freed: t.Freed}
	if t.Held != "" {
		out.Held = &t.Held
	}
	return out, nil
}

// storageOf is what deleting something frees in storage; without a keeper nobody can tell.
func (r *resolver) storageOf(ctx context.Context, runs []event.RunID, checkpoint *readmodel.Checkpoint, dataset event.Digest) (int64, error) {
	if r.Config.Keeper == nil {
		return 0, nil
	}
	return r.Config.Keeper.Storage(ctx, runs, checkpoint, dataset)
}

// deleteRuns deletes runs and says what that frees.
func (r *resolver) deleteRuns(ctx context.Context, by string, ids ...event.RunID) (*gen.Freed, error) {
	storage, err := r.storageOf(ctx, ids, nil, "")
	if err != nil {
		return nil, err
	}
	freed := &gen.Freed{Storage: storage}
	for _, id := range ids {
		if _, err := r.Tracker.Submit(ctx, event.RunDeleted{Run: id, By: by}); err != nil {
			return nil, err
		}
		d, err := r.Model.Deletion(id)
		if err != nil && !errors.Is(err, readmodel.ErrNotFound) {
			return nil, err
		}
		freed.Database += d.Freed
	}
	return freed, nil
}

// deleteRun deletes one run.
func (r *resolver) deleteRun(ctx context.Context, in gen.DeleteRunInput) (*gen.DeleteRunPayload, error) {
	err := r.runExists(in.ID, "id")
	var freed *gen.Freed
	if err == nil {
		freed, err = r.deleteRuns(ctx, deref(in.By), event.RunID(in.ID))
	}
	errs, err := r.userErrors(ctx, err)
	if err != nil || len(errs) > 0 {
		return &gen.DeleteRunPayload{UserErrors: errs}, err
	}
	return &gen.DeleteRunPayload{DeletedID: &in.ID, Freed: freed, UserErrors: errs}, nil
}

// deleted answers a wish to delete.
func (r *resolver) deleted(ctx context.Context, id string, freed *gen.Freed, err error) (*gen.DeletePayload, error) {
	errs, err := r.userErrors(ctx, err)
	if err != nil || len(errs) > 0 {
		return &gen.DeletePayload{UserErrors: errs}, err
	}
	return &gen.DeletePayload{DeletedID: &id, Freed: freed, UserErrors: errs}, nil
}

func (r *resolver) deleteCheckpoint(ctx context.Context, in gen.DeleteCheckpointInput) (string, *gen.Freed, error) {
	if err := r.runExists(in.Run, "run"); err != nil {
		return "", nil, err
	}
	freed := &gen.Freed{}
	c, err := r.Model.Checkpoint(event.RunID(in.Run), in.Step)
	switch {
	case err == nil:
		if freed.Storage, err = r.storageOf(ctx, nil, &c, ""); err != nil {
			return "", nil, err
		}
	case !errors.Is(err, readmodel.ErrNotFound): // the tracker refuses that
		return "", nil, err
	}
	env, err := r.Tracker.Submit(ctx, event.CheckpointDeleted{Run: event.RunID(in.Run), Step: in.Step})
	if err != nil {
		return "", nil, err
	}
	gone, _ := env.Event.(event.CheckpointDeleted)
	return string(gone.Checkpoint), freed, nil
}

func (r *resolver) deleteDataset(ctx context.Context, in gen.DeleteDatasetInput) (string, *gen.Freed, error) {
	digest := event.Digest(in.Dataset)
	if !digest.Valid() {
		all, err := r.Model.Datasets() // newest first
		if err != nil {
			return "", nil, err
		}
		for _, d := range all {
			if d.Name == in.Dataset {
				digest = d.Dataset
				break
			}
		}
	}
	d, err := r.Model.Dataset(digest)
	if errors.Is(err, readmodel.ErrNotFound) {
		return "", nil, refusal{code: "NOT_FOUND", message: fmt.Sprintf("there is no dataset %q", in.Dataset), field: []string{"dataset"}}
	}
	if err != nil {
		return "", nil, err
	}
	raw, err := json.Marshal(d)
	if err != nil {
		return "", nil, err
	}
	freed := &gen.Freed{Database: int64(len(raw))}
	if freed.Storage, err = r.storageOf(ctx, nil, nil, digest); err != nil {
		return "", nil, err
	}
	_, err = r.Tracker.Submit(ctx, event.DatasetDeleted{Dataset: digest, Force: deref(in.Force), By: deref(in.By)})
	return string(digest), freed, err
}

func (r *resolver) deleteExperiment(ctx context.Context, in gen.DeleteExperimentInput) (string, *gen.Freed, error) {
	id, err := r.experimentID(in.ID)
	if err != nil {
		return "", nil, err
	}
	var ids []event.RunID
	for _, run := range r.Model.RunIDs() {
		is, err := r.Model.Run(run)
		if errors.Is(err, readmodel.ErrNotFound) || err == nil && is.Experiment != id {
			continue
		}
		if err != nil {
			return "", nil, err
		}
		if !is.Status.Ended() && !is.Foreign() {
			return "", nil, refusal{code: "CONFLICT", message: fmt.Sprintf("run %s of it is %s", run, is.Status), hint: "stop it first: millrace stop " + string(run), field: []string{"id"}}
		}
		ids = append(ids, run)
	}
	freed, err := r.deleteRuns(ctx, deref(in.By), ids...)
	if err != nil {
		return "", nil, err
	}
	_, err = r.Tracker.Submit(ctx, event.ExperimentDeleted{Experiment: id, By: deref(in.By)})
	return string(id), freed, err
}

func (r *resolver) collect(ctx context.Context, in gen.CollectGarbageInput) (*gen.Garbage, error) {
	k, err := r.keeper()
	if err != nil {
		return nil, err
	}
	hours := 24.0
	if in.OlderHours != nil {
		hours = *in.OlderHours
	}
	if !(hours >= 0 && hours <= 1e6) {
		return nil, refusal{code: "INVALID", message: fmt.Sprintf("olderHours is %v: a number of hours", hours), field: []string{"olderHours"}}
	}
	g, err := k.Collect(ctx, time.Duration(hours*float64(time.Hour)), deref(in.DryRun))
	if err != nil {
		return nil, err
	}
	out := &gen.Garbage{Objects: g.Objects, Bytes: g.Bytes, Kept: []gen.KeptObjects{}}
	for _, o := range g.Kept {
		out.Kept = append(out.Kept, gen.KeptObjects(o))
	}
	return out, nil
}

// retentionSet reads a wish for a policy; an unknown key is an error.
func (r *resolver) retentionSet(in gen.SetRetentionInput) (event.RetentionSet, error) {
	set := event.RetentionSet{By: deref(in.By)}
	dec := json.NewDecoder(bytes.NewReader(in.Policy))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&set.Policy); err != nil {
		return set, refusal{code: "INVALID", message: "the policy cannot be read: " + err.Error(), field: []string{"policy"},
			hint: `it is like {"checkpoints": {"best": 3, "every": 1000, "last": 1}, "failed_runs_days": 14, "console_days": 30, "system_days": 30, "log_days": 90}`}
	}
	if in.Experiment != nil {
		var err error
		if set.Experiment, err = r.experimentID(*in.Experiment); err != nil {
			return set, err
		}
	}
	return set, nil
}

func (r *resolver) setRetention(ctx context.Context, in gen.SetRetentionInput) (*gen.RetentionPlan, error) {
	k, err := r.keeper()
	if err != nil {
		return nil, err
	}
	set, err := r.retentionSet(in)
	if err != nil {
		return nil, err
	}
	plan, err := k.Plan(ctx, &set)
	if err != nil {
		return nil, err
	}
	if !deref(in.DryRun) {
		if _, err := r.Tracker.Submit(ctx, set); err != nil {
			return nil, err
		}
	}
	return planOf(plan), nil
}

func planOf(p RetentionPlan) *gen.RetentionPlan {
	out := &gen.RetentionPlan{
		Runs: []string{}, RunCount: len(p.Runs), Checkpoints: []string{}, CheckpointCount: len(p.Checkpoints), Pruned: p.Pruned,
		Freed: &gen.Freed{Database: p.Database, Storage: p.Storage},
	}
	for _, id := range p.Runs[:min(len(p.Runs), maxNamed)] {
		out.Runs = append(out.Runs, string(id))
	}
	for _, c := range p.Checkpoints[:min(len(p.Checkpoints), maxNamed)] {
		out.Checkpoints = append(out.Checkpoints, fmt.Sprintf("%s@%d", c.Run, c.Step))
	}
	if !p.LogBefore.IsZero() {
		out.LogBefore = &p.LogBefore
	}
	return out
}
