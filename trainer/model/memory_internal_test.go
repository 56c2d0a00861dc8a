package model

import (
	"testing"

	"millrace/trainer/engine/cpu"
)

// What training is said to take is what its program takes, within a tenth.
func TestTrainingMemory(t *testing.T) {
	for _, n := range []struct{ layers, width, length, vocab int }{{4, 64, 128, 256}, {6, 64, 32, 1000}, {2, 128, 64, 64}} {
		for _, a := range []Arch{GPT2, Llama, BERT, T5} {
			c := small(a)
			c.NLayer, c.DModel, c.Context, c.VocabSize = n.layers, n.width, n.length, n.vocab
			for _, change := range []func(*Config){
				func(*Config) {}, func(c *Config) { c.NKVHead = 1 }, func(c *Config) { c.Dropout = 0.1 }, func(c *Config) { c.NormPlace = Both }, func(c *Config) { c.Activation = GeGLU }, func(c *Config) { c.QKNorm = true },
			}[:changes(a)] {
				c := c
				change(&c)
				m, err := New(c, cpu.Reference(), 1)
				if err != nil {
					t.Fatal(err)
				}
				b, err := m.Batch(4, n.length)
				if err != nil {
					t.Fatal(err)
				}
				has, says := float64(b.program.Memory()), float64(c.TrainingMemory(4, n.length).Activations)
				if says < 0.9*has || says > 1.1*has {
					t.Errorf("%+v: activations take %.0f bytes, %.0f were estimated: %.3f", c, has, says, says/has)
				}
			}
		}
	}
}

// changes is how many changes are tried of a family: all of one.
func changes(a Arch) int {
	if a == Llama {
		return 6
	}
	return 1
}
