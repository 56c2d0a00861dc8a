package node

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"millrace/event"
)

// metrics is what the node tells Prometheus about itself. Runs' own metrics are in GraphQL, not here.
func (n *Node) metrics() *prometheus.Registry {
	r := prometheus.NewRegistry()
	gauge := func(name, help string, f func() float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "millrace", Name: name, Help: help}, f))
	}
	gauge("last_seq", "Last place in the log.", func() float64 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		s, err := n.bus.State(ctx)
		if err != nil {
			return -1
		}
		return float64(s.Last)
	})
	if n.model != nil {
		gauge("applied_seq", "Place in the log up to which the read model has folded.", func() float64 { return float64(n.model.Cursor().Applied) })
		gauge("committed_seq", "Place in the log up to which the read model is durable.", func() float64 { return float64(n.model.Cursor().Committed) })
		for _, status := range []event.RunStatus{event.Pending, event.Running, event.Finished, event.Failed, event.Stopped, event.Crashed, event.Paused} {
			r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Namespace: "millrace", Name: "runs", Help: "Runs by status.", ConstLabels: prometheus.Labels{"status": string(status)},
			}, func() float64 {
				counts, err := n.model.CountRuns(context.Background(), nil)
				if err != nil {
					return -1
				}
				return float64(counts[status])
			}))
		}
	}
	if n.logging != nil {
		c := n.logging.Counts()
		for _, of := range []struct {
			name, help string
			count      *atomic.Int64
		}{
			{"ingest_requests_total", "Requests of scripts that log.", &c.Requests},
			{"ingest_points_total", "Metric points that scripts logged.", &c.Points},
			{"ingest_facts_total", "Facts that scripts logged, all points of a batch being one.", &c.Facts},
			{"ingest_duplicate_batches_total", "Batches that had been taken before.", &c.Duplicates},
			{"ingest_bytes_total", "Bytes that scripts sent, unpacked.", &c.Bytes},
			{"ingest_invalid_total", "Requests of scripts that were at fault.", &c.Invalid},
			{"ingest_unavailable_total", "Requests of scripts that could not be taken at the moment.", &c.Unavailable},
		} {
			r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "millrace", Name: of.name, Help: of.help}, func() float64 { return float64(of.count.Load()) }))
		}
	}
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}
