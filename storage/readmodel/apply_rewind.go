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
		f.rewindSeries(n, e.Step)
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
func (f *fold) rewindSeries(n name, step int64) {
	old := f.open(n)
	if old.points == 0 || old.last.step <= step {
		f.tell(old)
		return
	}
	var kept []columns
	f.columnsOf(old, func(c columns) {
		to := c.len()
		for to > 0 && c.steps[to-1] > step {
			to--
		}
		if to > 0 {
			kept = append(kept, columns{slices.Clone(c.steps[:to]), slices.Clone(c.times[:to]), slices.Clone(c.values[:to])})
		}
	})
	f.tell(old)
	f.drop(old)
	s := &series{name: n, number: f.nextNumber, touched: f.env.Seq}
	s.damaged = old.damaged
	f.nextNumber++
	f.pending.put(tableSeries, string(n.run), n.inRun(), []byte(parts(s.number)))
	f.remember(s)
	for _, c := range kept {
		for i := range c.len() {
			f.log(s, c.at(i))
		}
		f.points += c.len()
		f.cached += c.len()
	}
	s.revision = old.revision + 1
	f.touch(s)
}

// columnsOf calls fn with those chunks of a series that can be read, in order. They are good during the call only.
func (f *fold) columnsOf(s *series, fn func(columns)) {
	src := source{name: s.name, number: s.number, chunks: map[bound]columns{}}
	for c := range s.chunks() {
		src.chunks[c.lower] = c.slice(0, c.len())
	}
	src.scan(f.v.shelf(), floor, ceiling, func(c columns) bool { fn(c); return true })
	if src.fault != nil {
		s.spoil(src.fault)
	}
}

// rewindRecords removes what is not a series and lies after a step, and tells which checkpoints were there.
func (f *fold) rewindRecords(group string, step int64) (later map[event.Digest]bool, err error) {
	type victim struct {
		t     table
		group string
		rest  string
	}
	var victims []victim
	var files []event.File
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
			if !c.Deleted {
				files = append(files, c.Files...)
			}
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
			if a.keeps() {
				files = append(files, a.File)
			}
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
	if err := f.releaseFiles(event.RunID(group), files); err != nil {
		return nil, err
	}
	for _, x := range victims {
		f.pending.remove(x.t, x.group, x.rest)
	}
	return later, nil
}
