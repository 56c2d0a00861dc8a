package readmodel_test

import (
	"encoding/json"
	"errors"
	"testing"

	"millrace/event"
	"millrace/storage/readmodel"
	"millrace/storage/readmodel/readmodeltest"
)

// A checkpoint is found by run and step, by alias and by digest, and nothing that was deleted is.
func TestFindCheckpoint(t *testing.T) {
	l := readmodeltest.Start(t)
	saved := func(run event.RunID, step int64) event.CheckpointSaved {
		return event.CheckpointSaved{Run: run, Step: step, Checkpoint: event.DigestOf([]byte{byte(step), run[len(run)-1]})}
	}
	const a, b, c = event.RunID("01AAAAAAAAAAAAAAAAAAAAAA01"), event.RunID("01AAAAAAAAAAAAAAAAAAAAAA02"), event.RunID("01BBBBBBBBBBBBBBBBBBBBBB03")
	asked := func(id event.RunID, name string) event.RunRequested {
		return event.RunRequested{Run: id, Name: name, Spec: event.Spec{Kind: event.Train, Config: json.RawMessage(`{}`)}}
	}
	l.Tell(asked(a, "base"), asked(b, "base"), asked(c, "other"),
		event.ExperimentCreated{Experiment: "X1", Name: "mill"}, event.ExperimentCreated{Experiment: "X2", Name: "wheel"},
		saved(a, 10), saved(a, 20), saved(b, 5), saved(c, 7), saved(c, 8),
		event.CheckpointDeleted{Run: c, Step: 7, Checkpoint: saved(c, 7).Checkpoint},
		event.AliasSet{Experiment: "X1", Alias: "best", Run: a, Step: 10, Checkpoint: saved(a, 10).Checkpoint},
		event.AliasSet{Experiment: "X2", Alias: "best", Run: b, Step: 5, Checkpoint: saved(b, 5).Checkpoint},
		event.AliasSet{Experiment: "X2", Alias: "gone", Run: c, Step: 7, Checkpoint: saved(c, 7).Checkpoint},
		event.AliasSet{Experiment: "X2", Alias: "only", Run: c, Step: 8, Checkpoint: saved(c, 8).Checkpoint})
	for what, want := range map[string]event.CheckpointSaved{
		string(a): saved(a, 20), string(a) + "@10": saved(a, 10), string(a) + "@last": saved(a, 20), string(a) + "@best": saved(a, 10),
		"base": saved(b, 5), "base@5": saved(b, 5), "aa01": saved(a, 20), "bb03@8": saved(c, 8), "only": saved(c, 8),
		"mill:best": saved(a, 10), "X2:best": saved(b, 5), string(saved(a, 10).Checkpoint): saved(a, 10),
	} {
		got, err := l.FindCheckpoint(t.Context(), what)
		if err != nil || got.Checkpoint != want.Checkpoint || got.Step != want.Step || got.Run != want.Run {
			t.Errorf("%s: run %s at %d (%v), want %s at %d", what, got.Run, got.Step, err, want.Run, want.Step)
		}
	}
	for what, want := range map[string]error{
		"": readmodel.ErrNotFound, "none": readmodel.ErrNotFound, "base@6": readmodel.ErrNotFound, "other@7": readmodel.ErrNotFound, "gone": readmodel.ErrNotFound,
		"other@best": readmodel.ErrNotFound, "best": readmodel.ErrSeveral, "01AA": readmodel.ErrSeveral, "mill:only": readmodel.ErrNotFound,
		string(saved(c, 7).Checkpoint): readmodel.ErrNotFound, string(event.DigestOf(nil)): readmodel.ErrNotFound,
	} {
		if got, err := l.FindCheckpoint(t.Context(), what); !errors.Is(err, want) {
			t.Errorf("%s: run %s at %d, %v; want %v", what, got.Run, got.Step, err, want)
		}
	}
}
