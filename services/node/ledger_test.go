package node_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"millrace/client"
	"millrace/services/node"
)

// ledger is what a run has spent at a moment.
type ledger struct {
	Status               string
	Seconds, WallSeconds float64
	Cost                 struct {
		Dollars, DeviceSeconds, StorageDollars, StoredBytes, StorageDollarsPerMonth float64
	}
	Alerts []struct{ Title string }
}

const ledgerOf = `{ status seconds wallSeconds cost { dollars deviceSeconds storageDollars storedBytes storageDollarsPerMonth } alerts { title } }`

// While a run goes on its device-seconds, storage and dollars grow before a subscriber's eyes; its budget is told of, and stops it at a checkpoint,
// from which it goes on when the budget is raised. The time in which it stood still is in no bill.
func TestTheLedgerOfARunThatGoesOn(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED in the race pass: a budget of seconds must last for a checkpoint, run in the pass before it")
	}
	t.Parallel()
	c, _ := lab(t, node.Config{Data: t.TempDir(), Addr: "127.0.0.1:0", Threads: 1})
	for _, p := range []client.Price{{Device: "storage:*", PerGBMonth: 1e6}, {Device: "cpu:*", PerHour: 36}} {
		if _, err := c.SetPrice(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	finish(t, c, begin(t, c, curation(t, corpus(t, 40), 300)).ID)
	wish := training(1_000_000, 500)
	wish.Budget = &client.Budget{DeviceSeconds: 6}
	run := begin(t, c, wish)
	var seen []ledger
	err := c.Subscribe(t.Context(), `subscription($id: ID!) { run(id: $id) `+ledgerOf+` }`, map[string]any{"id": run.ID}, func(raw json.RawMessage) error {
		var data struct{ Run ledger }
		if err := json.Unmarshal(raw, &data); err != nil {
			return err
		}
		if now := data.Run; now.Status == "RUNNING" {
			if n := len(seen); n == 0 || seen[n-1].Cost.DeviceSeconds < now.Cost.DeviceSeconds {
				seen = append(seen, now)
			}
		} else if now.Status != "PENDING" {
			return errOver
		}
		return nil
	})
	if !errors.Is(err, errOver) {
		t.Fatal(err)
	}
	first, last := seen[0], seen[len(seen)-1]
	if len(seen) < 3 || last.Cost.Dollars <= first.Cost.Dollars || last.Cost.StorageDollars <= 0 || last.Cost.StoredBytes <= 0 || last.Cost.StorageDollarsPerMonth <= 0 {
		t.Errorf("%+v", seen)
	}
	stopped := stands(t, c, run.ID, "STOPPED")
	time.Sleep(300 * time.Millisecond) // it stands still
	var stood struct{ Run ledger }
	ask := func() {
		t.Helper()
		if err := c.Do(t.Context(), `query($id: ID!) { run(id: $id) `+ledgerOf+` }`, map[string]any{"id": run.ID}, &stood); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) { // what a budget's alerts say may come after the end
		if ask(); len(stood.Run.Alerts) > 0 || time.Now().After(deadline) {
			break
		}
	}
	if kept, err := c.Checkpoints(t.Context(), run.ID); err != nil || len(kept) == 0 || len(stood.Run.Alerts) == 0 { // a warning, too, unless one account of what was spent went beyond both
		t.Errorf("%+v %+v %v", kept, stood.Run.Alerts, err)
	}
	before := stood.Run
	if _, err := c.Resume(t.Context(), run.ID, &client.Budget{DeviceSeconds: 1e6}); err != nil {
		t.Fatal(err)
	}
	until(t, c, run.ID, "working again", func(r client.Run) bool {
		return r.Status == "RUNNING" && float64(r.Cost.DeviceSeconds) > before.Cost.DeviceSeconds
	})
	if _, err := c.Stop(t.Context(), run.ID, "enough"); err != nil {
		t.Fatal(err)
	}
	stands(t, c, run.ID, "STOPPED")
	ask()
	now := stood.Run
	// One core: a bit of what comes before the start and after the end of an attempt is charged too.
	if idle := now.WallSeconds - now.Seconds; idle < 0.3 || now.Seconds <= before.Seconds || now.Cost.DeviceSeconds > now.WallSeconds || now.Cost.StorageDollars <= before.Cost.StorageDollars {
		t.Errorf("%+v, before %+v, stopped %+v", now, before, stopped.EndedAt)
	}
}

var errOver = errors.New("the run is over")
