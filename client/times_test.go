package client_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"millrace/acceptance/freeport"
	"millrace/client"
)

// TestARunThatIsSentLaterHasTheTimesOfItsScript logs a whole run while no tracker is there, and sends it when one is.
func TestARunThatIsSentLaterHasTheTimesOfItsScript(t *testing.T) {
	o := options(t, "http://"+freeport.Addr(t))
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	var at [4]time.Time
	at[0] = time.Now()
	run := open(t, o)
	at[1] = time.Now()
	run.Metric("loss").Log(0, 0)
	at[2] = time.Now()
	if err := run.End(gone, "", nil); !errors.Is(err, client.ErrNotSent) {
		t.Fatal(err)
	}
	at[3] = time.Now()

	c := lab(t, "")
	if _, err := client.Sync(soon(t), o.Dir, client.SyncOptions{Server: c.URL()}); err != nil {
		t.Fatal(err)
	}
	empty(t, o.Dir)
	got, err := c.Run(t.Context(), run.ID())
	if err != nil || got.Status != "FINISHED" || got.StartedAt == nil || got.EndedAt == nil {
		t.Fatalf("%+v %v", got, err)
	}
	if is := *got.StartedAt; is.Before(at[0].Truncate(time.Microsecond)) || is.After(at[1]) {
		t.Errorf("it began at %v, not between %v and %v", is, at[0], at[1])
	}
	if is := *got.EndedAt; is.Before(at[2].Truncate(time.Microsecond)) || is.After(at[3]) {
		t.Errorf("it ended at %v, not between %v and %v", is, at[2], at[3])
	}
	if got.CreatedAt.Before(at[3].Truncate(time.Microsecond)) {
		t.Errorf("the tracker knew of it at %v, before it was there", got.CreatedAt)
	}
}
