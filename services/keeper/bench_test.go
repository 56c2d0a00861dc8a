package keeper_test

import (
	"testing"

	"millrace/services/keeper"
)

// BenchmarkTrim archives 5,000 facts of a thousand short runs and lets the log forget them, fsync on.
func BenchmarkTrim(b *testing.B) {
	l := start(b)
	for b.Loop() {
		b.StopTimer()
		last := l.tell(lives(1000, b.Name())...)
		b.StartTimer()
		t, err := l.keeper.Trim(b.Context(), keeper.TrimWish{Place: last - 1})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(t.Stored)/float64(max(1, t.Archived)), "stored-bytes/fact")
		b.ReportMetric(float64(t.Freed)/float64(max(1, t.Archived)), "log-bytes/fact")
	}
}

// BenchmarkPast opens a place of the past, 5,000 facts from the beginning, without a snapshot and with one.
func BenchmarkPast(b *testing.B) {
	for _, name := range []string{"folded", "snapshot"} {
		b.Run(name, func(b *testing.B) {
			l := start(b)
			last := l.tell(lives(1000, "r")...)
			if name == "snapshot" {
				if _, err := l.keeper.Snapshot(b.Context(), ""); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				past, err := keeper.OpenPast(l.keeper, b.TempDir(), keeper.PastLimits{})
				if err != nil {
					b.Fatal(err)
				}
				_, _, release, err := past.At(b.Context(), last)
				if err != nil {
					b.Fatal(err)
				}
				release()
				if err := past.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
