package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"millrace/client"
)

// syncCmd sends what scripts left behind.
type syncCmd struct {
	Dir      string        `arg:"" optional:"" help:"Root of the journals (default: $$MILLRACE_JOURNAL, else millrace/journal in the cache directory)." type:"path"`
	Patience time.Duration `help:"How long a node may be away before its journals are left for later." default:"10s"`
}

func (cmd *syncCmd) Run(ctx context.Context, g *Global) error {
	b := newBar(g.JSON)
	defer b.end()
	all, err := client.Sync(ctx, cmd.Dir, client.SyncOptions{
		Server: g.URL, Token: g.Token, Patience: cmd.Patience, Progress: func(s client.SyncedJournal) { b.show(syncLine(s)) },
	})
	b.end()
	if err != nil {
		return err
	}
	if all == nil {
		all = []client.SyncedJournal{}
	}
	err = g.print(all, func(w io.Writer) error {
		if len(all) == 0 {
			_, err := fmt.Fprintln(w, "nothing waits")
			return err
		}
		rows := [][]string{{"RUN", "WRITER", "STATE", "POINTS", "REFUSED", "WHY"}}
		for _, s := range all {
			why := ""
			if s.Err != nil {
				why = plain(s.Err)
			}
			rows = append(rows, []string{s.Run, s.Writer, s.State, fmt.Sprint(s.Points), fmt.Sprint(len(s.Refused)), why})
		}
		return table(w, rows)
	})
	if err != nil {
		return err
	}
	var left []error
	for _, s := range all {
		for _, d := range s.Damage {
			fmt.Fprintf(os.Stderr, "millrace: %s: %d bytes at %d cannot be read\n", d.File, d.Bytes, d.At)
		}
		for _, f := range s.Refused {
			fmt.Fprintln(os.Stderr, "millrace: the node will not take", f)
		}
		if s.Err != nil {
			left = append(left, s.Err)
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("%d of %d journals are not sent: %w", len(left), len(all), errors.Join(left[0]))
	}
	return nil
}

// syncLine is one journal on its way.
func syncLine(s client.SyncedJournal) string {
	return fmt.Sprintf("%s %s %d/%d batches  %s points", s.Run, cells(int64(s.Batches), int64(s.Of)), s.Batches, s.Of, count(float64(s.Points)))
}

// show draws a moving line on a terminal, and nothing elsewhere.
func (b *bar) show(line string) {
	if b.live && !b.quiet {
		fmt.Fprintf(b.out, "\r\x1b[K%s", clip(line, b.width-1))
		b.drawn = true
	}
}
