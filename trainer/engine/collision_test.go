package engine_test

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"testing"

	"gorgonia.org/gorgonia"
	"millrace/trainer/engine"
)

// colliding finds two names whose nodes of one shape have the same hash in Gorgonia.
func colliding(t *testing.T, rows, cols int) (string, string) {
	hash := func(name string) uint32 {
		n := gorgonia.NewTensor(gorgonia.NewGraph(), gorgonia.Float32, 2, gorgonia.WithShape(rows, cols), gorgonia.WithName(name))
		return n.Hashcode()
	}
	probe := gorgonia.NewTensor(gorgonia.NewGraph(), gorgonia.Float32, 2, gorgonia.WithShape(rows, cols), gorgonia.WithName("x"))
	prefix := fmt.Sprintf("%v%v", probe.Type(), probe.Shape())
	seen := map[uint32]string{}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 1 << 20 {
		name := strconv.FormatUint(rng.Uint64(), 36)
		h := fnv.New32a()
		h.Write([]byte(prefix + name + "\x00"))
		if other, ok := seen[h.Sum32()]; ok {
			if hash(name) != hash(other) {
				t.Fatalf("%q and %q should collide: Gorgonia hashes otherwise now", name, other)
			}
			return name, other
		}
		seen[h.Sum32()] = name
	}
	t.Fatal("no collision in a million names")
	return "", ""
}

// Two weights that Gorgonia's compiler would take for one are still two.
func TestHashCollisionsDoNotMergeWeights(t *testing.T) {
	const c = 4
	f := newFixture(t, 6)
	first, second := colliding(t, c, c)
	ps := map[string]*engine.Parameter{"table": f.param("table", 0, 5, c), "head": f.param("head", 0, c, 6)}
	a, b := f.param(first, 0, c, c), f.param(second, 0, c, c)
	f.check(func(g *engine.Graph) *engine.Tensor {
		x := g.Embed("embed", ps["table"], nil, f.ids, 3)
		x = g.Linear("b", g.GELU("gelu", g.Linear("a", x, a, nil, false)), b, nil, false)
		return g.CrossEntropy("loss", g.Linear("logits", x, ps["head"], nil, false), f.targets)
	})
}
