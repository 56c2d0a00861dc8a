package rules

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"millrace/event"
	"millrace/storage/readmodel"
)

// BenchmarkPoints folds seconds of 20,000 points (20 runs, 10 series each, in frames of a quarter of a second) and shows them to rules that
// hold of none: what rules cost a node. The share of one core at that rate is 20,000 divided by what is reported.
func BenchmarkPoints(b *testing.B) {
	for _, n := range []int{0, 1, 20} {
		b.Run(fmt.Sprint("rules=", n), func(b *testing.B) {
			m, err := readmodel.Open(filepath.Join(b.TempDir(), "view.db"), readmodel.Options{Identity: "x", Log: slog.New(slog.DiscardHandler), Temporary: true, CommitEvery: time.Hour})
			if err != nil {
				b.Fatal(err)
			}
			defer m.Close()
			var all []*Rule
			for i := range n {
				saved := event.RuleSaved{Rule: event.RuleID(fmt.Sprint("R", i)), Name: fmt.Sprint("r", i), On: Points, Version: 1, Repeat: "1s",
					Metric: []string{"*loss*", "loss-3", "*"}[i%3], Then: event.RawJSON(`{"stop":{}}`),
					When: []string{"values.exists(v, isnan(v) || isinf(v))", "size(history(key, 50)) >= 50 && highest(values) > 20.0 * median(history(key, 50))", "run.status == 'running' && value > 100.0"}[i%3]}
				r, err := Parse(saved)
				if err != nil {
					b.Fatal(err)
				}
				all = append(all, r)
			}
			seq, at := uint64(0), time.Unix(1_800_000_000, 0)
			apply := func(e event.Event) event.Envelope {
				seq++
				env := event.Envelope{ID: fmt.Sprint(seq), Seq: seq, Time: at, Event: e}
				if err := m.Apply(env); err != nil {
					b.Fatal(err)
				}
				return env
			}
			const runs, series, each = 20, 10, 25
			for r := range runs {
				id := event.RunID(fmt.Sprint("run-", r))
				apply(event.RunRequested{Run: id, Name: string(id), Spec: event.Spec{Kind: event.Train, Config: json.RawMessage(`{"steps":100}`)}})
				apply(event.RunStarted{Run: id, Attempt: 1, Worker: "w"})
			}
			var c collector
			d := decider{model: m}
			step, points := int64(0), 0
			for b.Loop() {
				for range 4 {
					at = at.Add(time.Second / 4)
					var e event.MetricsLogged
					for r := range runs {
						f := event.Frame{Run: event.RunID(fmt.Sprint("run-", r)), Writer: "w"}
						for s := range series {
							x := event.Series{Key: fmt.Sprint("loss-", s)}
							for i := range int64(each) {
								x.Steps, x.Times, x.Values = append(x.Steps, step+i), append(x.Times, at.UnixMicro()+i), append(x.Values, 3+float64(i)/100)
							}
							f.Series = append(f.Series, x)
						}
						e.Frames = append(e.Frames, f)
					}
					step += each
					points += runs * series * each
					env := apply(e)
					if n > 0 {
						c.add(env, e, wanted(all))
					}
				}
				if err := c.due(at, func(run event.RunID, of *fresh) error {
					return d.show(b.Context(), all, run, of, func(f *event.RuleFired) error { return fmt.Errorf("%s fired: %+v", f.Rule, f.Failure) })
				}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(points)/b.Elapsed().Seconds(), "points/s")
		})
	}
}
