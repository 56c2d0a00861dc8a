package client_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"millrace/client"
	"millrace/event"
)

// TestAFullDisk: a journal whose disk takes nothing goes on in memory, says so, and counts what it drops when that is full. The disk is a limit
// on the size of files, which a child process sets itself: its writes fail as on a full disk.
func TestAFullDisk(t *testing.T) {
	c := lab(t, "")
	cmd := spawn(t, childFull+"="+c.URL()+" "+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "as it should be") {
		t.Fatalf("%v\n%s", err, out)
	}
	steps := seriesOf(t, c, "full", "loss")
	whole(t, "through a full disk", steps["w"], 3000)
	if len(steps["w"]) != 3000 {
		t.Errorf("%d points, 3000 were logged", len(steps["w"]))
	}
}

func fullChild(what string) int {
	if err := fillDisk(strings.Fields(what)); err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("as it should be")
	return 0
}

// limit bounds the size of files that this process writes.
func limit(bytes uint64) error {
	signal.Ignore(syscall.SIGXFSZ)
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: bytes, Max: math.MaxInt64})
}

func fillDisk(f []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	o := client.RunOptions{Server: f[0], Dir: f[1], ID: "full", Writer: "w", Every: 2 * time.Millisecond, Memory: 1 << 20, Log: slog.New(slog.DiscardHandler)}
	run, err := client.Open(o)
	if err != nil {
		return err
	}
	step := int64(0)
	thousand := func() error {
		for range 1000 {
			run.Log(step, map[string]float64{"loss": float64(step) / 7})
			step++
		}
		return run.Flush(ctx)
	}
	// The disk is well, is full, is well again: everything arrives.
	if err := thousand(); err != nil || run.Err() != nil {
		return fmt.Errorf("at first: %w, %w", err, run.Err())
	}
	if err := limit(0); err != nil {
		return err
	}
	if err := thousand(); err != nil || !errors.Is(run.Err(), syscall.EFBIG) {
		return fmt.Errorf("full: %w, %w", err, run.Err())
	}
	if err := limit(math.MaxInt64); err != nil {
		return err
	}
	if err := thousand(); err != nil || run.Err() != nil {
		return fmt.Errorf("well again: %w, %w", err, run.Err())
	}
	if err := run.End(ctx, event.Finished, nil); err != nil {
		return err
	}

	// Full, and no tracker: what does not fit into memory is dropped and counted.
	o.Server, o.ID = "http://127.0.0.1:1", "nowhere"
	if run, err = client.Open(o); err != nil {
		return err
	}
	if err := limit(0); err != nil {
		return err
	}
	const n = 1_000_000
	m := run.Metric("loss")
	for step := range int64(n) {
		m.Log(step, 1)
	}
	over, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if err := run.Close(over); !errors.Is(err, client.ErrNotSent) {
		return fmt.Errorf("no tracker: %w", err)
	}
	if c := run.Counts(); c.Dropped == 0 || c.Logged < 1000 || !errors.Is(run.Err(), client.ErrDropped) {
		return fmt.Errorf("%+v, %w", c, run.Err())
	}
	c := run.Counts()
	fmt.Fprintln(os.Stdout, c)
	return nil
}
