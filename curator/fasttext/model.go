package fasttext

import (
	"math"
	"strings"
	"sync"
)

// Model tells labels of texts. Any number of goroutines may use it.
type Model struct {
	dim, wordNgrams, loss, bucket, minn, maxn int

	words  map[string]int32 // to the row of input
	labels []string         // as they are in the file, with their prefix
	counts []int64          // of labels
	pruned bool             // of the rows behind the words only those in kept are there
	kept   map[uint32]int32
	// keptRows is how many those are.
	keptRows int

	input, output matrix
	tree          []node       // of lossHierarchical
	sigmoids      [513]float32 // of lossOneVsAll and lossNegative
	scratch       sync.Pool    // of *scratch
}

type scratch struct {
	word           []byte
	rows           []int32
	hashes         []int32
	hidden, scores []float32
}

// node is one of the tree that halves the labels; those are the first nodes.
type node struct {
	left, right int32
	count       int64
}

// prefix is what fastText puts before labels, and takes tokens for labels by.
const prefix = "__label__"

// endOfLine is the word that stands for the end of a text.
const endOfLine = "</s>"

// rows is how many rows the input must have.
func (m *Model) rows() int {
	if m.pruned {
		return len(m.words) + m.keptRows
	}
	if m.maxn > 0 || m.wordNgrams > 1 {
		return len(m.words) + m.bucket
	}
	return len(m.words)
}

// Labels are the model's labels, without "__label__", in the order of the file.
func (m *Model) Labels() []string {
	list := make([]string, len(m.labels))
	for i, l := range m.labels {
		list[i] = strings.TrimPrefix(l, prefix)
	}
	return list
}

// prepare makes what the file does not hold.
func (m *Model) prepare() {
	m.scratch.New = func() any {
		return &scratch{hidden: make([]float32, m.dim), scores: make([]float32, len(m.labels))}
	}
	for i := range m.sigmoids {
		x := float64(float32(i*16)/512) - 8
		m.sigmoids[i] = float32(1 / (1 + math.Exp(-x)))
	}
	if m.loss == lossHierarchical {
		m.tree = tree(m.counts)
	}
}

// tree is the Huffman tree over the counts, which descend; its last node is the root.
func tree(counts []int64) []node {
	n := len(counts)
	t := make([]node, 2*n-1)
	for i := range t {
		t[i] = node{-1, -1, 1e15}
		if i < n {
			t[i].count = counts[i]
		}
	}
	leaf, inner := n-1, n
	for i := n; i < len(t); i++ {
		var least [2]int
		for j := range least {
			if leaf >= 0 && t[leaf].count < t[inner].count {
				least[j] = leaf
				leaf--
			} else {
				least[j] = inner
				inner++
			}
		}
		t[i] = node{int32(least[0]), int32(least[1]), t[least[0]].count + t[least[1]].count}
	}
	return t
}

// Predict is the most probable label of a text, as its index in Labels, and its score, as "fasttext predict-prob" gives
// them: line feeds are taken for spaces, and a score may be a little above 1. ok is false for a text of which the model
// knows nothing.
func (m *Model) Predict(text string) (label int, score float64, ok bool) {
	s := m.scratch.Get().(*scratch)
	defer m.scratch.Put(s)
	if !m.hide(s, text) {
		return 0, 0, false
	}
	if m.loss == lossHierarchical {
		best := descent{m: m, hidden: s.hidden, only: -1, score: float32(math.Inf(-1))}
		best.down(int32(len(m.tree)-1), 0)
		return best.label, exp(best.score), true
	}
	m.score(s)
	for i, x := range s.scores {
		if x > s.scores[label] {
			label = i
		}
	}
	return label, exp(logOf(s.scores[label])), true
}

// Score is the score of one label, by its index in Labels.
func (m *Model) Score(text string, label int) (score float64, ok bool) {
	s := m.scratch.Get().(*scratch)
	defer m.scratch.Put(s)
	if !m.hide(s, text) {
		return 0, false
	}
	if m.loss == lossHierarchical {
		d := descent{m: m, hidden: s.hidden, only: label, score: float32(math.Inf(-1))}
		d.down(int32(len(m.tree)-1), 0)
		return exp(d.score), true
	}
	m.score(s)
	return exp(logOf(s.scores[label])), true
}

// logOf is fastText's std_log, in its precision: of something above the number.
func logOf(x float32) float32 { return float32(math.Log(float64(x) + 1e-5)) }

func exp(x float32) float64 { return float64(float32(math.Exp(float64(x)))) }

// hide fills s.hidden with the mean of the text's rows; false when it has none.
func (m *Model) hide(s *scratch, text string) bool {
	m.rowsOf(s, text)
	if len(s.rows) == 0 {
		return false
	}
	clear(s.hidden)
	for _, row := range s.rows {
		m.input.add(s.hidden, int(row))
	}
	by := float32(1 / float64(len(s.rows)))
	for i := range s.hidden {
		s.hidden[i] *= by
	}
	const most = 1 << 20 // rows that are worth keeping
	if cap(s.rows) > most {
		s.rows, s.hashes = nil, nil
	}
	return true
}

// score fills s.scores.
func (m *Model) score(s *scratch) {
	for i := range s.scores {
		s.scores[i] = m.output.dot(s.hidden, i)
	}
	if m.loss != lossSoftmax {
		for i, x := range s.scores {
			s.scores[i] = m.sigmoid(x)
		}
		return
	}
	most := s.scores[0]
	for _, x := range s.scores {
		most = max(most, x)
	}
	var sum float32
	for i, x := range s.scores {
		s.scores[i] = float32(math.Exp(float64(x - most)))
		sum += s.scores[i]
	}
	for i := range s.scores {
		s.scores[i] /= sum
	}
}

// sigmoid is that of fastText's table.
func (m *Model) sigmoid(x float32) float32 {
	switch {
	case x < -8:
		return 0
	case x > 8:
		return 1
	case x != x:
		return 0
	}
	return m.sigmoids[int((x+8)*512/8/2)]
}

// descent walks the tree of labels down to the best of them, or to the only one that is asked for.
type descent struct {
	m      *Model
	hidden []float32
	only   int // -1: the best
	label  int
	score  float32
}

func (d *descent) down(at int32, score float32) {
	if d.only < 0 && score < d.score {
		return
	}
	n := d.m.tree[at]
	if n.left < 0 && n.right < 0 {
		if d.only < 0 || d.only == int(at) {
			d.label, d.score = int(at), score
		}
		return
	}
	f := d.m.output.dot(d.hidden, int(at)-len(d.m.labels))
	f = float32(1 / (1 + math.Exp(float64(-f))))
	d.down(n.left, score+logOf(float32(1-float64(f))))
	d.down(n.right, score+logOf(f))
}
