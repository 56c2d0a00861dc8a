package model

import "millrace/trainer/engine"

// rotary are the cosines and sines of a program.
type rotary struct {
	c        Config
	k        engine.Kernels
	t, n     int // rows; the length of sequences they are for
	cos, sin []float32
}

// newRotary makes those of sequences of t tokens. Programs share them, but where they depend on the length of what is run.
func (m *Model) newRotary(t int) *rotary {
	if r := m.rotaries[t]; r != nil && m.config.RopeScaling.Type != dynamicScaling {
		return r
	}
	size := t * m.config.HeadDim / 2
	r := &rotary{c: m.config, k: m.k, t: t, cos: m.k.Alloc(size), sin: m.k.Alloc(size)}
	r.stretch(t)
	m.rotaries[t] = r
	return r
}

// stretch makes the tables those of sequences of n tokens.
func (r *rotary) stretch(n int) {
	if r == nil || r.n == n || (r.n > 0 && r.c.RopeScaling.Type != dynamicScaling) {
		return
	}
	cos, sin := r.c.Rotary(r.t, n)
	r.k.Upload(r.cos, cos)
	r.k.Upload(r.sin, sin)
	r.n = n
}

// sinusoids is the table of sinusoidal positions, which is not learned and in no file.
func (m *Model) sinusoids() *engine.Parameter {
	if m.waves == nil {
		m.waves = engine.NewParameter(m.k, "sinusoids", false, m.config.Context, m.config.DModel)
		m.k.Upload(m.waves.Value, sinusoids(m.config.Context, m.config.DModel))
	}
	return m.waves
}
