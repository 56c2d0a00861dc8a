package ingest_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// kinds is a batch of a writer with ten facts of ten kinds and a hundred points, all durable when it is answered.
func kinds(writer string, n int) string {
	var points strings.Builder
	for i := range 100 {
		fmt.Fprintf(&points, `,{"key":"k%d","step":%d,"value":0.5}`, i%10, n*10+i/10)
	}
	return fmt.Sprintf(`{"writer":%q,"sequence":%d,"entries":[{"points":[%s]},{"params":{"p%d":%d}},{"lines":{"first":%d,"lines":["a line"]}},{"text":{"key":"t","step":%d,"text":"x"}},
		{"rows":{"first":%d,"rows":[{"x":1}]}},{"usage":{"cpu_percent":50,"rss":1000}},{"spent":{"device":{"kind":"gpu","name":"H100","count":8},"seconds":%d}},
		{"tags":{"at":"%d"}},{"alert":{"title":"spike"}},{"progress":{"phase":"train","done":%d}},{"heartbeat":{}}]}`, writer, n, points.String()[1:], n%50, n, n, n, n, n, n, n)
}

// BenchmarkBatch is facts a second that are durable in the log (fsync on), by writers that each wait for the answer to a batch of eleven.
func BenchmarkBatch(b *testing.B) {
	for _, writers := range []int{1, 16} {
		b.Run(fmt.Sprintf("%d writers", writers), func(b *testing.B) {
			l := start(b)
			for w := range writers {
				l.ok("/runs", fmt.Sprintf(`{"id":"R%d"}`, w))
			}
			var next atomic.Int64
			b.ResetTimer()
			var all sync.WaitGroup
			for w := range writers {
				all.Go(func() {
					for n := 1; next.Add(1) <= int64(b.N); n++ {
						if got := l.post(fmt.Sprintf("/runs/R%d/log", w), kinds("w", n)); got.Status != 200 {
							b.Errorf("%+v", got.Error)
							return
						}
					}
				})
			}
			all.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N*11)/b.Elapsed().Seconds(), "facts/s")
		})
	}
}
