package node_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"millrace/client"
	"millrace/services/node"
)

// TestALabIsKeptSmallAndItsPastCanBeAsked runs a small lab, looks back at it, takes a snapshot, trims the log, collects garbage, deletes, and starts
// again without its read model: everything that was not deleted is still told, also by the log.
func TestALabIsKeptSmallAndItsPastCanBeAsked(t *testing.T) {
	data := t.TempDir()
	config := node.Config{Data: data, Addr: "127.0.0.1:0", Threads: 1}
	ctx := t.Context()
	type life struct {
		seq  uint64
		runs []client.Run
	}
	var was []life
	var trained client.Run
	t.Run("first", func(t *testing.T) {
		c := client.New(up(t, config), "")
		see := func() {
			runs, _, _, err := c.Runs(ctx, nil, 100, "")
			if err != nil {
				t.Fatal(err)
			}
			_, applied, _, _, err := c.System(ctx)
			if err != nil {
				t.Fatal(err)
			}
			was = append(was, life{uint64(applied), runs})
		}
		see()
		curated := finish(t, c, begin(t, c, curation(t, corpus(t, 40), 300)).ID)
		see()
		trained = finish(t, c, begin(t, c, training(6, 3)).ID)
		see()
		for _, l := range was {
			runs, _, _, err := c.AsOf(l.seq).Runs(ctx, nil, 100, "")
			if err != nil || !reflect.DeepEqual(unpriced(runs), unpriced(l.runs)) {
				t.Errorf("as of %d: %+v %v\nlive it was %+v", l.seq, runs, err, l.runs)
			}
		}
		if runs, _, _, err := c.AsOfTime(trained.CreatedAt.Add(-time.Millisecond)).Runs(ctx, nil, 100, ""); err != nil || len(runs) != 1 || runs[0].ID != curated.ID {
			t.Errorf("before the training: %+v %v", runs, err)
		}
		if _, err := c.AsOf(3).Stop(ctx, curated.ID, ""); !errors.Is(err, client.ErrPast) {
			t.Errorf("a wish about the past: %v", err)
		}
		for says, query := range map[string]string{
			"one of them":        `query @asOf { system { version } }`,
			"places begin at 0":  `query @asOf(seq: -1) { system { version } }`,
			"the log ends at":    `query @asOf(seq: 99999999) { system { version } }`,
			"may not be used on": `mutation @asOf(seq: 1) { takeSnapshot(input: {}) { userErrors { code } } }`,
		} {
			if err := c.Do(ctx, query, nil, nil); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v", query, err)
			}
		}
		snapshot, err := c.TakeSnapshot(ctx, "ada")
		if err != nil || snapshot.Bytes == 0 || snapshot.Stored == 0 {
			t.Fatalf("%+v %v", snapshot, err)
		}
		dry, err := c.TrimLog(ctx, time.Time{}, 1<<40, true, "")
		if err != nil || dry.Freed <= 0 {
			t.Fatalf("%+v %v", dry, err)
		}
		trimmed, err := c.TrimLog(ctx, time.Time{}, int64(was[2].seq), false, "ada")
		if err != nil || trimmed.FirstSeq != int64(was[2].seq) || trimmed.Archived == 0 {
			t.Fatalf("%+v %v", trimmed, err)
		}
		var refused *client.Refused
		if _, err := c.CollectGarbage(ctx, -time.Hour, false); !errors.As(err, &refused) {
			t.Errorf("a negative age: %v", err)
		}
		if g, err := c.CollectGarbage(ctx, 0, false); err != nil || len(g.Kept) < 4 {
			t.Errorf("%+v %v", g, err)
		}
		if again := finish(t, c, begin(t, c, training(6, 3)).ID); again.ID == trained.ID {
			t.Error("the same run")
		} else if gone, err := c.DeleteRun(ctx, again.ID, "ada"); err != nil || gone.ID != again.ID || gone.Freed == nil || gone.Freed.Database == 0 || gone.Freed.Storage != 0 {
			t.Errorf("%+v %v: its checkpoints are those of the first, bit for bit", gone, err)
		}
		if gone, err := c.DeleteCheckpoint(ctx, trained.ID, 3, ""); err != nil || gone.Freed.Storage == 0 {
			t.Errorf("%+v %v", gone, err)
		} else if g, err := c.CollectGarbage(ctx, 0, false); err != nil || g.Bytes < gone.Freed.Storage {
			t.Errorf("%+v %v, foretold were %d bytes", g, err, gone.Freed.Storage)
		}
		if _, err := c.DeleteDataset(ctx, "mill", false, ""); !errors.As(err, &refused) || refused.Errors[0].Code != "CONFLICT" {
			t.Errorf("a dataset in use: %v", err)
		}
		if _, err := c.SetRetention(ctx, "", json.RawMessage(`{"console_dys": 3}`), false, ""); !errors.As(err, &refused) || !strings.Contains(err.Error(), "console_dys") {
			t.Errorf("a policy with an unknown key: %v", err)
		}
		policy := json.RawMessage(`{"checkpoints": {"last": 1}, "console_days": 30}`)
		if plan, err := c.SetRetention(ctx, "", policy, false, "ada"); err != nil || plan.RunCount != 0 {
			t.Errorf("%+v %v", plan, err)
		}
		if all, err := c.Retention(ctx); err != nil || len(all) != 1 || all[0].By != "ada" {
			t.Errorf("%+v %v", all, err)
		}
		if plan, err := c.ApplyRetention(ctx, true); err != nil || plan.CheckpointCount != 0 {
			t.Errorf("%+v %v", plan, err)
		}
	})
	if err := os.Remove(filepath.Join(data, "readmodel.db")); err != nil {
		t.Fatal(err)
	}
	t.Run("again", func(t *testing.T) {
		c := client.New(up(t, config), "")
		if run, err := c.Run(ctx, trained.ID); err != nil || run.Status != "FINISHED" {
			t.Fatalf("%+v %v", run, err)
		}
		if all := facts(t, c, "run.requested", trained.ID); len(all) != 1 {
			t.Errorf("%d requests of it are in the log", len(all))
		}
		runs, _, _, err := c.AsOf(was[1].seq).Runs(ctx, nil, 100, "")
		if err != nil || !reflect.DeepEqual(unpriced(runs), unpriced(was[1].runs)) {
			t.Errorf("as of %d: %+v %v", was[1].seq, runs, err)
		}
		finish(t, c, begin(t, c, training(4, 2)).ID)
	})
	if facts, err := node.VerifyView(context.WithoutCancel(ctx), data, slog.New(slog.DiscardHandler)); err != nil || facts == 0 {
		t.Errorf("%d %v", facts, err)
	}
}

// unpriced leaves out what runs cost: what is stored costs a little more every moment.
func unpriced(runs []client.Run) []client.Run {
	out := slices.Clone(runs)
	for i := range out {
		out[i].Cost.Dollars, out[i].Cost.StorageDollars = 0, 0
	}
	return out
}
