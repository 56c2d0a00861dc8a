package trainer_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"

	"millrace/trainer"
)

// memory is a Recorder that keeps everything.
type memory struct {
	steps       []int64
	points      []map[string]float64 // by index of steps
	checkpoints map[int64]map[string][]byte
	order       []int64 // steps of checkpoints
	spikes      []trainer.Spike
	samples     []trainer.Sampled
	onMetrics   func(step int64) error
}

func newMemory() *memory { return &memory{checkpoints: map[int64]map[string][]byte{}} }

func (m *memory) Metrics(_ context.Context, step int64, points []trainer.Point) error {
	m.steps = append(m.steps, step)
	at := map[string]float64{}
	for _, p := range points {
		if _, twice := at[p.Key]; twice {
			return fmt.Errorf("%s twice at step %d", p.Key, step)
		}
		at[p.Key] = p.Value
	}
	m.points = append(m.points, at)
	if m.onMetrics != nil {
		return m.onMetrics(step)
	}
	return nil
}

func (m *memory) Spiked(_ context.Context, s trainer.Spike) error {
	m.spikes = append(m.spikes, s)
	return nil
}

func (m *memory) Sampled(_ context.Context, s trainer.Sampled) error {
	m.samples = append(m.samples, s)
	return nil
}

// Checkpoint runs beside Metrics: the two touch different fields.
func (m *memory) Checkpoint(_ context.Context, c trainer.Checkpoint) error {
	files := map[string][]byte{}
	for _, f := range c.Files {
		for range 2 { // a body can be written again
			var b bytes.Buffer
			if n, err := f.Body.WriteTo(&b); err != nil || n != f.Size || n != int64(b.Len()) {
				return fmt.Errorf("%s: wrote %d of %d bytes, %d arrived: %v", f.Name, n, f.Size, b.Len(), err)
			}
			if old, ok := files[f.Name]; ok && !bytes.Equal(old, b.Bytes()) {
				return fmt.Errorf("%s: two writings differ", f.Name)
			}
			files[f.Name] = b.Bytes()
		}
		var b bytes.Buffer // and be read anywhere
		if _, err := io.CopyBuffer(struct{ io.Writer }{&b}, struct{ io.Reader }{io.NewSectionReader(f.Body, 0, f.Size+9)}, make([]byte, 997)); err != nil || !bytes.Equal(b.Bytes(), files[f.Name]) {
			return fmt.Errorf("%s: read in parts it has %d bytes that differ: %v", f.Name, b.Len(), err)
		}
	}
	m.checkpoints[c.Step] = files
	m.order = append(m.order, c.Step)
	return nil
}

// open reads the checkpoint of a step, as Job.Resume and Job.Init want it.
func (m *memory) open(step int64) trainer.Open {
	return func(name string) (io.ReadCloser, error) {
		b, ok := m.checkpoints[step][name]
		if !ok {
			return nil, fmt.Errorf("step %d has no %s", step, name)
		}
		return io.NopCloser(bytes.NewReader(b)), nil
	}
}

// value is the metric of a step, or NaN.
func (m *memory) value(step int64, key string) float64 {
	for i, s := range m.steps {
		if s == step {
			if v, ok := m.points[i][key]; ok {
				return v
			}
		}
	}
	return math.NaN()
}
