package model

import (
	"fmt"
	"io"
	"math"
	"slices"

	"millrace/trainer/engine"
	"millrace/trainer/random"
)

// Begin fills the weights with those of a base model's file, to train it further. The base may be of the same architecture; know fewer tokens;
// and, for a classifier, have a head over tokens or over other classes, which is left out. The rows of new tokens are the mean of those
// that are there (Hewitt 2021), moved by a hundredth of their deviation, drawn from seed, so that no two are the same; the head of a
// classifier is as it was drawn. Every error names the first key of the config, or the tensor, that does not fit. A base that differs is
// read beside the model, and takes its memory meanwhile.
func (m *Model) Begin(base Config, r io.Reader, seed uint64) error {
	base, err := base.Resolve()
	if err != nil {
		return err
	}
	if base == m.config {
		return m.Load(r)
	}
	if err := m.config.Grows(base); err != nil {
		return err
	}
	from, err := Read(base, m.k, r)
	if err != nil {
		return err
	}
	for i, p := range m.params {
		was := from.named[p.Name]
		switch {
		case p.Name == scoreHead && (was == nil || !slices.Equal(was.Shape, p.Shape)):
		case was == nil:
			return fmt.Errorf("model: the base has no %s", p.Name)
		case slices.Equal(was.Shape, p.Shape):
			host := make([]float32, len(was.Value))
			m.k.Download(host, was.Value)
			m.k.Upload(p.Value, host)
		case slices.Equal(was.Shape[1:], p.Shape[1:]) && was.Shape[0] < p.Shape[0]:
			m.grow(p, was, random.Key(seed, "grow "+m.specs[i].name))
		default:
			return fmt.Errorf("model: %s is %v in the base and %v here", p.Name, was.Shape, p.Shape)
		}
	}
	return nil
}

// Grows refuses a config that a base cannot be trained further to: only vocab_size may be greater, and n_label, pool and dropout may be others.
func (c Config) Grows(base Config) error {
	c, base = c.filled(), base.filled()
	if c.VocabSize < base.VocabSize {
		return fmt.Errorf("model.vocab_size: %d are fewer tokens than the %d that the base knows", c.VocabSize, base.VocabSize)
	}
	same := base
	same.VocabSize, same.NLabel, same.Pool, same.Dropout = c.VocabSize, c.NLabel, c.Pool, c.Dropout
	if same != c {
		return fmt.Errorf("model: its architecture is not the base's; leave out everything but model.dropout")
	}
	return nil
}

// grow copies the rows that were there, and makes the others.
func (m *Model) grow(p, was *engine.Parameter, key uint64) {
	rows, cols := was.Shape[0], len(was.Value)/was.Shape[0]
	host := make([]float32, len(p.Value))
	m.k.Download(host[:len(was.Value)], was.Value)
	mean, square := make([]float64, cols), 0.0
	for i, x := range host[:len(was.Value)] {
		mean[i%cols] += float64(x) / float64(rows)
	}
	for i, x := range host[:len(was.Value)] {
		d := float64(x) - mean[i%cols]
		square += d * d
	}
	deviation := 0.01 * math.Sqrt(square/float64(len(was.Value)))
	for i := len(was.Value); i < len(host); i++ {
		noise, _ := random.Normal(key, uint64(i))
		host[i] = float32(mean[i%cols] + deviation*noise)
	}
	m.k.Upload(p.Value, host)
}
