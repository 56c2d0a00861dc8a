package readmodel

import (
	"encoding/json"
	"slices"

	"millrace/event"
)

// runRewound hides what was logged after a step: points, texts, checkpoints, evaluations, artifacts with a step, and rows whose
// "_step" is greater. Usage samples stay: that time was spent. What is logged afterwards is new, also at the same steps.
func (f *fold) runRewound(e event.RunRewound) error {
	if f.run(e.Run) == nil {
		return nil
	}
	for _, n := range f.v.names(e.Run) {
		if n.identity == sampled {
			continue
		}
		if err := f.rewindSeries(n, e.Step); err != nil {
			return err
		}
	}
	group := string(e.Run)
	later, err := f.rewindRecords(group, e.Step)
	if err != nil {
		return err
	}
	return f.edit(e.Run, func(r *Run) {
		r.RewoundTo = &e.Step
		r.Steps = min(r.Steps, e.Step)
		r.Outputs = slices.DeleteFunc(slices.Clone(r.Outputs), func(out event.Input) bool { return out.Role == "checkpoint" && later[out.Digest] })
		if len(r.Outputs) == 0 {
			r.Outputs = nil
		}
		if r.Status == event.Finished { // what it had finished is gone: it stands at an earlier step
			r.Status = event.Paused
		}
	})
}

// rewindSeries writes a series anew under a new number, without what lies after a step. One that keeps nothing stays, empty, so that
// its revision goes on and readers notice.
func (f *fold) rewindSeries(n name, step int64) error {
	old, err := f.open(n)
	if err != nil {
		return err
	}
	if old.points == 0 || old.last.step <= step {
		return nil
	}
	var kept []columns
	err = f.columnsOf(old, func(c columns) {
		to := c.len()
		for to > 0 && c.steps[to-1] > step {
			to--
		}
		if to > 0 {
			kept = append(kept, c.slice(0, to))
		}
	})
	if err != nil {
		return f.damaged(n, err)
	}
	f.drop(old)
	s := &series{name: n, number: f.nextNumber, touched: f.env.Seq}
	f.nextNumber++
	f.pending.put(tableSeries, string(n.run), n.inRun(), []byte(parts(s.number)))
	f.remember(s)
	for _, c := range kept {
		for i := range c.len() {
			if _, err := f.log(s, c.at(i)); err != nil {
				return f.damaged(n, err)
			}
		}
		f.points += c.len()
		f.cached += c.len()
	}
	s.revision = old.revision + 1
	f.touch(s)
	return nil
}

// columnsOf calls fn with a series' chunks in order.
func (f *fold) columnsOf(s *series, fn func(columns)) error {
	src := source{name: s.name, group: s.group(), chunks: map[bound]columns{}}
	for c := range s.chunks() {
		src.chunks[c.lower] = c.slice(0, c.len())
	}
	return src.scan(f.v.bucket(tableChunk), floor, ceiling, func(c columns) bool { fn(c); return true })
}

// rewindRecords removes what is not a series and lies after a step, and tells which checkpoints were there.
func (f *fold) rewindRecords(group string, step int64) (later map[event.Digest]bool, err error) {
	type victim struct {
		t     table
		group string
		rest  string
	}
	var victims []victim
	later = map[event.Digest]bool{}
	f.v.scan(tableText, group, span{from: parts(step)}, func(rest, _ []byte) bool {
		if at, _, ok := cutInt(rest); ok && at > step {
			victims = append(victims, victim{tableText, group, string(rest)})
		}
		return true
	})
	f.v.scan(tableCheckpoint, group, span{from: parts(step)}, func(rest, value []byte) bool {
		var c Checkpoint
		if c, err = decode[Checkpoint](value); err != nil {
			return false
		}
		if c.Step > step {
			later[c.Checkpoint] = true
			victims = append(victims, victim{tableCheckpoint, group, string(rest)}, victim{tableCheckpointOf, string(c.Checkpoint), parts(group, c.Step)})
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	f.v.scan(tableEvaluation, group, span{from: parts(step)}, func(rest, value []byte) bool {
		var e Evaluation
		if e, err = decode[Evaluation](value); err != nil {
			return false
		}
		if e.Step > step {
			victims = append(victims, victim{tableEvaluation, group, string(rest)})
			for _, ref := range evaluationRefs(e.EvaluationCompleted) {
				victims = append(victims, victim{tableEvaluationOf, ref, parts(group) + string(rest)})
			}
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	f.v.scan(tableArtifact, group, span{}, func(rest, value []byte) bool {
		var a Artifact
		if a, err = decode[Artifact](value); err != nil {
			return false
		}
		if a.Step != nil && *a.Step > step {
			victims = append(victims, victim{tableArtifact, group, string(rest)})
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	f.v.scan(tableRow, group, span{}, func(rest, value []byte) bool {
		_, raw := cutStamp(value)
		var row struct {
			Step *float64 `json:"_step"`
		}
		if json.Unmarshal(raw, &row) == nil && row.Step != nil && *row.Step > float64(step) {
			victims = append(victims, victim{tableRow, group, string(rest)})
		}
		return true
	})
	for _, x := range victims {
		f.pending.remove(x.t, x.group, x.rest)
	}
	return later, nil
}
