package engine_test

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"testing"

	"millrace/trainer/engine"
)

// Two operations that Gorgonia's compiler would take for one, and run once, are still two.
func TestHashCollisionsDoNotMergeOperations(t *testing.T) {
	const c = 6
	f := newFixture(t, 6)
	table, w := f.param("table", 0, 5, c), f.param("w", 0, c, c)
	// The network whose two branches, first and second, read the same activation.
	describe := func(first, second string, see func(x, a, b *engine.Tensor)) func(*engine.Graph) *engine.Tensor {
		return func(g *engine.Graph) *engine.Tensor {
			x := g.Linear("x", g.Embed("embed", table, nil, f.ids, 3), w, nil, false)
			a, b := g.Activate(first, x, engine.GELU), g.Activate(second, x, engine.GELU)
			if see != nil {
				see(x, a, b)
			}
			return g.CrossEntropy("loss", g.Add("add", a, b), f.targets)
		}
	}
	// What a branch's hash is made of, checked against Gorgonia's on names that do not collide.
	hash := func(x uint32, name string, number int) uint32 {
		h := fnv.New32a()
		fmt.Fprintf(h, "%s%s", "Matrix float32", "(6, 6)")
		b := binary.LittleEndian.AppendUint64([]byte(name), uint64(number))
		b = binary.LittleEndian.AppendUint32(append(b, 1), x)
		h.Write(b)
		return h.Sum32()
	}
	var parent uint32
	var number int
	p, err := engine.Build(f.k, true, describe("first", "second", func(x, a, b *engine.Tensor) {
		parent, number = engine.Hash(x), engine.Number(a)
		if got, want := hash(parent, "first", number), engine.Hash(a); got != want {
			t.Fatalf("a node's hash is computed as %#x here and as %#x in Gorgonia", got, want)
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	p.Close()

	rng := rand.New(rand.NewPCG(1, 1))
	firsts := map[uint32]string{}
	var first, second string
	for range 1 << 20 {
		name := strconv.FormatUint(rng.Uint64(), 36)
		firsts[hash(parent, name, number)] = name
		if other, ok := firsts[hash(parent, name, number+1)]; ok && other != name {
			first, second = other, name
			break
		}
	}
	if first == "" {
		t.Fatal("no collision in a million names")
	}
	tries, collided := 0, false
	f.check(describe(first, second, func(_, a, b *engine.Tensor) {
		tries++
		collided = collided || engine.Hash(a) == engine.Hash(b)
	}))
	if tries != 2 || !collided {
		t.Errorf("built %d times, collided %t; want a collision and a second try", tries, collided)
	}
}
