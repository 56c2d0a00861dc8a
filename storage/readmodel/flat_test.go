package readmodel_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"millrace/event"
	"millrace/storage/readmodel"
)

// BenchmarkFlat fills a model up to 10⁵, 10⁶ and 10⁷ points (or MILLRACE_FLAT_POINTS, e.g. 1e8) in one long series and nine beside it, and
// prints at each size the speed of the last tenth's ingest, bytes a point, and the median of a chart of the long one at 1,000 pixels, of a part
// of it, and of the last values of its key.
func BenchmarkFlat(b *testing.B) {
	most := 1e7
	if s := os.Getenv("MILLRACE_FLAT_POINTS"); s != "" {
		var err error
		if most, err = strconv.ParseFloat(s, 64); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		m := benchModel(b)
		rng := rand.New(rand.NewPCG(1, 1))
		points, seq, step := 0, uint64(0), 0
		for size := 1e5; size <= most; size *= 10 {
			last, began := size*0.9, time.Time{}
			for float64(points) < size {
				if float64(points) >= last && began.IsZero() {
					began = time.Now()
				}
				seq++
				long, short := lossFrame("long", 1, step, 9100, rng), lossFrame("beside", 9, step/91, 100, rng)
				if err := m.Apply(event.Envelope{Seq: seq, Event: event.MetricsLogged{Gateway: "g", Frames: []event.Frame{long, short}}}); err != nil {
					b.Fatal(err)
				}
				points, step = points+10_000, step+9100
			}
			if err := m.Commit(); err != nil {
				b.Fatal(err)
			}
			ingest := (size - last) / time.Since(began).Seconds()
			median := func(ask func() error) float64 {
				var took []float64
				for range 21 {
					start := time.Now()
					if err := ask(); err != nil {
						b.Fatal(err)
					}
					took = append(took, float64(time.Since(start).Microseconds())/1000)
				}
				slices.Sort(took)
				return took[10]
			}
			chart := func(from, to int64) func() error {
				return func() error {
					s, err := m.Series("long", readmodel.SeriesQuery{MaxPoints: 1000, MinStep: &from, MaxStep: &to})
					if err == nil && (len(s) != 1 || !s[0].Downsampled) {
						err = fmt.Errorf("%d series", len(s))
					}
					return err
				}
			}
			whole, part := median(chart(0, int64(step))), median(chart(int64(step)/3, int64(step)/3+20_000))
			lasts := median(func() error { _, err := m.LastValues("train/metric-0"); return err })
			b.Logf("%.0e points: ingest %.2f M/s, %.2f B/point, chart %.2f ms, part %.2f ms, last values %.3f ms", size, ingest/1e6,
				float64(m.Stats().FileBytes)/size, whole, part, lasts)
		}
	}
}
