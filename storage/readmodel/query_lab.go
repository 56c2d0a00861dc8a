package readmodel

import (
	"cmp"
	"fmt"
	"slices"

	"millrace/event"
)

// newest sorts by place in the log, newest first.
func newest[T any](list []T, seq func(T) uint64) []T {
	slices.SortFunc(list, func(a, b T) int { return cmp.Compare(seq(b), seq(a)) })
	return list
}

// Archived tells which of the archived things a list shows.
type Archived uint8

const (
	HideArchived Archived = iota // the zero value
	OnlyArchived
	AnyArchived
)

func (a Archived) shows(archived bool) bool {
	return a == AnyArchived || archived == (a == OnlyArchived)
}

// Experiments lists experiments, newest first.
func (m *Model) Experiments(a Archived) ([]Experiment, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var out []Experiment
	for _, x := range m.experiments {
		if a.shows(x.Archived) {
			out = append(out, x)
		}
	}
	return newest(out, func(x Experiment) uint64 { return x.Seq }), nil
}

// Experiment returns an experiment. Errors: ErrNotFound.
func (m *Model) Experiment(id event.ExperimentID) (Experiment, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	x, ok := m.experiments[id]
	if !ok {
		return Experiment{}, fmt.Errorf("experiment %q: %w", id, ErrNotFound)
	}
	return x, nil
}

// ExperimentByName returns the newest experiment with a name, one that is not archived before one that is. Errors: ErrNotFound.
func (m *Model) ExperimentByName(name string) (Experiment, error) {
	for _, a := range []Archived{HideArchived, OnlyArchived} {
		all, err := m.Experiments(a)
		if err != nil {
			return Experiment{}, err
		}
		if i := slices.IndexFunc(all, func(x Experiment) bool { return x.Name == name }); i >= 0 {
			return all[i], nil
		}
	}
	return Experiment{}, fmt.Errorf("experiment named %q: %w", name, ErrNotFound)
}

// Datasets lists datasets, newest first.
func (m *Model) Datasets() ([]Dataset, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var out []Dataset
	for _, d := range m.datasets {
		out = append(out, d)
	}
	return newest(out, func(d Dataset) uint64 { return d.Seq }), nil
}

// Dataset returns a dataset. Errors: ErrNotFound.
func (m *Model) Dataset(id event.Digest) (Dataset, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	d, ok := m.datasets[id]
	if !ok {
		return Dataset{}, fmt.Errorf("dataset %q: %w", id, ErrNotFound)
	}
	return d, nil
}

// RunsUsing lists the runs that read a thing with this digest, by id.
func (m *Model) RunsUsing(d event.Digest) ([]event.RunID, error) {
	l, err := m.Lineage(string(d))
	if err != nil {
		return nil, err
	}
	var out []event.RunID
	for _, e := range l.Down {
		if len(e.To) > 4 && e.To[:4] == "run:" {
			out = append(out, event.RunID(e.To[4:]))
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Aliases lists the aliases of an experiment, or with "" all, by experiment and name.
func (m *Model) Aliases(x event.ExperimentID) ([]Alias, error) {
	return m.aliasesWhere(func(a Alias) bool { return x == "" || a.Experiment == x }), nil
}

// AliasesOf lists the aliases that point at a run's checkpoints.
func (m *Model) AliasesOf(run event.RunID) ([]Alias, error) {
	return m.aliasesWhere(func(a Alias) bool { return a.Run == run }), nil
}

func (m *Model) aliasesWhere(keep func(Alias) bool) []Alias {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var out []Alias
	for _, a := range m.aliases {
		if keep(a) {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b Alias) int {
		return cmp.Or(cmp.Compare(a.Experiment, b.Experiment), cmp.Compare(a.Alias, b.Alias))
	})
	return out
}

// Alias returns what a name points at. Errors: ErrNotFound.
func (m *Model) Alias(x event.ExperimentID, name string) (Alias, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	a, ok := m.aliases[aliasKey{x, name}]
	if !ok {
		return Alias{}, fmt.Errorf("alias %q of experiment %q: %w", name, x, ErrNotFound)
	}
	return a, nil
}

// Lineage is what a thing came of and what came of it, one edge far.
type Lineage struct {
	Up   []Edge // whose To is the thing
	Down []Edge // whose From is the thing
}

// Lineage returns the edges of a node: RunNode of a run, or a digest. An unknown node has none.
func (m *Model) Lineage(node string) (Lineage, error) {
	var l Lineage
	err := m.read(func(v view) (err error) {
		if l.Up, err = list[Edge](v, tableEdge, node, span{prefix: parts(edgeUp)}, 0, nil); err != nil {
			return err
		}
		l.Down, err = list[Edge](v, tableEdge, node, span{prefix: parts(edgeDown)}, 0, nil)
		return err
	})
	return l, err
}
