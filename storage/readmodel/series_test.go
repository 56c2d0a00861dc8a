package readmodel_test

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"millrace/event"
	"millrace/storage/readmodel"
	"millrace/storage/readmodel/readmodeltest"
)

// oracle is series kept in the most obvious way.
type oracle struct {
	identity event.Identity
	points   []oraclePoint
}

type oraclePoint struct {
	step, time int64
	value      float64
}

func comparePoints(a, b oraclePoint) int {
	return cmp.Or(cmp.Compare(a.step, b.step), cmp.Compare(a.time, b.time), cmp.Compare(math.Float64bits(a.value), math.Float64bits(b.value)))
}

func (o *oracle) rewind(step int64) {
	o.points = slices.DeleteFunc(o.points, func(p oraclePoint) bool { return p.step > step })
}

func (o *oracle) between(lo, hi int64) []oraclePoint {
	var out []oraclePoint
	for _, p := range o.points {
		if p.step >= lo && p.step <= hi {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, comparePoints)
	return out
}

// indexed makes the oracle fast enough for long series: it knows what is at a step.
type indexed struct {
	oracle
	steps map[int64][]oraclePoint
}

func (o *indexed) log(p oraclePoint) {
	for _, q := range o.steps[p.step] {
		if o.identity == event.ByStep || comparePoints(p, q) == 0 {
			return
		}
	}
	o.steps[p.step] = append(o.steps[p.step], p)
	o.points = append(o.points, p)
}

func (o *indexed) rewind(step int64) {
	o.oracle.rewind(step)
	for s := range o.steps {
		if s > step {
			delete(o.steps, s)
		}
	}
}

// sameFloat holds for equal bits, and for zeros of either sign, between which least and greatest do not choose.
func sameFloat(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

// checkSeries compares what was read with all the points that should be in it: as they are, or exactly partitioned into buckets.
func checkSeries(t failer, s readmodel.Series, want []oraclePoint, maxPoints int) {
	t.Helper()
	if maxPoints > 0 && len(s.Steps) > maxPoints {
		t.Fatalf("%d buckets, want at most %d", len(s.Steps), maxPoints)
	}
	if !s.Downsampled {
		if len(s.Steps) != len(want) || len(s.Times) != len(want) || len(s.Values) != len(want) {
			t.Fatalf("%d points, want %d", len(s.Steps), len(want))
		}
		for i, p := range want {
			if s.Steps[i] != p.step || s.Times[i] != p.time || math.Float64bits(s.Values[i]) != math.Float64bits(p.value) {
				t.Fatalf("point %d is (%d, %d, %v), want %+v", i, s.Steps[i], s.Times[i], s.Values[i], p)
			}
		}
		return
	}
	if len(want) <= maxPoints {
		t.Fatalf("downsampled %d points to %d", len(want), maxPoints)
	}
	for i, n := range s.Counts {
		if n < 1 || int64(len(want)) < n {
			t.Fatalf("bucket %d stands for %d points, %d are left", i, n, len(want))
		}
		part := want[:n]
		want = want[n:]
		least, greatest, nans := math.NaN(), math.NaN(), int64(0)
		for _, p := range part {
			switch {
			case math.IsNaN(p.value):
				nans++
				continue
			case math.IsNaN(least):
				least, greatest = p.value, p.value
			}
			least, greatest = min(least, p.value), max(greatest, p.value)
		}
		last := part[n-1]
		if !sameFloat(s.Mins[i], least) || !sameFloat(s.Maxs[i], greatest) || s.NaNCounts[i] != nans ||
			s.Steps[i] != last.step || s.Times[i] != last.time || math.Float64bits(s.Values[i]) != math.Float64bits(last.value) {
			t.Fatalf("bucket %d of %d points is [%v, %v] with %d NaNs, last (%d, %d, %v); want [%v, %v], %d, %+v",
				i, n, s.Mins[i], s.Maxs[i], s.NaNCounts[i], s.Steps[i], s.Times[i], s.Values[i], least, greatest, nans, last)
		}
	}
	if len(want) > 0 {
		t.Fatalf("%d points are in no bucket", len(want))
	}
}

type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

var valueGen = rapid.OneOf(
	rapid.Float64(),
	rapid.SampledFrom([]float64{0, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1), 1, 1.5}),
	rapid.Map(rapid.Float32(), func(f float32) float64 { return float64(f) }),
)

// TestSeriesLikeOracle logs points in any order, batch and commit, with repeats, rewinds and restarts, and compares every way of reading
// with an obvious implementation.
func TestSeriesLikeOracle(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := readmodeltest.Start(quiet{t, rt})
		defer l.End()
		const run event.RunID = "r"
		identity := event.Identity(rapid.IntRange(0, 1).Draw(rt, "identity"))
		o := indexed{oracle{identity: identity}, map[int64][]oraclePoint{}}
		mark := map[string]readmodel.Mark{}
		var followed []oraclePoint
		for range rapid.IntRange(1, 12).Draw(rt, "ops") {
			switch rapid.SampledFrom([]string{"bulk", "bulk", "bulk", "few", "few", "commit", "reopen", "rewind", "read", "follow"}).Draw(rt, "op") {
			case "bulk":
				var s event.Series
				step := rapid.Int64Range(-3000, 12000).Draw(rt, "from")
				stride := rapid.SampledFrom([]int64{1, 1, 1, 10, -1, -7, 1000, 0}).Draw(rt, "stride")
				values := rapid.SliceOfN(valueGen, 1, 20).Draw(rt, "values")
				for i := range rapid.IntRange(1, 3000).Draw(rt, "n") {
					p := oraclePoint{step + int64(i)*stride, int64(i) * 1000, values[i%len(values)] + float64(i%97)}
					s.Steps, s.Times, s.Values = append(s.Steps, p.step), append(s.Times, p.time), append(s.Values, p.value)
					o.log(p)
				}
				l.Tell(frameOf(run, identity, s))
			case "few":
				var s event.Series
				for range rapid.IntRange(1, 5).Draw(rt, "n") {
					p := oraclePoint{rapid.OneOf(rapid.Int64Range(-5000, 20000), rapid.Int64()).Draw(rt, "step"), rapid.Int64Range(0, 3).Draw(rt, "time"), valueGen.Draw(rt, "value")}
					s.Steps, s.Times, s.Values = append(s.Steps, p.step), append(s.Times, p.time), append(s.Values, p.value)
					o.log(p)
				}
				l.Tell(frameOf(run, identity, s))
			case "commit":
				if err := l.Commit(); err != nil {
					rt.Fatalf("%v", err)
				}
			case "reopen":
				l.Reopen()
			case "rewind":
				step := rapid.Int64Range(-3000, 12000).Draw(rt, "to")
				o.rewind(step)
				l.Tell(event.RunRewound{Run: run, Step: step})
			case "read":
				readAll(rt, l.Model, run, &o)
			case "follow":
				followed = follow(rt, l.Model, run, mark, followed)
				slices.SortFunc(followed, comparePoints)
				if want := o.between(math.MinInt64, math.MaxInt64); !slices.EqualFunc(followed, want, func(a, b oraclePoint) bool { return comparePoints(a, b) == 0 }) {
					rt.Fatalf("followed %d points, want %d", len(followed), len(want))
				}
			}
		}
		readAll(rt, l.Model, run, &o)
	})
}

func frameOf(run event.RunID, identity event.Identity, s event.Series) event.MetricsLogged {
	s.Key = "loss"
	return event.MetricsLogged{Gateway: "g", Frames: []event.Frame{{Run: run, Writer: "w", Identity: identity, Series: []event.Series{s}}}}
}

// readAll reads the whole and a part, as they are and downsampled, and the summary.
func readAll(t *rapid.T, m *readmodel.Model, run event.RunID, o *indexed) {
	all := o.between(math.MinInt64, math.MaxInt64)
	lo := rapid.OneOf(rapid.Int64Range(-4000, 14000), rapid.Just(int64(math.MinInt64))).Draw(t, "lo")
	hi := rapid.OneOf(rapid.Int64Range(lo, max(lo, 20000)), rapid.Just(int64(math.MaxInt64))).Draw(t, "hi")
	most := rapid.SampledFrom([]int{1, 2, 7, 50, 300, 2000}).Draw(t, "most")
	if len(all) == 0 {
		return
	}
	for _, q := range []readmodel.SeriesQuery{{}, {MaxPoints: most}, {MinStep: &lo, MaxStep: &hi}, {MinStep: &lo, MaxStep: &hi, MaxPoints: most}} {
		got, err := m.Series(run, q)
		if err != nil || len(got) != 1 {
			t.Fatalf("%d series, error %v", len(got), err)
		}
		want := all
		if q.MinStep != nil {
			want = o.between(lo, hi)
		}
		checkSeries(t, got[0], want, q.MaxPoints)
	}
	keys, err := m.LastValues("loss")
	if err != nil || len(keys) != 1 {
		t.Fatalf("%d last values, error %v", len(keys), err)
	}
	i, first, last := keys[0], all[0], all[len(all)-1]
	least, greatest, nans := math.NaN(), math.NaN(), int64(0)
	for _, p := range all {
		if math.IsNaN(p.value) {
			nans++
			continue
		}
		if math.IsNaN(least) {
			least, greatest = p.value, p.value
		}
		least, greatest = min(least, p.value), max(greatest, p.value)
	}
	if i.Points != int64(len(all)) || i.NaNs != nans || i.FirstStep != first.step || i.LastStep != last.step || i.LastTime != last.time ||
		math.Float64bits(i.Last) != math.Float64bits(last.value) || !sameFloat(i.Min, least) || !sameFloat(i.Max, greatest) {
		t.Fatalf("summary %+v; want %d points, %d NaNs, first %+v, last %+v, min %v, max %v", i, len(all), nans, first, last, least, greatest)
	}
}

// follow reads on as a subscription does, in small portions.
func follow(t *rapid.T, m *readmodel.Model, run event.RunID, marks map[string]readmodel.Mark, had []oraclePoint) []oraclePoint {
	for {
		got, err := m.Points(run, readmodel.PointsQuery{After: marks, MaxPoints: 777})
		if err != nil && len(marks) > 0 {
			t.Fatalf("%v", err)
		}
		if err != nil || len(got) == 0 {
			return had
		}
		for _, s := range got {
			if s.Reset {
				had = nil
			}
			for i := range s.Steps {
				had = append(had, oraclePoint{s.Steps[i], s.Times[i], s.Values[i]})
			}
			marks[s.Ref()] = s.Mark
		}
	}
}

// quiet lets a Log be used inside a rapid check: its failures are the check's.
type quiet struct {
	testing.TB
	rt *rapid.T
}

func (q quiet) Fatal(args ...any)                 { q.rt.Fatal(args...) }
func (q quiet) Fatalf(format string, args ...any) { q.rt.Fatalf(format, args...) }
func (q quiet) Error(args ...any)                 { q.rt.Error(args...) }
func (q quiet) Errorf(format string, args ...any) { q.rt.Errorf(format, args...) }
func (q quiet) Cleanup(func())                    {}
