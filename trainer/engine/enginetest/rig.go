package enginetest

import (
	"math"
	"math/rand/v2"

	"millrace/trainer/engine"
)

// guard values on both sides of every slice a kernel is given; a kernel that writes outside its slice changes them.
const (
	guard      = 19 // odd, so that slices start unaligned
	guardValue = float32(-12345.5)
	unwritten  = float32(7e7) // what outputs hold before they are overwritten
)

// TB is what the contract needs of a test: *testing.T and *rapid.T have it.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
}

// rig hands device memory to one operation and checks afterwards what the operation did to it.
type rig struct {
	t    TB
	k    engine.Kernels
	rng  *rand.Rand
	held []holding
}

type holding struct {
	whole, part []float32
	before      []float32 // what an input held; nil for outputs
}

func newRig(t TB, k engine.Kernels, seed uint64) *rig {
	return &rig{t: t, k: k, rng: rand.New(rand.NewPCG(seed, 0x6d696c6c))}
}

// place puts host values into guarded device memory.
func (r *rig) place(values []float32, input bool) []float32 {
	whole := make([]float32, len(values)+2*guard)
	for i := range whole {
		whole[i] = guardValue
	}
	copy(whole[guard:], values)
	device := r.k.Alloc(len(whole))
	r.k.Upload(device, whole)
	held := holding{whole: device, part: device[guard : guard+len(values) : guard+len(values)]}
	if input {
		held.before = values
	}
	r.held = append(r.held, held)
	return held.part
}

// in places an input, which has to be unchanged at the end.
func (r *rig) in(values []float32) []float32 { return r.place(values, true) }

// out places an output of n values, filled with what no operation answers.
func (r *rig) out(n int) []float32 {
	values := make([]float32, n)
	for i := range values {
		values[i] = unwritten
	}
	return r.place(values, false)
}

// inout places values that the operation is to change.
func (r *rig) inout(values []float32) []float32 { return r.place(values, false) }

func (r *rig) down(device []float32) []float32 {
	host := make([]float32, len(device))
	r.k.Download(host, device)
	return host
}

// normal draws n values of the given spread.
func (r *rig) normal(n int, spread float64) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(r.rng.NormFloat64() * spread)
	}
	return s
}

// ids draws n indices below limit; about one in eight is -1 when ignorable.
func (r *rig) ids(n, limit int, ignorable bool) []int32 {
	s := make([]int32, n)
	for i := range s {
		s[i] = int32(r.rng.IntN(limit))
		if ignorable && r.rng.IntN(8) == 0 {
			s[i] = -1
		}
	}
	return s
}

// done checks that nothing outside the slices, and no input, was written.
func (r *rig) done(name string) {
	r.t.Helper()
	for _, h := range r.held {
		whole := r.down(h.whole)
		for i, v := range whole {
			inside := i >= guard && i < len(whole)-guard
			if !inside && v != guardValue {
				r.t.Fatalf("%s wrote outside its slice of %d values, at %d", name, len(whole)-2*guard, i-guard)
			}
			if inside && h.before != nil && math.Float32bits(v) != math.Float32bits(h.before[i-guard]) {
				r.t.Fatalf("%s changed an input at %d: %g, was %g", name, i-guard, v, h.before[i-guard])
			}
		}
	}
}

// near compares device values with the oracle's, within tolerance of the largest of them or of magnitude, the size of what
// was added up (a sum may cancel by chance; its rounding errors do not).
func (r *rig) near(name string, device []float32, want []float64, tolerance, magnitude float64) {
	r.t.Helper()
	r.nearHost(name, r.down(device), want, tolerance, magnitude)
}

func (r *rig) nearHost(name string, host []float32, want []float64, tolerance, magnitude float64) {
	r.t.Helper()
	for _, v := range want {
		magnitude = max(magnitude, math.Abs(v))
	}
	for i, v := range host {
		if !(math.Abs(float64(v)-want[i]) <= tolerance*magnitude) {
			r.t.Fatalf("%s[%d] is %g, the definition says %g (magnitude %g)", name, i, v, want[i], magnitude)
		}
	}
}

// nearEach compares every value by its own size, for operations whose small results matter (probabilities).
func (r *rig) nearEach(name string, device []float32, want []float64, tolerance, floor float64) {
	r.t.Helper()
	for i, v := range r.down(device) {
		if !(math.Abs(float64(v)-want[i]) <= tolerance*math.Abs(want[i])+floor) {
			r.t.Fatalf("%s[%d] is %g, the definition says %g", name, i, v, want[i])
		}
	}
}

func wide(s []float32) []float64 {
	if s == nil {
		return nil
	}
	d := make([]float64, len(s))
	for i, v := range s {
		d[i] = float64(v)
	}
	return d
}

func plus(a []float32, b []float64) []float64 {
	sum := wide(a)
	for i := range sum {
		sum[i] += b[i]
	}
	return sum
}
