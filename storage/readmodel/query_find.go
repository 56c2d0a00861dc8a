package readmodel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"millrace/event"
	"millrace/storage/readmodel/where"
)

// ErrSeveral is wrapped where a name means more than one thing.
var ErrSeveral = errors.New("it means several")

// FindCheckpoint returns the checkpoint that a person means: "RUN" (its last), "RUN@STEP", "RUN@last", "RUN@ALIAS" (an alias that
// points at one of the run's checkpoints), "EXPERIMENT:ALIAS", an alias alone where only one experiment has it, or a digest. A run
// is named by its id, the end or the beginning of it, or its name, the newest of that name. Deleted ones are not found. Errors:
// ErrNotFound, ErrSeveral.
func (m *Model) FindCheckpoint(ctx context.Context, what string) (Checkpoint, error) {
	if d := event.Digest(what); d.Valid() {
		return m.checkpointOf(d)
	}
	run, at, marked := strings.Cut(what, "@")
	if !marked {
		if c, err := m.byAlias(what); !errors.Is(err, ErrNotFound) {
			return c, err
		}
	}
	id, err := m.FindRun(ctx, run)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint %q: %w", what, err)
	}
	if !marked || at == "last" {
		return m.LastCheckpoint(id)
	}
	var c Checkpoint
	if step, perr := strconv.ParseInt(at, 10, 64); perr == nil {
		c, err = m.Checkpoint(id, step)
	} else {
		c, err = m.aliased(what, func(a Alias) bool { return a.Run == id && a.Alias == at })
	}
	if err == nil && c.Deleted {
		err = ErrNotFound
	}
	if err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint %q: %w", what, err)
	}
	return c, nil
}

// checkpointOf is the first of those with a digest that was not deleted.
func (m *Model) checkpointOf(d event.Digest) (Checkpoint, error) {
	all, err := m.CheckpointsOf(d)
	if err != nil {
		return Checkpoint{}, err
	}
	if i := slices.IndexFunc(all, func(c Checkpoint) bool { return !c.Deleted }); i >= 0 {
		return all[i], nil
	}
	return Checkpoint{}, fmt.Errorf("checkpoint %s: %w", d, ErrNotFound)
}

// byAlias reads "EXPERIMENT:ALIAS" or "ALIAS".
func (m *Model) byAlias(what string) (Checkpoint, error) {
	experiment, name, marked := strings.Cut(what, ":")
	if !marked {
		return m.aliased(what, func(a Alias) bool { return a.Alias == what })
	}
	id := event.ExperimentID(experiment)
	if x, err := m.ExperimentByName(experiment); err == nil {
		id = x.ID
	}
	return m.aliased(what, func(a Alias) bool { return a.Experiment == id && a.Alias == name })
}

// aliased is what the aliases that fit point at, if it is one checkpoint.
func (m *Model) aliased(what string, fits func(Alias) bool) (Checkpoint, error) {
	found := m.aliasesWhere(fits)
	found = slices.CompactFunc(found, func(a, b Alias) bool { return a.Run == b.Run && a.Step == b.Step })
	switch len(found) {
	case 0:
		return Checkpoint{}, fmt.Errorf("alias %q: %w", what, ErrNotFound)
	case 1:
		c, err := m.Checkpoint(found[0].Run, found[0].Step)
		if err == nil && c.Deleted {
			err = fmt.Errorf("checkpoint of alias %q: %w", what, ErrNotFound)
		}
		return c, err
	}
	return Checkpoint{}, fmt.Errorf("alias %q: %w: experiments %s and %s have one; name it EXPERIMENT:%s", what, ErrSeveral, found[0].Experiment, found[1].Experiment, what)
}

// FindRun returns the run that a person means: its id, its name (the newest of that name), or the beginning or the end of its id, four
// characters or more. Errors: ErrNotFound, ErrSeveral.
func (m *Model) FindRun(ctx context.Context, what string) (event.RunID, error) {
	ids := m.RunIDs()
	if slices.Contains(ids, event.RunID(what)) {
		return event.RunID(what), nil
	}
	named := where.Compare{Field: where.Field{Name: where.RunName}, Op: where.Equal, Values: []where.Value{{Word: what}}}
	page, err := m.Runs(ctx, named, []where.Sort{{Field: where.Field{Name: where.Created}, Desc: true}}, "", 1)
	if err != nil {
		return "", err
	}
	if len(page.Runs) == 1 {
		return page.Runs[0].ID, nil
	}
	part, meant := strings.ToUpper(what), event.RunID("")
	for _, id := range ids {
		name := strings.ToUpper(string(id))
		if len(part) < 4 || !strings.HasPrefix(name, part) && !strings.HasSuffix(name, part) {
			continue
		}
		if meant != "" {
			return "", fmt.Errorf("run %q: %w: %s and %s, and perhaps more", what, ErrSeveral, meant, id)
		}
		meant = id
	}
	if meant == "" {
		return "", fmt.Errorf("run %q: %w", what, ErrNotFound)
	}
	return meant, nil
}
