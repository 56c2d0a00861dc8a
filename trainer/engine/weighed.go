package engine

// WeighedCrossEntropy is CrossEntropy of sequences of length t whose losses count with a weight for each sequence, which may follow from
// the losses themselves: weigh is called in every Run between the passes, with the loss of every row and the weights [rows/t] to fill
// in, all on the host. The derivative of the objective with respect to a row's loss is its sequence's weight times the scale of Run.
func (g *Graph) WeighedCrossEntropy(name string, logits *Tensor, targets []int32, t int, weigh func(losses, weights []float32)) *Tensor {
	m, v := logits.Rows, logits.Cols
	if len(targets) != m || t < 1 || m%t != 0 {
		g.fail("%s: %d targets in sequences of %d for %d rows", name, len(targets), t, m)
		return &Tensor{op: &operation{}}
	}
	if logits.op != nil && len(logits.op.readers) > 0 {
		g.fail("%s: %s has another reader", name, logits.op.name)
	}
	losses, weights := make([]float32, m), make([]float32, m/t)
	return g.apply(&operation{
		name: name, rows: m, cols: 1, inputs: []*Tensor{logits}, inPlace: true,
		run: func(y []float32, _ [][]float32) {
			g.k.CrossEntropy(y, logits.op.out, logits.op.out, targets, m, v)
			g.k.Download(losses, y)
			weigh(losses, weights)
		},
		backward: func(dx, scale []float32, _ [][]float32) {
			for i, w := range weights {
				rows := func(x []float32) []float32 { return x[i*t*v : (i+1)*t*v] }
				g.k.CrossEntropyBackward(rows(dx), rows(logits.op.out), targets[i*t:(i+1)*t], w*scale[0], t, v)
			}
		},
	})
}
