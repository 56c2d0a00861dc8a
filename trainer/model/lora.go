package model

import (
	"fmt"
	"math"
	"path"
	"slices"
	"strings"

	"millrace/trainer/engine"
	"millrace/trainer/random"
)

// LoRA is low-rank adaptation as data (Hu et al. 2021): beside a frozen weight W stands a product of two small matrices that are
// learnt, y = x·W + alpha/rank · (x·A)·B. The zero LoRA is none.
type LoRA struct {
	Rank    int     `json:"rank"`              // columns of A and rows of B
	Alpha   float64 `json:"alpha"`             // 0 chooses twice the rank
	Targets string  `json:"targets"`           // which linear layers, parted by commas: "all", parts ("attention", "cross", "mlp"), or the ends of names ("q_proj", "attn.c_attn"); "" chooses all
	Dropout float64 `json:"dropout,omitempty"` // share of x that an adapter does not see, in training
	Tables  bool    `json:"tables,omitempty"`  // learns the tables of tokens too, in full: tokens that the base did not know have to be learnt
}

// Resolve writes down what is left to choose.
func (l LoRA) Resolve() LoRA {
	if l == (LoRA{}) {
		return l
	}
	if l.Alpha == 0 {
		l.Alpha = 2 * float64(l.Rank)
	}
	if l.Targets == "" {
		l.Targets = "all"
	}
	return l
}

// maxRank bounds a rank: beyond it the adapters are no smaller than what they adapt.
const maxRank = 1 << 12

// Validate names the first key that is wrong.
func (l LoRA) Validate() error {
	switch {
	case l == (LoRA{}):
		return nil
	case l.Rank < 1 || l.Rank > maxRank:
		return fmt.Errorf("lora.rank: %d is not between 1 and %d", l.Rank, maxRank)
	case !(l.Alpha >= 0 && l.Alpha <= 1e6):
		return fmt.Errorf("lora.alpha: %g is not between 0 and 1e6", l.Alpha)
	case !(l.Dropout >= 0 && l.Dropout < 1):
		return fmt.Errorf("lora.dropout: %g is not at least 0 and below 1", l.Dropout)
	}
	return nil
}

// scale is what the adapters' product is multiplied by.
func (l LoRA) scale() float32 { return float32(l.Alpha / float64(l.Rank)) }

// adapted is a tensor of the file that an adapter stands beside, without ".weight": some of the outputs of a weight.
type adapted struct {
	name     string
	from, to int // of the weight's outputs
}

// adapter stands beside one weight. Where the weight is several tensors of the file in one, each has rows of a and b of its own.
type adapter struct {
	weight     *engine.Parameter
	transposed bool // the weight is [out, in]
	in, out    int
	rank       int
	parts      []adapted
	a, b       *engine.Parameter // [parts·rank, in] and [parts·rank, out], 0 but for each part's outputs
	scale      float32
	merged     []float32   // the weight with its adapter, when last asked for
	written    [][]float32 // each part's b as files have it
}

// adapters chooses the weights that a LoRA adapts. It fails if a target fits none.
func (c Config) adapters(l LoRA) ([]adapter, error) {
	targets := strings.Split(l.Targets, ",")
	hit := make([]bool, len(targets))
	var all []adapter
	var names []string
	for _, s := range c.specs() {
		linear := len(s.shape) == 2 && (s.part == PartAttention || s.part == PartCross || s.part == PartMLP)
		if !linear {
			continue
		}
		a := adapter{transposed: c.Arch.layout().transposed, rank: l.Rank, in: s.shape[0], out: s.shape[1], scale: l.scale()}
		if a.transposed {
			a.in, a.out = a.out, a.in
		}
		at := 0
		for _, p := range s.pieces {
			to := a.out
			if len(s.pieces) > 1 { // then it is [out, in], and a piece some of its rows
				to = at + p.shape[0]
			}
			name := strings.TrimSuffix(p.name, ".weight")
			names = append(names, shortName(name))
			for i, t := range targets {
				t = strings.TrimSpace(t)
				if t == "all" || t == string(s.part) || name == t || strings.HasSuffix(name, "."+t) {
					hit[i] = true
					if n := len(a.parts); n == 0 || a.parts[n-1].name != name {
						a.parts = append(a.parts, adapted{name, at, to})
					}
				}
			}
			at = to
		}
		if len(a.parts) > 0 {
			a.weight = &engine.Parameter{Name: s.name}
			all = append(all, a)
		}
	}
	if i := slices.Index(hit, false); i >= 0 {
		slices.Sort(names)
		return nil, fmt.Errorf("lora.targets: %q fits no linear layer; there are attention, cross and mlp, and %s", strings.TrimSpace(targets[i]), strings.Join(slices.Compact(names), ", "))
	}
	return all, nil
}

// shortName is the end of a name that says which layer of a block it is: "attn.c_attn".
func shortName(name string) string {
	return path.Base(path.Dir(strings.ReplaceAll(name, ".", "/"))) + "." + path.Base(strings.ReplaceAll(name, ".", "/"))
}

// whole tells which parameters are learnt as they are beside adapters: the head of a classifier, and tables of tokens if asked.
func (c Config) whole(s spec, l LoRA) bool {
	n := c.Arch.layout()
	return s.name == scoreHead || l.Tables && (s.name == n.tokens || s.name == n.head)
}

// LoRAParameters is how many parameters a LoRA learns in this architecture. Errors: a target that fits nothing.
func (c Config) LoRAParameters(l LoRA) (int64, error) {
	c, l = c.filled(), l.Resolve()
	all, err := c.adapters(l)
	n := int64(0)
	for _, s := range c.specs() {
		if c.whole(s, l) {
			n += s.size()
		}
	}
	for _, a := range all {
		for _, p := range a.parts {
			n += int64(a.rank) * int64(a.in+p.to-p.from)
		}
	}
	return n, err
}

// NewAdapted makes a model whose weights are frozen, to be loaded, and of which a LoRA's adapters are trained, the head of a
// classifier, and tables of tokens if asked. A is uniform in ±1/√in, as PEFT draws it, B is 0: before the first step the model computes what its weights alone do.
func NewAdapted(c Config, l LoRA, k engine.Kernels, seed uint64) (*Model, error) {
	l = l.Resolve()
	if err := l.Validate(); err != nil {
		return nil, err
	}
	if l.Rank == 0 {
		return nil, fmt.Errorf("lora.rank: 0 adapts nothing")
	}
	m, err := allocate(c, k, false)
	if err != nil {
		return nil, err
	}
	for i, s := range m.specs {
		s.initialise(m.params[i], k, seed)
		if p := m.params[i]; m.config.whole(s, l) {
			p.Grad = k.Alloc(len(p.Value))
		}
	}
	all, err := m.config.adapters(l)
	if err != nil {
		return nil, err
	}
	m.lora, m.adapters = l, map[string]*adapter{}
	for _, a := range all {
		name := strings.TrimSuffix(a.weight.Name, ".weight")
		rows := a.rank * len(a.parts)
		a.weight = m.named[a.weight.Name]
		a.a = engine.NewParameter(k, name+".lora_A", true, rows, a.in)
		a.b = engine.NewParameter(k, name+".lora_B", true, rows, a.out)
		uniform(a.a, k, random.Key(seed, a.a.Name), 1/math.Sqrt(float64(a.in)))
		m.adapters[name] = &a
		m.order = append(m.order, &a)
	}
	return m, nil
}

// uniform fills p with numbers between -limit and limit.
func uniform(p *engine.Parameter, k engine.Kernels, key uint64, limit float64) {
	host := make([]float32, len(p.Value))
	for i := range host {
		host[i] = float32((2*random.Float64(key, uint64(i)) - 1) * limit)
	}
	k.Upload(p.Value, host)
}

// Learnt are the parameters that training changes: all, or of a model with adapters those.
func (m *Model) Learnt() []*engine.Parameter {
	var out []*engine.Parameter
	for _, p := range m.params {
		if p.Grad != nil {
			out = append(out, p)
		}
	}
	for _, a := range m.order {
		out = append(out, a.a, a.b)
	}
	return out
}

// LoRA is what the model's adapters were made by; the zero LoRA without.
func (m *Model) LoRA() LoRA { return m.lora }

// blocks are the parts of b that are learnt.
func (a *adapter) blocks() []engine.Block {
	out := make([]engine.Block, len(a.parts))
	for i, p := range a.parts {
		out[i] = engine.Block{Row: i * a.rank, Rows: a.rank, Col: p.from, Cols: p.to - p.from}
	}
	return out
}

// adapt adds what an adapter beside a linear layer says, if there is one, to what the layer says of x.
func (n *net) adapt(name string, x, y *engine.Tensor) *engine.Tensor {
	a := n.m.adapters[name]
	if a == nil {
		return y
	}
	h := n.g.Linear(name+".lora_a", n.drop(name+".lora_dropout", x, n.m.lora.Dropout), a.a, nil, true)
	h = n.g.LinearBlocks(name+".lora_b", h, a.b, a.scale, a.blocks())
	return n.g.Add(name+".lora", y, h)
}

// merge computes the weight with its adapter, W + scale·B·A, in float32.
func (a *adapter) merge(k engine.Kernels) []float32 {
	if a.merged == nil {
		a.merged = k.Alloc(len(a.weight.Value))
	}
	k.Zero(a.merged)
	k.Add(a.merged, a.merged, a.weight.Value)
	b := k.Alloc(len(a.b.Value))
	k.Add(b, b, a.b.Value)
	k.Scale(b, a.scale)
	rows := a.rank * len(a.parts)
	// The gradient of a linear layer's weight adds the product of one matrix's columns with another's, which is what is wanted.
	if a.transposed {
		k.LinearBackward(nil, a.merged, nil, a.a.Value, b, a.merged, rows, a.out, a.in, false)
	} else {
		k.LinearBackward(nil, a.merged, nil, b, a.a.Value, a.merged, rows, a.in, a.out, false)
	}
	return a.merged
}
