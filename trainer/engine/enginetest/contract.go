package enginetest

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"millrace/trainer/engine"
)

// tolerance is for sums of a few hundred products in float32, in any order, relative to the largest result.
const tolerance = 1e-5

// Run checks every operation of the kernels that open returns against its definition in float64: on shapes that no tile
// divides, with dimensions of one, with arguments left out, with the aliasing that engine.Kernels allows, and that nothing
// beside the outputs is written.
func Run(t *testing.T, open func() engine.Kernels) {
	k := open()
	check := func(name string, property func(t *rapid.T)) {
		t.Run(name, func(t *testing.T) { rapid.Check(t, property) })
	}
	t.Run("Info", func(t *testing.T) {
		if info := k.Info(); info.Kind == "" || info.Name == "" || info.Kernels == "" || info.Threads < 1 {
			t.Fatalf("Info leaves something unsaid: %+v", info)
		}
	})
	t.Run("Memory", func(t *testing.T) { testMemory(t, k) })
	check("Linear", func(t *rapid.T) { testLinear(t, k) })
	t.Run("LinearLarge", func(t *testing.T) { testLinearLarge(t, k) })
	check("Embed", func(t *rapid.T) { testEmbed(t, k) })
	check("LayerNorm", func(t *rapid.T) { testLayerNorm(t, k) })
	check("RMSNorm", func(t *rapid.T) { testRMSNorm(t, k) })
	check("HeadNorm", func(t *rapid.T) { testHeadNorm(t, k) })
	check("Activate", func(t *rapid.T) { testActivate(t, k) })
	t.Run("ActivateExtremes", func(t *testing.T) { testActivateExtremes(t, k) })
	check("Gate", func(t *rapid.T) { testGate(t, k) })
	check("Rotate", func(t *rapid.T) { testRotate(t, k) })
	check("Dropout", func(t *rapid.T) { testDropout(t, k) })
	check("SoftCap", func(t *rapid.T) { testSoftCap(t, k) })
	check("Attention", func(t *rapid.T) { testAttention(t, k) })
	t.Run("AttentionLarge", func(t *testing.T) { testAttentionLarge(t, k) })
	check("Relative", func(t *rapid.T) { testRelative(t, k) })
	check("CrossEntropy", func(t *rapid.T) { testCrossEntropy(t, k) })
	check("ArgMax", func(t *rapid.T) { testArgMax(t, k) })
	t.Run("CrossEntropyExtremes", func(t *testing.T) { testCrossEntropyExtremes(t, k) })
	check("Elementwise", func(t *rapid.T) { testElementwise(t, k) })
	check("SumSquares", func(t *rapid.T) { testSumSquares(t, k) })
	check("Mix", func(t *rapid.T) { testMix(t, k) })
	check("AdamW", func(t *rapid.T) { testAdamW(t, k) })
	check("Lion", func(t *rapid.T) { testLion(t, k) })
	check("SGD", func(t *rapid.T) { testSGD(t, k) })
	check("BF16", func(t *rapid.T) { testPrecision(t, k) })
	t.Run("UnknownPrecision", func(t *testing.T) {
		if other, err := k.With("fp8"); err == nil || other != nil || !strings.Contains(err.Error(), "fp8") {
			t.Fatalf("a precision that does not exist gave %v, %v", other, err)
		}
	})
	t.Run("NaNSpreads", func(t *testing.T) { testNaN(t, k) })
	t.Run("SeveralGoroutines", func(t *testing.T) { testGoroutines(t, k) })
	t.Run("WrongShapesPanic", func(t *testing.T) { testShapes(t, k) })
}

// root is the size of a sum of n products of unit normals.
func root(n int) float64 { return math.Sqrt(float64(n)) }

// seed lets rapid shrink shapes while values stay random.
func seed(t *rapid.T) uint64 { return rapid.Uint64().Draw(t, "seed") }

// size draws a dimension: often one, often beside a multiple of a tile.
func size(t *rapid.T, name string, limit int) int {
	return rapid.OneOf(rapid.IntRange(1, limit), rapid.SampledFrom([]int{1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33})).Draw(t, name)
}

func testMemory(t *testing.T, k engine.Kernels) {
	for _, n := range []int{0, 1, 33} {
		device, host := k.Alloc(n), make([]float32, n)
		k.Download(host, device)
		for i, v := range host {
			if v != 0 {
				t.Fatalf("Alloc(%d)[%d] is %g, not zero", n, i, v)
			}
			host[i] = float32(i) + 0.5
		}
		k.Upload(device, host)
		back := make([]float32, n)
		k.Download(back, device)
		for i := range back {
			if back[i] != host[i] {
				t.Fatalf("%d values: [%d] came back as %g, was %g", n, i, back[i], host[i])
			}
		}
	}
}

func testLinear(t *rapid.T, k engine.Kernels) {
	m, kk, n := size(t, "m", 60), size(t, "k", 60), size(t, "n", 80)
	checkLinear(t, k, seed(t), m, kk, n, rapid.Bool().Draw(t, "transposed"))
}

// testLinearLarge crosses the blocks a fast product cuts its dimensions into.
func testLinearLarge(t *testing.T, k engine.Kernels) {
	if testing.Short() {
		t.Skip("long arithmetic; run without -short")
	}
	for i, shape := range [][3]int{{1, 1, 1}, {1, 700, 1}, {257, 129, 65}, {61, 771, 97}, {1031, 24, 33}, {1, 64, 1025}, {40, 70, 603}, {150, 530, 40}} {
		for _, transposed := range []bool{false, true} {
			checkLinear(t, k, uint64(i), shape[0], shape[1], shape[2], transposed)
		}
	}
}

func checkLinear(t TB, kernels engine.Kernels, seed uint64, m, k, n int, transposed bool) {
	r := newRig(t, kernels, seed)
	x, w, b, dy := r.normal(m*k, 1), r.normal(k*n, 1), r.normal(n, 1), r.normal(m*n, 1)
	xd, wd, bd, dyd := r.in(x), r.in(w), r.in(b), r.in(dy)
	y, bare := r.out(m*n), r.out(m*n)
	kernels.Linear(y, xd, wd, bd, m, k, n, transposed)
	kernels.Linear(bare, xd, wd, nil, m, k, n, transposed)
	r.near("Linear y", y, linear(wide(x), wide(w), wide(b), m, k, n, transposed), tolerance, root(k))
	r.near("Linear y without bias", bare, linear(wide(x), wide(w), nil, m, k, n, transposed), tolerance, root(k))

	wantX, wantW, wantB := linearBackward(wide(dy), wide(x), wide(w), m, k, n, transposed)
	hadW, hadB := r.normal(k*n, 1), r.normal(n, 1)
	dx, dw, db := r.out(m*k), r.inout(hadW), r.inout(hadB)
	kernels.LinearBackward(dx, dw, db, dyd, xd, wd, m, k, n, transposed)
	r.near("LinearBackward dx", dx, wantX, tolerance, root(n))
	r.near("LinearBackward dw", dw, plus(hadW, wantW), tolerance, root(m))
	r.near("LinearBackward db", db, plus(hadB, wantB), tolerance, root(m))

	dw = r.out(k * n)
	kernels.LinearGradient(dw, dyd, xd, m, k, n, transposed)
	r.near("LinearGradient", dw, wantW, tolerance, root(m))

	dx, dw, db = r.out(m*k), r.inout(hadW), r.inout(hadB)
	kernels.LinearBackward(dx, nil, nil, dyd, nil, wd, m, k, n, transposed)
	kernels.LinearBackward(nil, dw, nil, dyd, xd, nil, m, k, n, transposed)
	kernels.LinearBackward(nil, nil, db, dyd, nil, nil, m, k, n, transposed)
	r.near("LinearBackward dx alone", dx, wantX, tolerance, root(n))
	r.near("LinearBackward dw alone", dw, plus(hadW, wantW), tolerance, root(m))
	r.near("LinearBackward db alone", db, plus(hadB, wantB), tolerance, root(m))
	r.done("Linear")
}

func testEmbed(t *rapid.T, k engine.Kernels) {
	b, tt, c, vocab := size(t, "b", 4), size(t, "t", 9), size(t, "c", 40), size(t, "vocab", 12)
	r := newRig(t, k, seed(t))
	extra := r.rng.IntN(3) // a position table may be longer than this batch
	table, pos, dy := r.normal(vocab*c, 1), r.normal((tt+extra)*c, 1), r.normal(b*tt*c, 1)
	ids := r.ids(b*tt, vocab, false)
	y, bare := r.out(b*tt*c), r.out(b*tt*c)
	tabled, posd, dyd := r.in(table), r.in(pos), r.in(dy)
	k.Embed(y, tabled, posd, ids, b, tt, c)
	k.Embed(bare, tabled, nil, ids, b, tt, c)
	r.near("Embed y", y, embed(wide(table), wide(pos), ids, b, tt, c), 1e-7, 1)
	r.near("Embed y without positions", bare, embed(wide(table), nil, ids, b, tt, c), 0, 1)

	wantTable, wantPos := embedBackward(wide(dy), ids, vocab, b, tt, c)
	wantPos = append(wantPos, make([]float64, extra*c)...)
	hadTable, hadPos := r.normal(vocab*c, 1), r.normal((tt+extra)*c, 1)
	dtable, dpos := r.inout(hadTable), r.inout(hadPos)
	k.EmbedBackward(dtable, dpos, dyd, ids, b, tt, c)
	r.near("EmbedBackward dtable", dtable, plus(hadTable, wantTable), tolerance, 1)
	r.near("EmbedBackward dpos", dpos, plus(hadPos, wantPos), tolerance, 1)
	dtable, dpos = r.inout(hadTable), r.inout(hadPos)
	k.EmbedBackward(dtable, nil, dyd, ids, b, tt, c)
	k.EmbedBackward(nil, dpos, dyd, ids, b, tt, c)
	r.near("EmbedBackward dtable alone", dtable, plus(hadTable, wantTable), tolerance, 1)
	r.near("EmbedBackward dpos alone", dpos, plus(hadPos, wantPos), tolerance, 1)
	r.done("Embed")
}

func testCrossEntropy(t *rapid.T, k engine.Kernels) {
	m, v := size(t, "m", 40), size(t, "v", 300)
	r := newRig(t, k, seed(t))
	logits, targets := r.normal(m*v, 4), r.ids(m, v, true)
	losses, probs, logitsd := r.out(m), r.out(m*v), r.in(logits)
	k.CrossEntropy(losses, probs, logitsd, targets, m, v)
	wantLosses, wantProbs := crossEntropy(wide(logits), targets, m, v)
	r.nearEach("CrossEntropy losses", losses, wantLosses, tolerance, 2e-6)
	r.nearEach("CrossEntropy probs", probs, wantProbs, 1e-4, 1e-37)
	inPlace, again := r.inout(logits), r.out(m)
	k.CrossEntropy(again, inPlace, inPlace, targets, m, v)
	r.nearEach("CrossEntropy losses in place", again, wantLosses, tolerance, 2e-6)
	r.nearEach("CrossEntropy probs in place", inPlace, wantProbs, 1e-4, 1e-37)

	want := crossEntropyBackward(wide(logits), targets, 0.125, m, v)
	dlogits := r.out(m * v)
	k.CrossEntropyBackward(dlogits, probs, targets, 0.125, m, v)
	k.CrossEntropyBackward(inPlace, inPlace, targets, 0.125, m, v)
	r.nearEach("CrossEntropyBackward dlogits", dlogits, want, 1e-4, 1e-7)
	r.nearEach("CrossEntropyBackward dlogits in place", inPlace, want, 1e-4, 1e-7)
	r.done("CrossEntropy")
}

// testArgMax draws few different values, so that there are equals.
func testArgMax(t *rapid.T, k engine.Kernels) {
	m, v := size(t, "m", 40), size(t, "v", 300)
	r := newRig(t, k, seed(t))
	x := rapid.SliceOfN(rapid.SampledFrom([]float32{-2, -1, 0, 1, 2, float32(math.Inf(1)), float32(math.NaN())}), m*v, m*v).Draw(t, "x")
	best := make([]int32, m)
	k.ArgMax(best, r.in(x), m, v)
	for i, at := range best {
		row := x[i*v : (i+1)*v]
		for j, other := range row {
			if other > row[at] || j < int(at) && other == row[at] {
				t.Fatalf("the largest of %g is said to be at %d", row, at)
			}
		}
		if row[at] != row[at] && at != 0 {
			t.Fatalf("of %g the NaN at %d is said to be the largest", row, at)
		}
	}
	r.done("ArgMax")
}

func testCrossEntropyExtremes(t *testing.T, k engine.Kernels) {
	r := newRig(t, k, 2)
	const m, v = 4, 35
	logits, targets := make([]float32, m*v), []int32{0, 1, 34, 33}
	for j := range v {
		logits[j] = 1e4                  // all equal and large
		logits[v+j] = float32(-200 * j)  // one far above the rest
		logits[2*v+j] = float32(j) * 500 // the last far above
	}
	losses, probs := r.out(m), r.out(m*v)
	k.CrossEntropy(losses, probs, r.in(logits), targets, m, v)
	wantLosses, wantProbs := crossEntropy(wide(logits), targets, m, v)
	r.nearEach("CrossEntropy losses", losses, wantLosses, tolerance, 1e-5)
	r.nearEach("CrossEntropy probs", probs, wantProbs, 1e-4, 1e-37)
	r.done("CrossEntropy")
}

func testElementwise(t *rapid.T, k engine.Kernels) {
	n := size(t, "n", 5000)
	r := newRig(t, k, seed(t))
	a, b := r.normal(n, 1), r.normal(n, 1)
	sum := make([]float64, n)
	for i := range sum {
		sum[i] = float64(a[i] + b[i]) // one rounding: the answer is exact
	}
	ad, bd, dst, overA, overB := r.in(a), r.in(b), r.out(n), r.inout(a), r.inout(b)
	k.Add(dst, ad, bd)
	k.Add(overA, overA, bd)
	k.Add(overB, ad, overB)
	r.near("Add dst", dst, sum, 0, 1)
	r.near("Add dst over a", overA, sum, 0, 1)
	r.near("Add dst over b", overB, sum, 0, 1)
	double := r.inout(a)
	k.Add(double, double, double)
	scaled := make([]float64, n)
	for i := range scaled {
		scaled[i] = float64(a[i] * 0.3)
	}
	x := r.inout(a)
	k.Scale(x, 0.3)
	r.near("Scale x", x, scaled, 0, 1)
	for i := range scaled {
		scaled[i] = 2 * float64(a[i])
	}
	r.near("Add x to itself", double, scaled, 0, 1)
	k.Zero(x)
	r.near("Zero x", x, make([]float64, n), 0, 1)
	r.done("Add, Scale, Zero")
}

func testSumSquares(t *rapid.T, k engine.Kernels) {
	n := rapid.OneOf(rapid.IntRange(0, 40), rapid.IntRange(1, 40000)).Draw(t, "n")
	r := newRig(t, k, seed(t))
	x := r.normal(n, 1000)
	want := 0.0
	for _, v := range x {
		want += float64(v) * float64(v)
	}
	if got := k.SumSquares(r.in(x)); math.Abs(got-want) > 1e-12*want {
		t.Fatalf("SumSquares of %d values is %g, want %g", n, got, want)
	}
	r.done("SumSquares")
}
