package ingest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"millrace/event"
)

const sample = `{"writer":"w","sequence":3,"points":[{"key":"loss","step":1,"value":2.5,"time":1790000000.5,"context":{"b":1,"a":"x"}},{"step":-2,"key":"lo\u0073s","value":"NaN","time":null},
	{"key":"ключ","step":3,"value":-Infinity}],"series":[{"key":"acc","steps":[1,2],"times":["2026-11-21T09:30:00Z",0],"values":[1,Infinity],"context":"{\"a\":1}"}]}`

func seeds(f *testing.F) {
	for _, s := range []string{
		sample, `{}`, `[]`, `{"writer":"w","points":[]}`, `{"writer":"w","entries":[{"points":[{"key":"k","step":1,"value":NaN}]},{"params":{"a":{"b":1},"c":{}},"writeOnce":true}]}`,
		`{"writer":"w","entries":[{"lines":{"lines":["a\ud800"]}},{"rows":{"rows":[{"x":NaN}]}},{"table":{"key":"t","columns":["a"],"rows":[[1]]}},{"usage":{"gpus":[{}]}}]}`,
		`{"writer":"w","points":[{"key":"k","step":1e3,"value":1}]}`, `{"writer":"\u0077","points":[{"key":"\"","step":1,"value":0.1e-5}]}`,
		strings.Repeat(`{"a":`, 200), strings.Repeat(`[`, 200), "{\"writer\":\"\xff\"}", `{"writer":"w","sequence":18446744073709551615,"points":[]}`,
	} {
		f.Add([]byte(s))
	}
}

// checked holds what comes out of a body against what may: ids, keys, lengths and times within their bounds, and columns of one length.
func checked(t *testing.T, b event.Batch) {
	if !event.ValidID(string(b.Writer)) {
		t.Fatalf("writer %q", b.Writer)
	}
	for _, e := range b.Facts {
		m, ok := e.(event.MetricsLogged)
		if !ok {
			if got := event.RunOf(e); got != b.Run {
				t.Fatalf("%T of run %q", e, got)
			}
			continue
		}
		if _, err := event.AppendFrames(nil, m.Frames); err != nil {
			t.Fatalf("%v", err)
		}
		for _, f := range m.Frames {
			for _, s := range f.Series {
				for _, at := range s.Times {
					if at < firstSecond*1e6 || at > (lastSecond+1)*1e6 {
						t.Fatalf("time %d", at)
					}
				}
			}
		}
	}
}

func FuzzPoints(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		was := bytes.Clone(body)
		b := event.Batch{Run: "R"}
		if bad := readPointsBody(body, 1, &b); bad == nil {
			checked(t, b)
			// What a stricter reader calls JSON is read alike: as many points.
			var strict struct{ Points, Series []json.RawMessage }
			if json.Unmarshal(body, &strict) == nil && len(strict.Series) == 0 {
				if n := b.Facts[0].(event.MetricsLogged).Frames[0].Points(); n != len(strict.Points) {
					t.Fatalf("%d points of %d", n, len(strict.Points))
				}
			}
		} else if bad.code == "" || bad.message == "" {
			t.Fatalf("%+v", bad)
		}
		if !bytes.Equal(was, body) {
			t.Fatal("the body was written to")
		}
	})
}

func FuzzLog(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		e := entries{columns: columns{now: 1}, batch: event.Batch{Run: "R"}, attempt: 1}
		if bad := e.read(body); bad == nil {
			checked(t, e.batch)
			for _, fact := range e.facts {
				if _, err := json.Marshal(fact); err != nil {
					t.Fatalf("%T cannot be written: %v", fact, err)
				}
			}
			if len(e.names) != len(e.facts) {
				t.Fatalf("%d names of %d facts", len(e.names), len(e.facts))
			}
		} else if bad.code == "" || bad.message == "" {
			t.Fatalf("%+v", bad)
		}
	})
}

func FuzzFrames(f *testing.F) {
	raw, err := event.AppendFrames(nil, []event.Frame{{Run: "R", Writer: "w", Sequence: 7, Series: []event.Series{{Key: "k", Steps: []int64{1}, Times: []int64{0}, Values: []float64{math.NaN()}}}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte("MRF1"))
	f.Fuzz(func(t *testing.T, body []byte) {
		b := event.Batch{Run: "R"}
		if err := readFrames(body, 1, &b); err == nil {
			checked(t, b)
		}
	})
}

// body is a batch of JSON points, keys in turn, as a script sends them.
func body(points int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"writer":"rank0","sequence":1,"points":[`)
	for i := range points {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"key":"train/metric%d","step":%d,"value":%v,"time":%.3f}`, i%10, i/10, 1/float64(i+3), 1790000000+float64(i)/1000)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

// BenchmarkPoints reads a body of 1,000 points into columns; points/s is of one core.
func BenchmarkPoints(b *testing.B) {
	raw := body(1000)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		batch := event.Batch{Run: "R1"}
		if bad := readPointsBody(raw, 1, &batch); bad != nil {
			b.Fatal(bad)
		}
	}
	b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "points/s")
}
