package readmodel_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"millrace/event"
	"millrace/storage/readmodel"
	"millrace/storage/readmodel/where"
)

// manyRuns tells a model of n runs, each with a config of about 2 KB, tags, labels, a metric, and what it has spent.
func manyRuns(b *testing.B, m *readmodel.Model, n int) {
	rng := rand.New(rand.NewPCG(1, 1))
	seq := uint64(0)
	tell := func(e event.Event) {
		seq++
		if err := m.Apply(event.Envelope{Seq: seq, Time: time.Unix(int64(seq), 0), Event: e}); err != nil {
			b.Fatal(err)
		}
	}
	for i := range 20 {
		tell(event.ExperimentCreated{Experiment: event.ExperimentID(fmt.Sprint("x", i)), Name: fmt.Sprint("question ", i)})
	}
	options := ""
	for k := range 80 {
		options += fmt.Sprintf(`,"option_%d":"value %d"`, k, k*7)
	}
	data := event.DigestOf([]byte("data"))
	for i := range n {
		run := event.RunID(fmt.Sprintf("01HZX3V9M8Q4T6W2Y5%08d", i))
		config := fmt.Sprintf(`{"lr":%v,"seed":%d,"model":{"n_layer":%d,"n_head":12,"d_model":768%s}}`, rng.Float64(), i%5, 1+i%24, options)
		tell(event.RunRequested{
			Run: run, Name: fmt.Sprintf("sweep-%d of the week", i), Experiment: event.ExperimentID(fmt.Sprint("x", i%20)),
			SpecDigest: event.DigestOf([]byte(config)), By: "somebody", Labels: []string{"baseline", fmt.Sprint("week-", i/1000)},
			Spec: event.Spec{Kind: event.Train, Config: []byte(config), Inputs: []event.Input{{Role: "dataset", Digest: data, Name: "corpus"}}},
			Tags: map[string]string{"group": fmt.Sprint(i % 10), "team": "nlp"},
		})
		tell(event.RunStarted{Run: run, Attempt: 1, Worker: event.WorkerID(fmt.Sprint("worker-", i%16)), Environment: event.Environment{OS: "linux", Arch: "amd64", Go: "go1.26", CPU: "Xeon", Cores: 16}})
		tell(event.ResourcesSpent{Run: run, Attempt: 1, Worker: "w", Device: event.Device{Kind: "gpu", Name: "NVIDIA H100 80GB HBM3", Count: 1}, Seconds: event.Number(rng.Float64() * 1e5)})
		tell(event.MetricsLogged{Gateway: "g", Frames: []event.Frame{lossFrame(run, 1, 0, 2, rng)}})
		if i%2 == 0 {
			tell(event.RunEnded{Run: run, Attempt: 1, Status: event.Finished, Steps: int64(i)})
		}
	}
}

// heap is the memory in use after a collection, and what the kernel counts as ours.
func heap() (inUse, resident float64) {
	debug.FreeOSMemory()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	status, _ := os.ReadFile("/proc/self/status") // "" elsewhere
	for line := range strings.Lines(string(status)) {
		var kb float64
		if n, _ := fmt.Sscanf(line, "VmRSS: %f kB", &kb); n == 1 {
			resident = kb / 1000
		}
	}
	return float64(s.HeapAlloc) / 1e6, resident
}

// p50 calls fn for every iteration and reports the median, that of the processor's time where the system tells it (on a busy machine that is the
// better figure), and what the first call took.
func p50(b *testing.B, fn func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	onCPU := func() (ns float64) {
		raw, _ := os.ReadFile("/proc/thread-self/schedstat")
		_, _ = fmt.Sscan(string(raw), &ns)
		return ns
	}
	var took, busy []float64
	once := func() {
		start, cpu := time.Now(), onCPU()
		fn()
		busy = append(busy, onCPU()-cpu)
		took = append(took, float64(time.Since(start).Nanoseconds()))
	}
	once()
	b.ReportMetric(took[0]/1e6, "ms-first")
	took, busy = nil, nil
	for b.Loop() {
		once()
	}
	slices.Sort(took)
	slices.Sort(busy)
	b.ReportMetric(took[len(took)/2]/1e6, "ms-p50")
	b.ReportMetric(busy[len(busy)/2]/1e6, "ms-cpu")
	b.ReportMetric(0, "ns/op")
}

func benchCompare(f where.Field, op where.Op, v where.Value) where.Expr {
	return where.Compare{Field: f, Op: op, Values: []where.Value{v}}
}

// BenchmarkRuns100k opens, lists, filters, orders and compares 100,000 runs.
func BenchmarkRuns100k(b *testing.B) {
	const n = 100_000
	path := filepath.Join(b.TempDir(), "model.db")
	m, err := readmodel.Open(path, readmodel.Options{})
	if err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	manyRuns(b, m, n)
	if err := m.Commit(); err != nil {
		b.Fatal(err)
	}
	b.Logf("%d runs folded in %.1f s, file %.0f MB", n, time.Since(start).Seconds(), float64(m.Stats().FileBytes)/1e6)
	b.Run("open", func(b *testing.B) {
		p50(b, func() {
			if err := m.Close(); err != nil {
				b.Fatal(err)
			}
			m = nil
			before, _ := heap()
			start := time.Now()
			if m, err = readmodel.Open(path, readmodel.Options{}); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(time.Since(start).Seconds(), "s-open")
			after, resident := heap()
			b.ReportMetric(after-before, "MB-heap")
			b.ReportMetric(resident, "MB-RSS")
		})
	})
	defer func() { _ = m.Close() }()
	ctx := context.Background()
	lr, loss := where.Field{Name: where.Config, Key: "lr"}, where.Field{Name: where.Metric, Key: "train/metric-0"}
	word := func(s string) where.Value { return where.Value{Kind: where.Word, Word: s} }
	number := func(v float64) where.Value { return where.Value{Kind: where.Number, Number: v} }
	down := func(f where.Field) []where.Sort { return []where.Sort{{Field: f, Desc: true}} }
	newest := down(where.Field{Name: where.Created})
	for _, c := range []struct {
		name string
		e    where.Expr
		by   []where.Sort
	}{
		{"list", nil, newest},
		{"status", benchCompare(where.Field{Name: where.Status}, where.Equal, word("running")), newest},
		{"tag and label", where.And{
			benchCompare(where.Field{Name: where.Tag, Key: "group"}, where.Equal, word("7")),
			benchCompare(where.Field{Name: where.Label}, where.Contains, word("week-7")),
		}, newest},
		{"text", where.Words{Text: "sweep-777"}, newest},
		{"text of all", where.Words{Text: "week sweep"}, newest},
		{"config", benchCompare(where.Field{Name: where.Config, Key: "model.n_layer"}, where.Equal, number(12)), down(lr)},
		{"config words", benchCompare(where.Field{Name: where.Config, Key: "model.option_7"}, where.Contains, word("49")), newest},
		{"metric", benchCompare(loss, where.Less, number(3)), down(loss)},
		{"by name", nil, down(where.Field{Name: where.RunName})},
		{"by cost", nil, down(where.Field{Name: where.Dollars})},
		{"by config", nil, down(lr)},
		{"by metric", nil, down(loss)},
		{"by three", nil, []where.Sort{{Field: where.Field{Name: where.Config, Key: "seed"}}, {Field: where.Field{Name: where.Status}}, {Field: loss, Desc: true}}},
		{"all of it", where.And{
			benchCompare(where.Field{Name: where.Status}, where.Equal, word("finished")), benchCompare(lr, where.Less, number(0.5)),
			benchCompare(loss, where.Less, number(3.2)), where.Words{Text: "sweep"},
			where.Or{benchCompare(where.Field{Name: where.Dollars}, where.Greater, number(1)), benchCompare(where.Field{Name: where.Starred}, where.Equal, where.Value{Kind: where.Bool, Bool: true})},
		}, down(loss)},
	} {
		b.Run(c.name, func(b *testing.B) {
			p50(b, func() {
				p, err := m.Runs(ctx, c.e, c.by, "", 50)
				if err != nil || len(p.Runs) == 0 {
					b.Fatal(p.Total, err)
				}
			})
		})
	}
	b.Run("compare 1000 by one metric", func(b *testing.B) {
		p, err := m.Runs(ctx, nil, newest, "", 1000)
		if err != nil {
			b.Fatal(err)
		}
		ids := make([]event.RunID, len(p.Runs))
		for i, r := range p.Runs {
			ids[i] = r.ID
		}
		p50(b, func() {
			_, has, err := m.MetricOf(ctx, ids, "train/metric-0", where.StatLast)
			if err != nil || !has[999] {
				b.Fatal(err)
			}
		})
	})
	b.Run("experiment's cost", func(b *testing.B) {
		p50(b, func() {
			if bill, err := m.ExperimentCost("x7", time.Now()); err != nil || bill.Dollars == 0 {
				b.Fatal(bill, err)
			}
		})
	})
	b.Run("memory", func(b *testing.B) {
		for b.Loop() {
		}
		inUse, resident := heap()
		b.ReportMetric(inUse, "MB-heap")
		b.ReportMetric(resident, "MB-RSS")
	})
}

// BenchmarkLastOfThousand is the last values of one metric of 1,000 runs out of 30,000, from the file.
func BenchmarkLastOfThousand(b *testing.B) {
	path := filepath.Join(b.TempDir(), "model.db")
	open := func() *readmodel.Model {
		m, err := readmodel.Open(path, readmodel.Options{})
		if err != nil {
			b.Fatal(err)
		}
		return m
	}
	m := open()
	manyRuns(b, m, 30_000)
	if err := m.Close(); err != nil {
		b.Fatal(err)
	}
	m = open()
	defer func() { _ = m.Close() }()
	for name, stride := range map[string]int{"neighbours": 1, "scattered": 30} {
		var ids []event.RunID
		for i := range 1000 {
			ids = append(ids, event.RunID(fmt.Sprintf("01HZX3V9M8Q4T6W2Y5%08d", i*stride)))
		}
		b.Run(name, func(b *testing.B) {
			p50(b, func() {
				if got, err := m.LastOf(ids, "train/metric-0"); err != nil || len(got) != 1000 || len(got[999]) != 1 {
					b.Fatal(len(got), err)
				}
			})
		})
	}
}
