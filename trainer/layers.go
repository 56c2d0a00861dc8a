package trainer

import (
	"math"

	"millrace/trainer/engine"
)

// layers takes statistics of every parameter while it is updated.
type layers struct {
	k      engine.Kernels
	before []float32 // room for the largest parameter
	points []Point
	keys   map[*engine.Parameter][3]string
}

func newLayers(k engine.Kernels, params []*engine.Parameter) *layers {
	l := &layers{k: k, keys: map[*engine.Parameter][3]string{}}
	most := 0
	for _, p := range params {
		most = max(most, len(p.Value))
		l.keys[p] = [3]string{PrefixLayer + p.Name + "/weight_norm", PrefixLayer + p.Name + "/grad_norm", PrefixLayer + p.Name + "/update_ratio"}
	}
	l.before = k.Alloc(most)
	return l
}

// around measures a parameter before and after its update.
func (l *layers) around(p *engine.Parameter, update func()) {
	keys, before := l.keys[p], l.before[:len(p.Value)]
	weight, grad := math.Sqrt(l.k.SumSquares(p.Value)), math.Sqrt(l.k.SumSquares(p.Grad))
	l.k.Mix(before, p.Value, p.Value, 1, 0)
	update()
	l.k.Mix(before, p.Value, before, 1, -1)
	ratio := math.Sqrt(l.k.SumSquares(before)) / weight
	l.points = append(l.points, Point{keys[0], weight}, Point{keys[1], grad})
	if finite(ratio) { // a parameter that begins at zero has none
		l.points = append(l.points, Point{keys[2], ratio})
	}
}

// drain moves what was measured to points.
func (l *layers) drain(points []Point) []Point {
	points = append(points, l.points...)
	l.points = l.points[:0]
	return points
}
