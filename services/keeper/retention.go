package keeper

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"millrace/event"
	"millrace/storage/readmodel"
)

// retention names the keeper in the facts that a policy makes it publish.
const retention = "retention"

// Plan is what policies delete.
type Plan struct {
	Runs        []event.RunID
	Checkpoints []readmodel.Checkpoint
	Pruned      []event.RunPruned
	LogBefore   time.Time // facts before leave the log for the archive; zero: they stay
	// Database and Storage are the bytes that this frees, of the read model (runs only, known when they are gone) and of storage.
	Database, Storage int64
}

// Plan tells what the policies, and the trainings' own configurations, delete at this moment, set in the place of the one that it would replace when it is not nil. A run is spared that is starred, or has a tag
// or label "keep", or whose checkpoint an alias names; a checkpoint is spared that an alias names, or that a run which is not over reads; of a run
// that could be asked to go on the last one.
func (k *Keeper) Plan(ctx context.Context, set *event.RetentionSet) (Plan, error) {
	p, err := k.planner(set)
	if err != nil {
		return Plan{}, err
	}
	var plan Plan
	for _, id := range k.Model.RunIDs() {
		if err := ctx.Err(); err != nil {
			return Plan{}, err
		}
		run, err := k.Model.Run(id)
		if errors.Is(err, readmodel.ErrNotFound) {
			continue
		}
		if err == nil {
			err = p.run(&plan, run)
		}
		if err != nil {
			return Plan{}, err
		}
	}
	days := k.LogDays
	if policy, ok := p.policies[""]; ok {
		days = float64(policy.LogDays)
	}
	if days > 0 {
		plan.LogBefore = p.before(event.Number(days))
	}
	if len(plan.Runs) > 0 {
		if plan.Storage, err = k.Storage(ctx, What{Runs: plan.Runs}); err != nil {
			return Plan{}, err
		}
	}
	for _, c := range plan.Checkpoints {
		for _, f := range c.Files {
			plan.Storage += f.Size
		}
	}
	return plan, nil
}

// ApplyRetention does what the policies say, a fact for each deletion, and trims the log. With dry it only tells.
func (k *Keeper) ApplyRetention(ctx context.Context, dry bool) (Plan, error) {
	plan, err := k.Plan(ctx, nil)
	if err != nil || dry {
		return plan, err
	}
	var last uint64
	publish := func(e event.Event) error {
		seq, err := k.Bus.Publish(ctx, e)
		last = max(last, seq)
		return err
	}
	for _, e := range plan.Pruned {
		if err := publish(e); err != nil {
			return plan, err
		}
	}
	for _, c := range plan.Checkpoints {
		if err := publish(event.CheckpointDeleted{Run: c.Run, Step: c.Step, Checkpoint: c.Checkpoint}); err != nil {
			return plan, err
		}
	}
	for _, id := range plan.Runs {
		if err := publish(event.RunDeleted{Run: id, By: retention}); err != nil {
			return plan, err
		}
	}
	if err := k.Model.WaitFor(ctx, last); err != nil {
		return plan, err
	}
	for _, id := range plan.Runs {
		d, err := k.Model.Deletion(id)
		if err != nil {
			return plan, err
		}
		plan.Database += d.Freed
	}
	if !plan.LogBefore.IsZero() {
		_, err = k.Trim(ctx, TrimWish{Before: plan.LogBefore, By: retention})
	}
	return plan, err
}

// planner applies policies to one run after the other.
type planner struct {
	keeper   *Keeper
	now      time.Time
	policies map[event.ExperimentID]event.Retention
	named    map[event.Digest]bool // checkpoints that an alias names, or that a run which is not over reads
	aliased  map[event.RunID]bool
}

func (k *Keeper) planner(set *event.RetentionSet) (*planner, error) {
	p := &planner{keeper: k, now: k.Now(), policies: map[event.ExperimentID]event.Retention{}, named: map[event.Digest]bool{}, aliased: map[event.RunID]bool{}}
	policies, err := k.Model.Policies()
	if err != nil {
		return nil, err
	}
	for _, s := range policies {
		p.policies[s.Experiment] = s.Policy
	}
	if set != nil {
		p.policies[set.Experiment] = set.Policy
	}
	aliases, err := k.Model.Aliases("")
	if err != nil {
		return nil, err
	}
	for _, a := range aliases {
		p.named[a.Checkpoint], p.aliased[a.Run] = true, true
	}
	for _, id := range k.Model.RunIDs() {
		run, err := k.Model.Run(id)
		if errors.Is(err, readmodel.ErrNotFound) || err == nil && run.Status.Ended() {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, in := range run.Spec.Inputs {
			p.named[in.Digest] = true
		}
		if run.From != nil {
			p.named[run.From.Checkpoint] = true
		}
	}
	return p, nil
}

// before is so many days ago.
func (p *planner) before(days event.Number) time.Time {
	return p.now.Add(-time.Duration(float64(days) * float64(24*time.Hour)))
}

// old tells whether something was over so many days ago; 0 days is never.
func (p *planner) old(ended time.Time, days event.Number) bool {
	return days > 0 && !ended.IsZero() && ended.Before(p.before(days))
}

// run adds what a run's policy deletes.
func (p *planner) run(plan *Plan, run readmodel.Run) error {
	policy, ok := p.policies[run.Experiment]
	if !ok {
		policy = p.policies[""]
	}
	own := ownKeep(run.Spec)
	if !run.Status.Ended() {
		if own == nil {
			return nil
		}
		own.Last = max(own.Last, 1) // to go on from
		return p.checkpoints(plan, run, *own, true)
	}
	failed := run.Status == event.Failed || run.Status == event.Crashed || run.Status == event.Stopped
	if failed && p.old(run.EndedAt, policy.FailedRunsDays) && !kept(run) && !p.aliased[run.ID] {
		plan.Runs = append(plan.Runs, run.ID)
		return nil
	}
	prune := event.RunPruned{Run: run.ID, By: retention}
	if p.old(run.EndedAt, policy.ConsoleDays) {
		lines, rows, err := p.keeper.Model.Streams(run.ID)
		if err != nil {
			return err
		}
		prune.Console = len(lines)+len(rows) > 0
	}
	if p.old(run.EndedAt, policy.SystemDays) {
		keys, err := p.keeper.Model.Keys(run.ID)
		if err != nil {
			return err
		}
		prune.System = slices.ContainsFunc(keys, func(s readmodel.SeriesInfo) bool { return strings.HasPrefix(s.Key, "system/") })
	}
	if prune.Console || prune.System {
		plan.Pruned = append(plan.Pruned, prune)
	}
	if own != nil {
		own.Last = max(own.Last, 1)
		return p.checkpoints(plan, run, *own, true)
	}
	if policy.Checkpoints == nil {
		return nil
	}
	return p.checkpoints(plan, run, *policy.Checkpoints, false)
}

// ownKeep is what a training's own configuration says of its checkpoints; nil: nothing.
func ownKeep(spec event.Spec) *event.KeptCheckpoints {
	var c struct {
		Keep *event.KeptCheckpoints `json:"keep"`
	}
	if err := json.Unmarshal(spec.Config, &c); err != nil || spec.Kind != event.Train && spec.Kind != event.Finetune {
		return nil
	}
	return c.Keep
}

// kept tells whether a person wants a run to stay.
func kept(run readmodel.Run) bool {
	_, tagged := run.Tags["keep"]
	return tagged || run.Starred || slices.Contains(run.Labels, "keep")
}

// checkpoints adds those of a run that none of the policy's words keeps.
func (p *planner) checkpoints(plan *Plan, run readmodel.Run, keep event.KeptCheckpoints, own bool) error {
	all, err := p.keeper.Model.Checkpoints(run.ID) // by step
	if err != nil || len(all) == 0 {
		return err
	}
	last := keep.Last
	if run.Status.Resumable() {
		last = max(last, 1)
	}
	stays := map[int64]bool{}
	for i, c := range all {
		stays[c.Step] = p.named[c.Checkpoint] || i >= len(all)-last || keep.Every > 0 && c.Step%keep.Every == 0
	}
	if keep.Best > 0 {
		best, known, err := p.best(run, all, keep.Best, own)
		if err != nil {
			return err
		}
		if !known { // nobody can say which are the best: all may be
			return nil
		}
		for _, step := range best {
			stays[step] = true
		}
	}
	for _, c := range all {
		if !stays[c.Step] {
			plan.Checkpoints = append(plan.Checkpoints, c)
		}
	}
	return nil
}

// best finds the steps of the checkpoints with the best objective of the run's experiment. A checkpoint has the value at its own step, or the
// last one before; known is false when the experiment has no objective or the run no value. Where the run's own configuration asks, the lowest
// loss on held-out text is the best without an objective.
func (p *planner) best(run readmodel.Run, all []readmodel.Checkpoint, n int, own bool) (steps []int64, known bool, err error) {
	x, err := p.keeper.Model.Experiment(run.Experiment)
	if err != nil && !errors.Is(err, readmodel.ErrNotFound) {
		return nil, false, err
	}
	objective := x.Objective
	switch {
	case objective != nil:
	case own:
		objective = &event.Objective{Metric: "val/loss", Direction: "min"}
	default:
		return nil, false, nil
	}
	series, err := p.keeper.Model.Series(run.ID, readmodel.SeriesQuery{Keys: []string{objective.Metric}})
	if err != nil {
		return nil, false, err
	}
	type scored struct {
		step  int64
		value float64
	}
	var list []scored
	for _, c := range all {
		at, value := int64(math.MinInt64), math.NaN()
		for _, s := range series {
			i, found := slices.BinarySearch(s.Steps, c.Step)
			if !found {
				i--
			}
			if i >= 0 && s.Steps[i] >= at {
				at, value = s.Steps[i], s.Values[i]
			}
		}
		if !math.IsNaN(value) {
			if objective.Direction == "max" {
				value = -value
			}
			list = append(list, scored{c.Step, value})
		}
	}
	slices.SortStableFunc(list, func(a, b scored) int { return cmp.Or(cmp.Compare(a.value, b.value), cmp.Compare(b.step, a.step)) })
	for _, s := range list[:min(n, len(list))] {
		steps = append(steps, s.step)
	}
	return steps, len(list) > 0, nil
}
