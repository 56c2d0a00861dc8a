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
	losses, weights := make([]float32, m), make([]float32, m/t)
	op := &operation{
		name: name, rows: m, cols: 1, inputs: []*Tensor{logits}, keeps: []int{m * v}, keptOverInput: true, gradOverKept: true,
	}
	op.run = func() {
		g.k.CrossEntropy(op.y, op.kept[0], op.in[0], targets, m, v)
		g.k.Download(losses, op.y)
		weigh(losses, weights)
	}
	op.backward = func(dx [][]float32, scale []float32) {
		for i, w := range weights {
			from, to := i*t*v, (i+1)*t*v
			g.k.CrossEntropyBackward(dx[0][from:to], op.kept[0][from:to], targets[i*t:(i+1)*t], w*scale[0], t, v)
		}
	}
	return g.apply(op)
}
