package readmodel

import (
	"bytes"
	"maps"
	"slices"

	"millrace/event"
)

// runDeleted removes everything of a run but the word that it was deleted, by whom, and what that freed. Later facts about it change
// nothing. Datasets that it made and runs that it evaluated stay.
func (f *fold) runDeleted(e event.RunDeleted) error {
	if _, gone := f.gone[e.Run]; gone {
		return nil
	}
	f.touched[e.Run] = struct{}{}
	group := string(e.Run)
	freed := int64(0)
	st := f.runs[e.Run]
	if st != nil {
		freed += f.sizeOfRun(st)
		if full, err := f.record(f.v, st); err == nil && full.ForeignID != "" { // one that is damaged keeps its name from others
			x, rest := string(full.Experiment), parts(full.ForeignID)
			if string(f.v.get(tableForeign, x, rest)) == group {
				f.pending.remove(tableForeign, x, rest)
			}
		}
	}
	if err := f.releaseAll(e.Run); err != nil {
		return err
	}
	if err := f.deleteReferences(e.Run); err != nil {
		return err
	}
	bytesOf, err := f.deleteSeries(e.Run, func(name) bool { return true })
	if err != nil {
		return err
	}
	freed += bytesOf
	for t := range tableCount {
		if layout[t].ofRun {
			freed += f.size(t, group)
			f.pending.clear(t, group)
		}
	}
	if st != nil {
		f.leave(st)
	}
	for _, t := range []table{tableHead, tableRun, tableLive, tableConfig} {
		f.pending.remove(t, "", parts(group))
	}
	d := Deletion{Run: e.Run, By: e.By, Seq: f.env.Seq, At: f.at, Freed: freed}
	f.gone[e.Run] = d
	return f.put(tableGone, "", parts(group), d)
}

// sizeOfRun is how many bytes the file holds, or would hold were everything committed, of a run's record.
func (f *fold) sizeOfRun(st *runState) int64 {
	id := len(st.id)
	n := int64(id + len(sealed(appendHead(nil, &st.head))))
	if full, err := f.record(f.v, st); err == nil {
		record, alive := full.split()
		for _, part := range []any{record, alive} {
			if raw, err := seal(part); err == nil {
				n += int64(id + len(raw))
			}
		}
	}
	if raw := f.v.get(tableConfig, "", parts(string(st.id))); raw != nil {
		n += int64(id + len(raw))
	}
	return n
}

// size is how many bytes of keys and values a group holds.
func (f *fold) size(t table, group string) (n int64) {
	f.v.scan(t, group, span{}, func(rest, value []byte) bool {
		n += int64(len(group) + len(rest) + len(value))
		return true
	})
	return n
}

// deleteReferences removes what points at a run from elsewhere.
func (f *fold) deleteReferences(run event.RunID) error {
	group := string(run)
	var err error
	f.v.scan(tableCheckpoint, group, span{}, func(_, value []byte) bool {
		var c Checkpoint
		if c, err = decode[Checkpoint](value); err != nil {
			return false
		}
		f.pending.remove(tableCheckpointOf, string(c.Checkpoint), parts(group, c.Step))
		return true
	})
	if err != nil {
		return err
	}
	f.v.scan(tableEvaluation, group, span{}, func(rest, value []byte) bool {
		var e Evaluation
		if e, err = decode[Evaluation](value); err != nil {
			return false
		}
		for _, ref := range evaluationRefs(e.EvaluationCompleted) {
			f.pending.remove(tableEvaluationOf, ref, parts(group)+string(rest))
		}
		return true
	})
	if err != nil {
		return err
	}
	var alerts []string
	f.v.scan(tableAlert, group, span{}, func(rest, _ []byte) bool {
		alerts = append(alerts, string(rest))
		return true
	})
	for _, rest := range alerts {
		f.pending.remove(tableAlertOrder, "", rest)
	}
	for _, key := range slices.SortedFunc(maps.Keys(f.aliases), func(a, b aliasKey) int { return bytes.Compare([]byte(a.alias), []byte(b.alias)) }) {
		if f.aliases[key].Run == run {
			delete(f.aliases, key)
			f.pending.remove(tableAlias, "", parts(string(key.experiment), key.alias))
		}
	}
	return f.deleteEdges(RunNode(run))
}

// deleteEdges removes a node's edges, at both ends.
func (f *fold) deleteEdges(node string) error {
	var err error
	f.v.scan(tableEdge, node, span{}, func(_, value []byte) bool {
		var e Edge
		if e, err = decode[Edge](value); err != nil {
			return false
		}
		if e.From == node {
			f.pending.remove(tableEdge, e.To, parts(edgeUp, e.From, e.Role))
		} else {
			f.pending.remove(tableEdge, e.From, parts(edgeDown, e.To, e.Role))
		}
		return true
	})
	f.pending.clear(tableEdge, node)
	return err
}

// names lists a run's series.
func (v view) names(run event.RunID) []name {
	var out []name
	v.scan(tableSeries, string(run), span{}, func(rest, _ []byte) bool {
		if n, ok := nameInRun(run, rest); ok {
			out = append(out, n)
		}
		return true
	})
	return out
}

// deleteSeries removes those series of a run that which picks, and returns how many bytes they held. Their place in tableSeries is left
// to the caller.
func (f *fold) deleteSeries(run event.RunID, which func(name) bool) (freed int64, err error) {
	for _, n := range f.v.names(run) {
		if !which(n) {
			continue
		}
		s := f.open(n)
		freed += int64(len(n.key)+len(n.inKey())) + int64(len(appendSummary(nil, s.number, s.summary)))
		freed += f.sizeOf(s)
		f.drop(s)
	}
	return freed, nil
}

// drop removes a series' points and summary.
func (f *fold) drop(s *series) {
	for c := range s.chunks() {
		f.cached -= c.len()
	}
	f.forget(s)
	f.measured(s.name.run, s.name.key)
	f.pending.remove(tableLast, s.name.key, s.name.inKey())
	f.pending.clear(tableChunk, s.group())
	f.pending.remove(tableTail, string(s.name.run), s.group())
	f.pending.clear(tableBlock, s.group())
}

// sizeOf is how many bytes the file would hold of a series' chunks and blocks were everything committed: the same whenever commits
// came and however they packed it, so that a replay counts the same.
func (f *fold) sizeOf(s *series) (n int64) {
	chunks, blocks := map[bound]int{}, map[string]int{}
	w := f.v.shelf().stored(s.name, s.number, floor)
	for lower, raw, ok := w.next(); ok; lower, raw, ok = w.next() {
		chunks[lower] = len(raw)
	}
	f.v.scan(tableBlock, s.group(), span{}, func(rest, value []byte) bool {
		blocks[string(rest)] = len(value)
		return true
	})
	for c := range s.chunks() {
		chunks[c.lower] = len(appendChunk(nil, c.columns))
	}
	for id, b := range s.blocks {
		blocks[id.rest()] = len(appendBlock(nil, id, &b.block))
	}
	for _, size := range chunks {
		n += int64(s.name.boundSize() + size)
	}
	for rest, size := range blocks {
		n += int64(len(s.group()) + len(rest) + size)
	}
	return n
}
