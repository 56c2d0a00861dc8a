package readmodel

import (
	"slices"
	"strings"

	"millrace/event"
)

// The kinds of rows in tableKept.
const (
	keptSnapshot  = "snapshot"  // place
	keptArchive   = "archive"   // nothing: the newest
	keptRetention = "retention" // experiment, or ""
	keptGone      = "gone"      // "dataset" and digest, or "experiment" and id, of what was deleted
)

// maxSnapshots is how many snapshots are remembered; storage keeps fewer.
const maxSnapshots = 100

// snapshotTaken remembers a snapshot, and forgets the oldest of very many.
func (f *fold) snapshotTaken(e event.SnapshotTaken) error {
	if err := f.put(tableKept, keptSnapshot, parts(e.Place, int64(e.Layout)), Snapshot{e, f.env.Seq, f.at}); err != nil {
		return err
	}
	var all []string
	f.v.scan(tableKept, keptSnapshot, span{}, func(rest, _ []byte) bool {
		all = append(all, string(rest))
		return true
	})
	for ; len(all) > maxSnapshots; all = all[1:] {
		f.pending.remove(tableKept, keptSnapshot, all[0])
	}
	return nil
}

// logArchived keeps the archive that reaches furthest.
func (f *fold) logArchived(e event.LogArchived) error {
	if raw := f.v.get(tableKept, keptArchive, ""); raw != nil {
		old, err := decode[Archive](raw)
		if err != nil || old.Log == e.Log && old.Through > e.Through {
			return err
		}
	}
	return f.put(tableKept, keptArchive, "", Archive{e, f.env.Seq, f.at})
}

// retentionSet replaces a policy.
func (f *fold) retentionSet(e event.RetentionSet) error {
	return f.put(tableKept, keptRetention, parts(string(e.Experiment)), Policy{e, f.env.Seq, f.at})
}

// runPruned removes a run's console or its usage samples. What they amounted to (cost, the newest sample) stays.
func (f *fold) runPruned(e event.RunPruned) error {
	if f.runs[e.Run] == nil {
		return nil
	}
	group := string(e.Run)
	if e.Console {
		f.pending.clear(tableLine, group)
		f.pending.clear(tableRow, group)
	}
	if e.System {
		gone := func(n name) bool { return strings.HasPrefix(n.key, "system/") }
		names := slices.DeleteFunc(f.v.names(e.Run), func(n name) bool { return !gone(n) })
		if _, err := f.deleteSeries(e.Run, gone); err != nil {
			return err
		}
		for _, n := range names {
			f.pending.remove(tableSeries, group, n.inRun())
		}
	}
	f.touched[e.Run] = struct{}{}
	return nil
}

// datasetDeleted forgets a dataset but its name in the lineage; the same content may be published again.
func (f *fold) datasetDeleted(e event.DatasetDeleted) error {
	d, ok := f.datasets[e.Dataset]
	if !ok {
		return nil
	}
	if err := f.release(d.Run, e.Dataset); err != nil {
		return err
	}
	delete(f.datasets, e.Dataset)
	f.pending.remove(tableDataset, "", parts(string(e.Dataset)))
	f.pending.put(tableKept, keptGone, parts("dataset", string(e.Dataset)), nil)
	return nil
}

// experimentDeleted forgets an experiment, its aliases and its policy. A run that still names it brings it back, bare.
func (f *fold) experimentDeleted(e event.ExperimentDeleted) error {
	if _, ok := f.experiments[e.Experiment]; !ok {
		return nil
	}
	delete(f.experiments, e.Experiment)
	f.pending.remove(tableExperiment, "", parts(string(e.Experiment)))
	f.pending.remove(tableKept, keptRetention, parts(string(e.Experiment)))
	f.pending.put(tableKept, keptGone, parts("experiment", string(e.Experiment)), nil)
	for key := range f.aliases {
		if key.experiment == e.Experiment {
			delete(f.aliases, key)
			f.pending.remove(tableAlias, "", parts(string(key.experiment), key.alias))
		}
	}
	return nil
}
