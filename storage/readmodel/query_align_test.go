package readmodel_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"millrace/event"
	"millrace/storage/readmodel"
	"millrace/storage/readmodel/readmodeltest"
)

// train tells of a run whose steps take a second each.
func train(t *testing.T, l *readmodeltest.Log, run event.RunID, config string, steps int) {
	l.Tell(event.RunRequested{Run: run, Spec: event.Spec{Kind: event.Train, Config: []byte(config)}}, event.RunStarted{Run: run, Attempt: 1, Worker: "w"})
	r, err := l.Run(run)
	if err != nil {
		t.Fatal(err)
	}
	start := r.StartedAt.UnixMicro()
	s := event.Series{Key: "train/loss"}
	for i := range steps {
		s.Steps, s.Times, s.Values = append(s.Steps, int64(i+1)), append(s.Times, start+int64(i+1)*1e6), append(s.Values, 1/float64(i+1))
	}
	l.Tell(event.MetricsLogged{Gateway: "g", Frames: []event.Frame{{Run: run, Writer: "w", Series: []event.Series{s}}}})
}

func TestAlignOnEachAxis(t *testing.T) {
	l := readmodeltest.Start(t)
	defer l.End()
	train(t, l, "a", `{"batch_size":4,"grad_accum":2,"model":{"context":8}}`, 100)
	train(t, l, "b", `{"batch_size":8,"grad_accum":2,"model":{"context":8}}`, 50)
	started := func(id event.RunID) time.Time {
		r, err := l.Run(id)
		if err != nil {
			t.Fatal(err)
		}
		return r.StartedAt
	}
	for _, c := range []struct {
		axis readmodel.Axis
		grid []float64
		a, b []int64 // steps, 0 for none
	}{
		{readmodel.AxisStep, []float64{0.5, 1, 10.9, 50, 1000}, []int64{0, 1, 10, 50, 100}, []int64{0, 1, 10, 50, 50}},
		{readmodel.AxisTokens, []float64{63, 64, 128, 6400, 6463}, []int64{0, 1, 2, 100, 100}, []int64{0, 0, 1, 50, 50}},
		{readmodel.AxisTime, []float64{0, 1, 10.5, 1e9}, []int64{0, 1, 10, 100}, []int64{0, 1, 10, 50}},
		{readmodel.AxisWall, []float64{float64(started("a").Unix()) + 2.5, 1e12}, []int64{2, 100}, []int64{0, 50}},
	} {
		got, err := l.Align([]event.RunID{"a", "b"}, "train/loss", c.axis, c.grid, 0)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range [][]int64{c.a, c.b} {
			for j, step := range want {
				r := got.Runs[i]
				if r.Has[j] != (step > 0) || step > 0 && (r.Steps[j] != step || r.Values[j] != 1/float64(step)) {
					t.Errorf("axis %d: run %s at %v: step %d, value %v, %v; want step %d", c.axis, r.Run, c.grid[j], r.Steps[j], r.Values[j], r.Has[j], step)
				}
			}
		}
	}
	// What was recorded beats what the configuration says.
	l.Tell(event.CheckpointSaved{Run: "b", Step: 50, Checkpoint: event.DigestOf([]byte("b")), Tokens: 5000})
	got, err := l.Align([]event.RunID{"b"}, "train/loss", readmodel.AxisTokens, []float64{100, 5000}, 0)
	if err != nil || got.Runs[0].Steps[0] != 1 || got.Runs[0].To != 5000 {
		t.Fatalf("%+v, error %v; want step 1 at 100 tokens of 5,000", got.Runs, err)
	}
	// Neither FLOPs nor dollars are known before they were spent.
	for _, axis := range []readmodel.Axis{readmodel.AxisFLOPs, readmodel.AxisDollars} {
		got, err := l.Align([]event.RunID{"a"}, "train/loss", axis, nil, 10)
		if err != nil || got.Runs[0].Missing == "" || got.Runs[0].Has != nil && slices.Contains(got.Runs[0].Has, true) {
			t.Fatalf("axis %d: %+v, error %v; want it missing", axis, got.Runs[0], err)
		}
	}
	l.Tell(event.PriceSet{Device: "gpu:*", PerHour: 36, From: "2020-01-01", Source: "test"})
	l.Tell(event.ResourcesSpent{Run: "a", Attempt: 1, Worker: "w", Device: event.Device{Kind: "gpu", Name: "x", Count: 1}, Seconds: 100, FLOPs: 6400e3, Tokens: 6400})
	got, err = l.Align([]event.RunID{"a"}, "train/loss", readmodel.AxisFLOPs, []float64{64e3, 6400e3}, 0)
	if err != nil || !slices.Equal(got.Runs[0].Steps, []int64{1, 100}) {
		t.Fatalf("%+v, error %v; want steps 1 and 100", got.Runs[0], err)
	}
	got, err = l.Align([]event.RunID{"a"}, "train/loss", readmodel.AxisDollars, nil, 11)
	if err != nil || got.Runs[0].Missing != "" || !(got.X[10] <= 1) || !slices.Contains(got.Runs[0].Steps, 100) {
		t.Fatalf("%v %+v, error %v; want at most a dollar", got.X, got.Runs[0], err)
	}
}

func TestAlignRefuses(t *testing.T) {
	l := readmodeltest.Start(t)
	defer l.End()
	train(t, l, "a", `{}`, 3)
	if _, err := l.Align([]event.RunID{"nobody"}, "train/loss", readmodel.AxisStep, nil, 0); !errors.Is(err, readmodel.ErrNotFound) {
		t.Errorf("an unknown run: %v", err)
	}
	for _, grid := range [][]float64{{2, 1}, {math.NaN()}, make([]float64, 2<<20)} {
		if _, err := l.Align([]event.RunID{"a"}, "train/loss", readmodel.AxisStep, grid, 0); !errors.Is(err, readmodel.ErrBadQuery) {
			t.Errorf("%d places: %v", len(grid), err)
		}
	}
	if _, err := l.Align([]event.RunID{"a"}, "train/loss", 99, nil, 0); !errors.Is(err, readmodel.ErrBadQuery) {
		t.Errorf("an unknown axis: %v", err)
	}
	got, err := l.Align([]event.RunID{"a"}, "no such", readmodel.AxisStep, nil, 0)
	if err != nil || got.Runs[0].Missing == "" || len(got.X) != 0 {
		t.Errorf("%+v, error %v", got, err)
	}
}

// TestAlignLikeOracle compares with the obvious way, over writers, orders and repeats.
func TestAlignLikeOracle(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := readmodeltest.Start(quiet{t, rt})
		defer l.End()
		seen := map[string]bool{}
		var all []oraclePoint
		for i := range rapid.IntRange(1, 6).Draw(rt, "frames") {
			writer := event.WriterID(fmt.Sprint("w", i%2))
			s := event.Series{Key: "loss"}
			from, stride := rapid.Int64Range(-2000, 2000).Draw(rt, "from"), rapid.SampledFrom([]int64{1, 3, -1}).Draw(rt, "stride")
			for j := range rapid.Int64Range(1, 1500).Draw(rt, "n") {
				p := oraclePoint{from + j*stride, from*1000 + j*stride*1000, valueGen.Draw(rt, "value")}
				s.Steps, s.Times, s.Values = append(s.Steps, p.step), append(s.Times, p.time), append(s.Values, p.value)
				if id := fmt.Sprint(writer, p.step); !seen[id] {
					seen[id] = true
					all = append(all, p)
				}
			}
			l.Tell(event.MetricsLogged{Gateway: "g", Frames: []event.Frame{{Run: "r", Writer: writer, Series: []event.Series{s}}}})
		}
		slices.SortFunc(all, comparePoints)
		got, err := l.Align([]event.RunID{"r"}, "loss", readmodel.AxisStep, nil, rapid.IntRange(1, 300).Draw(rt, "places"))
		if err != nil {
			rt.Fatal(err)
		}
		for i, x := range got.X {
			want, has := oraclePoint{}, false
			for _, p := range all {
				if float64(p.step) <= x {
					want, has = p, true
				}
			}
			r := got.Runs[0]
			if r.Has[i] != has || has && (r.Steps[i] != want.step || math.Float64bits(r.Values[i]) != math.Float64bits(want.value)) {
				rt.Fatalf("at %v: step %d, value %v, %v; want %+v, %v", x, r.Steps[i], r.Values[i], r.Has[i], want, has)
			}
		}
	})
}
