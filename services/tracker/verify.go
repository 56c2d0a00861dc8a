package tracker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"

	"millrace/event"
	"millrace/services/bus"
	"millrace/storage/readmodel"
)

// unverified lists the reproductions that had no verdict when the node stopped.
func (t *Tracker) unverified(ctx context.Context) ([]event.RunID, error) {
	return t.Model.Unverified(ctx)
}

// verify compares one reproduction with its original as points and checkpoints arrive. The first difference decides at once;
// otherwise the end of the run does, which is not yet there while it is only paused.
func (t *Tracker) verify(ctx context.Context, id event.RunID) error {
	run, err := t.Model.Run(id)
	if errors.Is(err, readmodel.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	c := comparison{t: t, is: id, was: run.Branch.From, after: map[string]readmodel.Mark{}, points: map[string]int64{}, limit: run.StopAfter, digests: map[int64]bool{}}
	if c.limit == 0 {
		c.limit = math.MaxInt64
	}
	c.progress.done = make(chan struct{})
	for { // one that was resumed may still be judged as it ended before
		other, busy := t.comparing.LoadOrStore(id, &c.progress)
		if !busy {
			break
		}
		select {
		case <-other.(*progress).done:
		case <-ctx.Done():
			return nil
		}
	}
	defer func() {
		t.comparing.Delete(id)
		close(c.progress.done)
	}()
	w := t.Model.Watch(id)
	defer w.Close()
	for {
		run, err := t.Model.Run(id)
		if errors.Is(err, readmodel.ErrNotFound) {
			return nil // deleted
		}
		if err != nil {
			return err
		}
		ended := run.Status.Ended() && run.Status != event.Paused // asked before comparing: nothing comes after the end
		if err := c.advance(run, ended); err != nil {
			return err
		}
		c.progress.points.Store(c.compared())
		c.progress.digests.Store(int64(len(c.digests)))
		if c.first != nil || ended {
			return t.judge(ctx, run, &c)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.C():
		}
	}
}

// progress is how much of a reproduction has been compared.
type progress struct {
	points, digests atomic.Int64
	done            chan struct{} // closed when there is a verdict
}

// Compared is how many points and digests of a reproduction that has no verdict yet were the same so far.
func (t *Tracker) Compared(id event.RunID) (points, digests int64) {
	if p, ok := t.comparing.Load(id); ok {
		p := p.(*progress)
		return p.points.Load(), p.digests.Load()
	}
	return 0, 0
}

// judge publishes the verdict, once. That a reproduction was incomplete holds until it is resumed and ends again.
func (t *Tracker) judge(ctx context.Context, run readmodel.Run, c *comparison) error {
	v := event.ReproductionVerified{Run: c.is, Of: c.was, Points: c.compared(), Digests: int64(len(c.digests)), FirstDifference: c.first}
	of, err := t.Model.Run(c.was)
	if err != nil {
		return err
	}
	v.Environment = environmentDifferences(of.Environment(), run.Environment())
	complete, err := c.complete(of, run)
	switch {
	case err != nil:
		return err
	case c.first != nil:
		v.Verdict = "different"
	case complete:
		v.Verdict = "identical"
	default:
		v.Verdict = "incomplete"
	}
	env, err := t.Bus.Last(ctx, v.Subject())
	switch {
	case errors.Is(err, bus.ErrNone):
	case err != nil:
		return err
	default:
		if old, ok := env.Event.(event.ReproductionVerified); !ok || old.Verdict != "incomplete" || v.Verdict == "incomplete" && v.Points <= old.Points {
			return nil
		}
	}
	_, err = t.Bus.PublishAfter(ctx, event.Envelope{Event: v}, env.Seq)
	if errors.Is(err, bus.ErrExists) {
		return nil // another tracker was first
	}
	return err
}

// comparison is how far two runs have been compared.
type comparison struct {
	t        *Tracker
	is, was  event.RunID
	limit    int64                     // steps beyond it are not compared
	after    map[string]readmodel.Mark // by series: how far the reproduction has been read
	points   map[string]int64          // by series: how many were compared
	digests  map[int64]bool            // steps of checkpoints compared; of an evaluation files, by their number
	first    *event.Difference
	progress progress
}

// advance compares what is new in the reproduction: of a training its points and checkpoints, of a curation the dataset, of an evaluation
// the scores and the answers.
func (c *comparison) advance(run readmodel.Run, ended bool) error {
	switch run.Kind {
	case event.Curate:
		if !ended {
			return nil
		}
		return c.advanceDataset(run)
	case event.Evaluate:
		return c.advanceScores()
	}
	for {
		more, err := c.advancePoints()
		if err != nil {
			return err
		}
		if !more {
			return c.advanceDigests()
		}
	}
}

func (c *comparison) advancePoints() (more bool, err error) {
	fresh, err := c.t.Model.Points(c.is, readmodel.PointsQuery{After: c.after, MaxPoints: 10_000})
	if err != nil {
		return false, err
	}
	for _, s := range fresh {
		c.after[s.Ref()] = s.Mark
		more = more || s.More
		if s.Reset {
			c.points[s.Ref()] = 0
		}
		if s.Sampled || len(s.Steps) == 0 || !c.t.Deterministic(s.Key) {
			continue
		}
		lo, hi := s.Steps[0], min(s.Steps[len(s.Steps)-1], c.limit)
		olds, err := c.t.Model.Series(c.was, readmodel.SeriesQuery{Keys: []string{s.Key}, Context: &s.Context, Writers: []event.WriterID{s.Writer}, MinStep: &lo, MaxStep: &hi})
		if err != nil {
			return false, err
		}
		was := map[int64]float64{}
		for _, o := range olds {
			for i, step := range o.Steps {
				was[step] = o.Values[i]
			}
		}
		for i, step := range s.Steps {
			old, ok := was[step]
			if !ok || step > c.limit {
				continue
			}
			c.points[s.Ref()]++
			if math.Float64bits(old) != math.Float64bits(s.Values[i]) {
				c.differ(event.Difference{Step: step, Key: s.Key, Was: exact(old), Is: exact(s.Values[i])})
			}
		}
	}
	return more, nil
}

func (c *comparison) advanceDigests() error {
	is, err := c.t.Model.Checkpoints(c.is)
	if err != nil {
		return err
	}
	for _, k := range is {
		was, err := c.t.Model.Checkpoint(c.was, k.Step)
		if errors.Is(err, readmodel.ErrNotFound) || c.digests[k.Step] || k.Step > c.limit {
			continue
		}
		if err != nil {
			return err
		}
		c.digests[k.Step] = true
		if was.Checkpoint != k.Checkpoint {
			c.differ(event.Difference{Step: k.Step, Key: "checkpoint", Was: string(was.Checkpoint), Is: string(k.Checkpoint)})
		}
	}
	return nil
}

// compared is how many points were, of all series.
func (c *comparison) compared() (n int64) {
	for _, k := range c.points {
		n += k
	}
	return n
}

// differ keeps the difference with the lowest step.
func (c *comparison) differ(d event.Difference) {
	if c.first == nil || d.Step < c.first.Step {
		c.first = &d
	}
}

// complete tells whether the reproduction ended as its original did and everything deterministic that the original has up to the limit was
// there to compare.
func (c *comparison) complete(of, run readmodel.Run) (bool, error) {
	// Of an original that failed the same failure is the same; one that was stopped is done again up to there.
	if run.Status != event.Finished && !(of.Status == event.Failed && run.Status == event.Failed && of.Failure != nil && run.Failure != nil && of.Failure.Code == run.Failure.Code) {
		return false, nil
	}
	switch run.Kind {
	case event.Curate:
		return len(c.digests) > 0, nil
	case event.Evaluate:
		want, err := c.scores(c.was)
		if err != nil {
			return false, err
		}
		files, err := c.answers(c.was)
		return err == nil && len(want) > 0 && c.compared() == int64(len(want)) && len(c.digests) == len(files), err
	}
	series, err := c.t.Model.Series(c.was, readmodel.SeriesQuery{MaxStep: &c.limit})
	if err != nil {
		return false, err
	}
	var points int64
	for _, s := range series {
		if !s.Sampled && c.t.Deterministic(s.Key) && s.Writer != evaluationWriter {
			points += int64(len(s.Steps))
		}
	}
	checkpoints, err := c.t.Model.Checkpoints(c.was)
	if err != nil {
		return false, err
	}
	for _, k := range checkpoints {
		if k.Step <= c.limit && !c.digests[k.Step] {
			return false, nil
		}
	}
	return points > 0 && c.compared() == points, nil
}

// evaluationWriter writes scores into the series of the run it judges; a reproduction's checkpoints are not judged.
const evaluationWriter = event.WriterID("evaluation")

func exact(v float64) string { return fmt.Sprintf("%v (%016x)", v, math.Float64bits(v)) }

// environmentDifferences names what is not the same where the two ran.
func environmentDifferences(a, b *event.Environment) []string {
	if a == nil || b == nil {
		return nil
	}
	var out []string
	for _, f := range []struct {
		name   string
		va, vb any
	}{
		{"os", a.OS, b.OS}, {"arch", a.Arch, b.Arch}, {"go", a.Go, b.Go}, {"binary", a.Binary.Short(), b.Binary.Short()}, {"cpu", a.CPU, b.CPU},
		{"engine", a.Engine, b.Engine}, {"kernels", a.Kernels, b.Kernels}, {"threads", a.Threads, b.Threads},
		{"gpus", fmt.Sprint(a.GPUs), fmt.Sprint(b.GPUs)}, {"gpu_driver", a.GPUDriver, b.GPUDriver},
	} {
		if f.va != f.vb {
			out = append(out, fmt.Sprintf("%s: %v → %v", f.name, f.va, f.vb))
		}
	}
	return out
}
