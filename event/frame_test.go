package event_test

import (
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"millrace/event"
)

func frames(t *rapid.T) []event.Frame {
	id := rapid.StringMatching(`[A-Za-z0-9_-]{1,26}`)
	series := rapid.Custom(func(t *rapid.T) event.Series {
		n := rapid.IntRange(0, 20).Draw(t, "n")
		s := event.Series{Key: rapid.StringN(1, 20, 200).Draw(t, "key"), Context: rapid.StringN(0, 5, 50).Draw(t, "context")}
		s.Steps = rapid.SliceOfN(rapid.Int64(), n, n).Draw(t, "steps")
		s.Times = rapid.SliceOfN(rapid.Int64(), n, n).Draw(t, "times")
		s.Values = make([]float64, n)
		for i := range s.Values {
			s.Values[i] = math.Float64frombits(rapid.Uint64().Draw(t, "bits"))
		}
		return s
	})
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) event.Frame {
		return event.Frame{
			Run: event.RunID(id.Draw(t, "run")), Writer: event.WriterID(id.Draw(t, "writer")),
			Identity: event.Identity(rapid.IntRange(0, 1).Draw(t, "identity")),
			Sequence: rapid.OneOf(rapid.Just(uint64(0)), rapid.Uint64()).Draw(t, "sequence"),
			Series:   rapid.SliceOfN(series, 0, 5).Draw(t, "series"),
		}
	}), 0, 6).Draw(t, "frames")
}

// bits replaces values by their bits, so that NaN compares.
func bits(fs []event.Frame) (out [][]uint64, rest []event.Frame) {
	for _, f := range fs {
		var b []uint64
		f.Series = append([]event.Series(nil), f.Series...)
		for i, s := range f.Series {
			for _, v := range s.Values {
				b = append(b, math.Float64bits(v))
			}
			f.Series[i].Values = nil
			if len(s.Steps) == 0 {
				f.Series[i].Steps, f.Series[i].Times = nil, nil
			}
		}
		if len(f.Series) == 0 {
			f.Series = nil
		}
		out, rest = append(out, b), append(rest, f)
	}
	return out, rest
}

func TestFramesReadBackToTheBit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := frames(t)
		raw, err := event.AppendFrames(nil, in)
		if err != nil {
			t.Fatal(err)
		}
		out, err := event.ParseFrames(raw)
		if err != nil {
			t.Fatal(err)
		}
		wb, wr := bits(in)
		gb, gr := bits(out)
		if !reflect.DeepEqual(wb, gb) || !reflect.DeepEqual(wr, gr) {
			t.Fatalf("in  %v\nout %v", in, out)
		}
	})
}

func TestFramesRefuseUnequalColumnsAndNamelessSeries(t *testing.T) {
	for what, s := range map[string]event.Series{
		"columns": {Key: "k", Steps: []int64{1}},
		"no key":  {},
	} {
		if _, err := event.AppendFrames(nil, []event.Frame{{Run: "r", Writer: "w", Series: []event.Series{s}}}); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

func FuzzParseFrames(f *testing.F) {
	good, err := event.AppendFrames(nil, event.Examples()[12].(event.MetricsLogged).Frames)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("MRF1\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		fs, err := event.ParseFrames(b)
		if err != nil {
			return
		}
		again, err := event.AppendFrames(nil, fs)
		if err != nil {
			t.Fatalf("read but not writable: %v", err)
		}
		if _, err := event.ParseFrames(again); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkFrame100Points(b *testing.B) {
	s := make([]event.Series, 10)
	for k := range s {
		s[k].Key = "train/metric" + string(rune('a'+k))
		for i := range 10 {
			s[k].Steps = append(s[k].Steps, int64(1000+i))
			s[k].Times = append(s[k].Times, 1790000000000000+int64(i)*1000)
			s[k].Values = append(s[k].Values, 1/float64(i+1))
		}
	}
	in := []event.Frame{{Run: "01HZX3V9M8Q4T6W2Y5B7C9D1FE", Writer: "attempt-1", Series: s}}
	var buf []byte
	for b.Loop() {
		buf, _ = event.AppendFrames(buf[:0], in)
		if _, err := event.ParseFrames(buf); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(buf)))
	b.ReportMetric(float64(b.N)*100/b.Elapsed().Seconds(), "points/s")
}
