package node

import (
	"context"
	"fmt"

	"millrace/services/meter"
	"millrace/services/serving"
	"millrace/trainer/engine"
	"millrace/trainer/engine/auto"
)

// openServing lets people talk to this node's checkpoints. Nothing is loaded before somebody does.
func (n *Node) openServing(ctx context.Context) error {
	if !n.config.plays(Serving) {
		return nil
	}
	k, err := auto.Open(n.config.Engine, n.config.Threads)
	if err != nil {
		return fmt.Errorf("node: %w", err)
	}
	n.closeLater(k)
	c := serving.Config{
		Source: serving.Stored{Model: n.model, Blobs: n.blobs}, Kernels: k, Form: engine.Form(n.config.Serve.Weights), Log: n.log,
		Limits: serving.Limits{ModelBytes: n.config.Serve.MemoryBytes},
	}
	if c.Limits.ModelBytes == 0 {
		m := n.meter
		if m == nil {
			m = meter.New(meter.Config{Dir: n.config.Data, Log: n.log})
			n.closes = append(n.closes, m.Close)
		}
		usage, err := m.Sample(ctx)
		if err != nil {
			return fmt.Errorf("node: %w", err)
		}
		c.Limits.ModelBytes = usage.MemoryTotal / 4
	}
	n.serving = serving.New(c)
	n.closes = append(n.closes, n.serving.Close)
	return nil
}
