package model

import "millrace/trainer/engine"

// Logits computes those of whole sequences, [vocab_size] of every token, one after the other.
func (m *Model) Logits(ids, source, segments [][]int32, lengths []int32) ([][]float32, error) {
	s := Shape{len(ids), len(ids[0]), 0}
	if source != nil {
		s.Source = len(source[0])
	}
	s, err := m.fits(s)
	if err != nil {
		return nil, err
	}
	in := m.newInput(s.Sequences, s.Tokens, s.Source)
	for i := range ids {
		copy(in.ids[i*s.Tokens:], ids[i])
		if source != nil {
			copy(in.encoderIDs[i*s.Source:], source[i])
		}
		if segments != nil {
			copy(in.segments[i*s.Tokens:], segments[i])
		}
	}
	copy(in.lengths, lengths)
	p, err := engine.Build(m.k, false, func(g *engine.Graph) *engine.Tensor { return m.net(g, in, false).logits() })
	if err != nil {
		return nil, err
	}
	if err := p.Run(0); err != nil {
		return nil, err
	}
	out := make([]float32, len(p.Output()))
	m.k.Download(out, p.Output())
	each := len(out) / len(ids)
	var all [][]float32
	for i := range ids {
		all = append(all, out[i*each:(i+1)*each])
	}
	return all, nil
}
