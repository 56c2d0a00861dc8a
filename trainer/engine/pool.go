package engine

// Pool adds one row for every sequence of length t, [rows/t, cols]: the mean of its first lengths[i] rows, or the last of them. lengths is
// read at every Run; each is between 1 and t.
func (g *Graph) Pool(name string, x *Tensor, t int, lengths []int32, last bool) *Tensor {
	c := x.Cols
	if t < 1 || x.Rows != t*len(lengths) {
		g.fail("%s: %d lengths for %d rows in sequences of %d", name, len(lengths), x.Rows, t)
		return &Tensor{op: &operation{}}
	}
	// The mean is a product with a row of 1/n, and its gradient one with a column of them.
	op := &operation{name: name, rows: len(lengths), cols: c, inputs: []*Tensor{x}, keeps: []int{t}}
	host := make([]float32, t)
	sequence := func(i int) (parts []float32, from, to int) {
		first, end := 0, int(lengths[i])
		if last {
			first = end - 1
		}
		n := end - first
		for j := range host[:n] {
			host[j] = 1 / float32(n)
		}
		g.k.Upload(op.kept[0][:n], host[:n])
		return op.kept[0][:n], (i*t + first) * c, (i*t + end) * c
	}
	op.run = func() {
		for i := range lengths {
			parts, from, to := sequence(i)
			g.k.Linear(op.y[i*c:(i+1)*c], parts, op.in[0][from:to], nil, 1, len(parts), c, false)
		}
	}
	op.backward = func(dx [][]float32, dy []float32) {
		g.k.Zero(dx[0])
		for i := range lengths {
			parts, from, to := sequence(i)
			g.k.LinearBackward(nil, dx[0][from:to], nil, dy[i*c:(i+1)*c], parts, nil, 1, len(parts), c, false)
		}
	}
	return g.apply(op)
}
