package main

import "fmt"

// elementwise emits a function of vectors: the first of the named slices is written, the others are read. body finds them in
// registers 0, 1, … in order (without the first), and returns the register of the result; 2 and up are its own, but for the
// last of them, which AVX2 keeps for the mask.
func (a *assembly) elementwise(name, doc string, outputs, inputs []string, scalars []string, body func() int) {
	params := slices(append(append([]string{}, outputs...), inputs...)...)
	for _, s := range scalars {
		params = append(params, param{s, "float32"})
	}
	a.begin(name, doc, params, nil)
	pointers := []string{"DI", "SI", "DX", "BX"}[:1+len(inputs)]
	a.base(outputs[0], "DI")
	for i, in := range inputs {
		a.base(in, pointers[1+i])
	}
	a.length(outputs[0], "CX")
	for i, s := range scalars {
		a.op("VBROADCASTSS", a.arg(s), 14-i)
	}
	a.each(pointers, func(masked bool) {
		for i := range inputs {
			a.load("("+pointers[1+i]+")", i, masked)
		}
		a.store(body(), "(DI)", masked)
	})
	a.end()
}

// activation emits a function of x and, from its derivative, the backward pass. Both find x in register 0 and may use 2 to 13;
// the derivative leaves register 1, which is dy, alone.
func (a *assembly) activation(name, words string, forward, derivative func() int) {
	a.elementwise(name, "is engine.Kernels.Activate of "+words+".", []string{"y"}, []string{"x"}, nil, forward)
	a.elementwise(name+"Backward", "is engine.Kernels.ActivateBackward of "+words+".", []string{"dx"}, []string{"x", "dy"}, nil, func() int {
		slope := derivative()
		a.op("VMULPS", 1, slope, slope)
		return slope
	})
}

// positive puts max(x,0) into v; a NaN stays one.
func (a *assembly) positive(x, v int) {
	a.zero(v)
	a.op("VMAXPS", x, v, v)
}

// sign puts -1, 0 or 1 into v, and a NaN for a NaN: x times 2^200, so that the smallest number exceeds 1, cut to ±1.
func (a *assembly) signOf(x, v, t int) {
	a.op("VMOVUPS", a.constantBits("huge", 0x71800000), t) // 2^100
	a.op("VMULPS", t, x, v)
	a.op("VMULPS", t, v, v)
	a.op("VMOVUPS", a.constant("one", 1), t)
	a.op("VMINPS", v, t, v)
	a.op("VMOVUPS", a.constant("minusOne", -1), t)
	a.op("VMAXPS", v, t, v)
}

// sigmoid puts 1/(1+e^-x) into v; t, u and w are lost.
func (a *assembly) sigmoid(x, v, t, u, w int) {
	a.op("VMULPS", a.constant("minusOne", -1), x, v)
	a.exp(v, t, u, w)
	a.op("VMOVUPS", a.constant("one", 1), t)
	a.op("VADDPS", t, v, v)
	a.op("VDIVPS", v, t, v)
}

// normal puts Φ(x), the normal distribution's ½·erfc(-x/√2), into v; t, u, w and z are lost. erfc is the Chebyshev fit of Press
// et al. (Numerical Recipes, erfcc), of a relative error below 1.2e-7 wherever it is above what float32 holds.
func (a *assembly) normal(x, v, t, u, w, z int) {
	and := "VANDPS"
	a.op(and, a.constantBits("notSign", 0x7fffffff), x, z)
	a.op("VMULPS", a.constant("rootHalf", 0.7071067811865476), z, z)
	a.op("VMOVUPS", a.constant("one", 1), u)
	a.op("VMOVUPS", a.constant("half", 0.5), t)
	a.op("VFMADD213PS", u, z, t)
	a.op("VDIVPS", t, u, t) // 1/(1+z/2)
	a.op("VMOVUPS", a.constant("erfc9", 0.17087277), v)
	for i, c := range []float32{-0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368, -1.26551223} {
		a.op("VFMADD213PS", a.constant(fmt.Sprintf("erfc%d", 8-i), c), t, v)
	}
	a.op("VFNMADD231PS", z, z, v)
	a.op("VMULPS", a.constant("half", 0.5), t, z)
	a.exp(v, t, u, w)
	a.op("VMULPS", z, v, v) // ½·erfc(|x|/√2)
	a.op("VMOVUPS", a.constant("one", 1), t)
	a.op("VSUBPS", v, t, t)
	if a.wide() {
		a.op("VPMOVD2M", x, "K2")
		a.op("VMOVAPS", v, "K2", t)
		a.op("VMOVAPS", t, v)
	} else {
		a.op("VBLENDVPS", x, v, t, v)
	}
}

func (a *assembly) activations() {
	a.activation("relu", "ReLU", func() int {
		a.positive(0, 2)
		return 2
	}, func() int {
		a.signOf(0, 2, 3)
		a.positive(2, 3)
		return 3
	})
	a.activation("relu2", "ReLUSquared", func() int {
		a.positive(0, 2)
		a.op("VMULPS", 2, 2, 2)
		return 2
	}, func() int {
		a.positive(0, 2)
		a.op("VADDPS", 2, 2, 2)
		return 2
	})
	a.activation("silu", "SiLU", func() int {
		a.sigmoid(0, 2, 3, 4, 5)
		a.op("VMULPS", 0, 2, 2)
		return 2
	}, func() int { // s + x·s·(1-s)
		a.sigmoid(0, 2, 3, 4, 5)
		a.op("VMOVAPS", 2, 3)
		a.op("VFNMADD231PS", 2, 2, 3)
		a.op("VFMADD231PS", 0, 3, 2)
		return 2
	})
	a.activation("geluExact", "GELUExact", func() int {
		a.normal(0, 2, 3, 4, 5, 6)
		a.op("VMULPS", 0, 2, 2)
		return 2
	}, func() int { // Φ(x) + x·e^(-x²/2)/√(2π)
		a.normal(0, 2, 3, 4, 5, 6)
		a.op("VMULPS", a.constant("minusHalf", -0.5), 0, 7)
		a.op("VMULPS", 0, 7, 7)
		a.exp(7, 3, 4, 5)
		a.op("VMULPS", a.constant("density0", 0.3989422804014327), 7, 7)
		a.op("VFMADD231PS", 0, 7, 2)
		return 2
	})
	a.softCap()
	a.elementwise("mul", "sets dst to a·b.", []string{"dst"}, []string{"a", "b"}, nil, func() int {
		a.op("VMULPS", 1, 0, 2)
		return 2
	})
	a.elementwise("mix", "sets dst to alpha·a + beta·b.", []string{"dst"}, []string{"a", "b"}, []string{"alpha", "beta"}, func() int {
		a.op("VMULPS", 13, 1, 2)
		a.op("VFMADD231PS", 14, 0, 2)
		return 2
	})
}

// softCap takes tanh from Cephes' tanhf (Moshier 1989): a polynomial below 0.625, 1 - 2/(e^2|x|+1) above.
func (a *assembly) softCap() {
	a.elementwise("softCap", "is engine.Kernels.SoftCap; inverse is 1/limit.", []string{"y"}, []string{"x"}, []string{"limit", "inverse"}, func() int {
		const z, size, v, t, u, w = 2, 3, 4, 5, 6, 7
		a.op("VMULPS", 13, 0, z)
		a.op("VANDPS", a.constantBits("notSign", 0x7fffffff), z, size)
		a.op("VADDPS", size, size, v)
		a.exp(v, t, u, w)
		a.op("VMOVUPS", a.constant("one", 1), t)
		a.op("VADDPS", t, v, v)
		a.op("VMOVUPS", a.constant("two", 2), u)
		a.op("VDIVPS", v, u, v)
		a.op("VSUBPS", v, t, v)
		a.op("VANDPS", a.constantBits("sign", 0x80000000), z, t)
		a.op("VORPS", t, v, v)
		a.op("VMULPS", z, z, t)
		a.op("VMOVUPS", a.constant("tanh5", -5.70498872745e-3), u)
		for i, c := range []float32{2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1} {
			a.op("VFMADD213PS", a.constant(fmt.Sprintf("tanh%d", 4-i), c), t, u)
		}
		a.op("VMULPS", t, u, u)
		a.op("VFMADD213PS", z, z, u)
		a.op("VMOVUPS", a.constant("tanhNear", 0.625), t)
		if a.wide() {
			a.op("VCMPPS", "$1", t, size, "K2")
			a.op("VMOVAPS", u, "K2", v)
		} else {
			a.op("VCMPPS", "$1", t, size, t)
			a.op("VBLENDVPS", t, u, v, v)
		}
		a.op("VMULPS", 14, v, v)
		return v
	})
	a.elementwise("softCapBackward", "is engine.Kernels.SoftCapBackward; inverse is 1/limit.", []string{"dx"}, []string{"dy", "y"}, []string{"inverse"}, func() int {
		a.op("VMULPS", 14, 1, 2)
		a.op("VMOVUPS", a.constant("one", 1), 3)
		a.op("VFNMADD231PS", 2, 2, 3)
		a.op("VMULPS", 0, 3, 3)
		return 3
	})
}

// rotate turns pairs of values by angles.
func (a *assembly) rotate() {
	a.begin("rotate", "turns the pairs of low and high by the angles of cos and sin, backwards if sign is -1.",
		append(slices("yLow", "yHigh", "xLow", "xHigh", "cos", "sin"), param{"sign", "float32"}), nil)
	names, pointers := []string{"yLow", "yHigh", "xLow", "xHigh", "cos", "sin"}, []string{"DI", "DX", "SI", "BX", "R8", "R9"}
	for i, n := range names {
		a.base(n, pointers[i])
	}
	a.length("cos", "CX")
	a.op("VBROADCASTSS", a.arg("sign"), 14)
	a.each(pointers, func(masked bool) {
		for i, p := range pointers[2:] {
			a.load("("+p+")", i, masked)
		}
		a.op("VMULPS", 14, 3, 3)
		a.op("VMULPS", 3, 1, 4)
		a.op("VFMSUB231PS", 2, 0, 4) // low·cos - high·sin
		a.op("VMULPS", 3, 0, 5)
		a.op("VFMADD231PS", 2, 1, 5) // high·cos + low·sin
		a.store(4, "(DI)", masked)
		a.store(5, "(DX)", masked)
	})
	a.end()
}

// dropout draws as package random does: SplitMix64's finaliser of a key and a counter, eight at a time.
func (a *assembly) dropout() {
	a.begin("dropout", "sets y[i] to x[i]·scale where the counter's hash reaches least, else 0; seed is the finished key, counter that of y[0].",
		append(slices("y", "x"), param{"seed", "uint64"}, param{"counter", "uint64"}, param{"least", "uint64"}, param{"scale", "float32"}), nil)
	const seed, counter, least, scale, first, second, eight, v, t = 8, 9, 10, 11, 12, 13, 14, 1, 2
	a.base("y", "DI")
	a.base("x", "SI")
	a.length("x", "CX")
	a.op("VPBROADCASTQ", a.arg("seed"), seed)
	a.op("VPBROADCASTQ", a.arg("counter"), counter)
	a.op("VPADDQ", "countUp<>+0(SB)", counter, counter)
	a.op("VPBROADCASTQ", a.arg("least"), least)
	a.op("VBROADCASTSS", a.arg("scale"), scale)
	for i, c := range []string{"$0xbf58476d1ce4e5b9", "$0x94d049bb133111eb", "$8"} {
		a.op("MOVQ", c, "AX")
		a.op("VPBROADCASTQ", "AX", first+i)
	}
	hash := func(k string) {
		a.op("VPXORQ", counter, seed, v)
		a.op("VPSRLQ", "$30", v, t)
		a.op("VPXORQ", t, v, v)
		a.op("VPMULLQ", first, v, v)
		a.op("VPSRLQ", "$27", v, t)
		a.op("VPXORQ", t, v, v)
		a.op("VPMULLQ", second, v, v)
		a.op("VPSRLQ", "$31", v, t)
		a.op("VPXORQ", t, v, v)
		a.op("VPSRLQ", "$11", v, v)
		a.op("VPCMPUQ", "$5", least, v, k) // not below
		a.op("VPADDQ", eight, counter, counter)
	}
	a.each([]string{"DI", "SI"}, func(masked bool) {
		hash("K2")
		hash("K3")
		a.op("KUNPCKBW", "K2", "K3", "K2")
		a.load("(SI)", 0, masked)
		a.op("VMULPS.Z", scale, 0, "K2", 0)
		a.store(0, "(DI)", masked)
	})
	a.end()
}
