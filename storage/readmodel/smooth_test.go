package readmodel_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"millrace/event"
	"millrace/storage/readmodel"
	"millrace/storage/readmodel/readmodeltest"
)

// obvious smooths as the definitions say.
func obvious(s readmodel.Smoothing, xs []float64) []float64 {
	out := slices.Clone(xs)
	var finite []float64
	for i, x := range xs {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			continue
		}
		finite = append(finite, x)
		sum, weight := 0.0, 0.0
		for j := range finite {
			y, w := finite[len(finite)-1-j], 1.0
			if s.Window == 0 {
				w = math.Pow(s.Weight, float64(j))
			} else if j >= s.Window {
				break
			}
			sum, weight = sum+w*y, weight+w
		}
		out[i] = sum / weight
	}
	return out
}

// TestSmoothAndTimeLikeOracle asks for a part of a series by step and by time, smoothed, on an axis, thinned or not, and compares with the
// obvious way: envelopes hold what is in them, and a bucket's smoothed value is that of its last point among all.
func TestSmoothAndTimeLikeOracle(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := readmodeltest.Start(quiet{t, rt})
		defer l.End()
		identity := event.Identity(rapid.IntRange(0, 1).Draw(rt, "identity"))
		n := rapid.IntRange(1, 3000).Draw(rt, "n")
		value := rapid.OneOf(rapid.Float64Range(-10, 10), rapid.SampledFrom([]float64{math.NaN(), math.Inf(1)}))
		values := rapid.SliceOfN(value, 1, 20).Draw(rt, "values")
		var s event.Series
		var all []oraclePoint
		for i := range n {
			p := oraclePoint{int64(i) * 3, int64(i)*1000 + int64(i%7)*300, values[i%len(values)] + float64(i%31)}
			s.Steps, s.Times, s.Values = append(s.Steps, p.step), append(s.Times, p.time), append(s.Values, p.value)
			all = append(all, p)
		}
		l.Tell(frameOf("r", identity, s))
		q := readmodel.SeriesQuery{Axis: readmodel.AxisWall, MaxPoints: rapid.SampledFrom([]int{0, 1, 10, 500}).Draw(rt, "most")}
		if rapid.Bool().Draw(rt, "by time") {
			from := rapid.Int64Range(-10, int64(n)*1000).Draw(rt, "from")
			to := rapid.Int64Range(from, int64(n)*1000+3000).Draw(rt, "to")
			q.MinTime, q.MaxTime = &from, &to
			all = slices.DeleteFunc(all, func(p oraclePoint) bool { return p.time < from || p.time > to })
		}
		if rapid.Bool().Draw(rt, "by step") {
			from := rapid.Int64Range(-10, int64(n)*3).Draw(rt, "from step")
			q.MinStep = &from
			all = slices.DeleteFunc(all, func(p oraclePoint) bool { return p.step < from })
		}
		switch rapid.IntRange(0, 2).Draw(rt, "smoothing") {
		case 1:
			q.Smooth.Weight = rapid.Float64Range(0.01, 0.99).Draw(rt, "weight")
		case 2:
			q.Smooth.Window = rapid.IntRange(1, 100).Draw(rt, "window")
		}
		got, err := l.Series("r", q)
		if err != nil || len(got) != 1 {
			rt.Fatalf("%d series, error %v", len(got), err)
		}
		checkSeries(rt, got[0], all, q.MaxPoints)
		var xs []float64
		for _, p := range all {
			xs = append(xs, p.value)
		}
		at := -1
		want := obvious(q.Smooth, xs)
		for i := range got[0].Steps {
			if at++; got[0].Downsampled {
				at += int(got[0].Counts[i]) - 1
			}
			if x := got[0].X[i]; x != float64(all[at].time)/1e6 {
				rt.Fatalf("place %v, want that of %+v", x, all[at])
			}
			if (q.Smooth == readmodel.Smoothing{}) {
				if got[0].Smoothed != nil {
					rt.Fatal("smoothed unasked")
				}
				continue
			}
			if x := got[0].Smoothed[i]; !sameFloat(x, want[at]) && !(math.Abs(x-want[at]) < 1e-9) {
				rt.Fatalf("%+v: smoothed %v at %d, want %v", q.Smooth, x, at, want[at])
			}
		}
	})
}

func TestSmoothingRefuses(t *testing.T) {
	for _, s := range []readmodel.Smoothing{{Weight: 1}, {Weight: -0.1}, {Weight: math.NaN()}, {Window: -1}, {Window: 1 << 30}, {Weight: 0.5, Window: 5}} {
		if err := s.Check(); !errors.Is(err, readmodel.ErrBadQuery) {
			t.Errorf("%+v: %v", s, err)
		}
	}
}
