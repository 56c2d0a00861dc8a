package main

import "fmt"

// exp replaces register v by e^v, clamped to what float32 holds as a normal number; t, u and w are lost. A NaN stays one.
// The reduction to |r| ≤ ln2/2 and the polynomial are Cephes' expf (Moshier 1989), below two units in the last place.
func (a *assembly) exp(v, t, u, w int) {
	a.op("VMOVUPS", a.constant("expMin", -87), t)
	a.op("VMAXPS", v, t, v)
	a.op("VMOVUPS", a.constant("expMax", 88), t)
	a.op("VMINPS", v, t, v)
	a.op("VMULPS", a.constant("log2e", 1.4426950408889634), v, t)
	a.op("VCVTPS2DQ", t, u)
	a.op("VCVTDQ2PS", u, t)
	a.op("VFNMADD231PS", a.constant("ln2High", 0.693359375), t, v)
	a.op("VFNMADD231PS", a.constant("ln2Low", -2.12194440e-4), t, v)
	a.op("VMOVUPS", a.constant("exp7", 1.9875691500e-4), t)
	for i, c := range []float32{1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1} {
		a.op("VFMADD213PS", a.constant(fmt.Sprintf("exp%d", 6-i), c), v, t)
	}
	a.op("VMULPS", v, v, w)
	a.op("VFMADD213PS", v, w, t)
	a.op("VADDPS", a.constant("one", 1), t, t)
	a.op("VPSLLD", "$23", u, u)
	a.op("VPADDD", u, t, v)
}

// sigmoid2u puts 1/(1+e^(-2u)) into register v, u = √(2/π)(x+0.044715x³): ½(1+tanh u). x stays; t, u, w are lost.
func (a *assembly) sigmoid2u(xr, v, t, u, w int) {
	a.op("VMULPS", xr, xr, v)
	a.op("VMOVUPS", a.constant("minus2Scale", -2*0.7978845608028654), t)
	a.op("VFMADD132PS", a.constant("minus2ScaleCube", -2*0.7978845608028654*0.044715), t, v) // v·cube + scale
	a.op("VMULPS", xr, v, v)
	a.exp(v, t, u, w)
	a.op("VMOVUPS", a.constant("one", 1), t)
	a.op("VADDPS", t, v, v)
	a.op("VDIVPS", v, t, v)
}

func (a *assembly) gelu() {
	a.begin("gelu", "is engine.Kernels.GELU.", slices("y", "x"), nil)
	a.base("y", "DI")
	a.base("x", "SI")
	a.length("x", "CX")
	a.each([]string{"DI", "SI"}, func(masked bool) {
		a.load("(SI)", 0, masked)
		a.sigmoid2u(0, 1, 2, 3, 4)
		a.op("VMULPS", 0, 1, 1)
		a.store(1, "(DI)", masked)
	})
	a.end()
}

// geluBackward uses d/dx x·s(2u) = s + x·s·(1-s)·2u', with s as in sigmoid2u.
func (a *assembly) geluBackward() {
	a.begin("geluBackward", "is engine.Kernels.GELUBackward.", slices("dx", "dy", "x"), nil)
	a.base("dx", "DI")
	a.base("dy", "DX")
	a.base("x", "SI")
	a.length("x", "CX")
	a.each([]string{"DI", "DX", "SI"}, func(masked bool) {
		a.load("(SI)", 0, masked)
		a.sigmoid2u(0, 1, 2, 3, 4)
		a.op("VMULPS", 0, 0, 2)
		a.op("VMOVUPS", a.constant("twoScale", 2*0.7978845608028654), 3)
		a.op("VFMADD132PS", a.constant("sixScaleCube", 6*0.7978845608028654*0.044715), 3, 2)
		a.op("VMULPS", 0, 2, 2) // x·2u'
		a.op("VMOVAPS", 1, 3)
		a.op("VFNMADD231PS", 1, 1, 3) // s·(1-s)
		a.op("VFMADD231PS", 2, 3, 1)
		a.load("(DX)", 0, masked)
		a.op("VMULPS", 0, 1, 1)
		a.store(1, "(DI)", masked)
	})
	a.end()
}

func (a *assembly) add() {
	a.begin("add", "sets dst to a + b.", slices("dst", "a", "b"), nil)
	a.base("dst", "DI")
	a.base("a", "SI")
	a.base("b", "DX")
	a.length("dst", "CX")
	a.each([]string{"DI", "SI", "DX"}, func(masked bool) {
		a.load("(SI)", 0, masked)
		a.load("(DX)", 1, masked)
		a.op("VADDPS", 1, 0, 0)
		a.store(0, "(DI)", masked)
	})
	a.end()
}

func (a *assembly) scale() {
	a.begin("scale", "sets dst to src·s.", append(slices("dst", "src"), param{"s", "float32"}), nil)
	a.base("dst", "DI")
	a.base("src", "SI")
	a.length("dst", "CX")
	a.op("VBROADCASTSS", a.arg("s"), 1)
	a.each([]string{"DI", "SI"}, func(masked bool) {
		a.load("(SI)", 0, masked)
		a.op("VMULPS", 1, 0, 0)
		a.store(0, "(DI)", masked)
	})
	a.end()
}

func (a *assembly) sumSquares() {
	a.begin("sumSquares", "returns Σx², each product and sum in float64.", slices("x"), []param{{"sum", "float64"}})
	a.base("x", "SI")
	a.length("x", "CX")
	a.zero(0)
	a.zero(1)
	half := y
	if !a.wide() {
		half = x
	}
	a.each([]string{"SI"}, func(masked bool) {
		a.load("(SI)", 2, masked)
		if a.wide() {
			a.op("VEXTRACTF64X4", "$1", 2, half(3))
		} else {
			a.op("VEXTRACTF128", "$1", 2, half(3))
		}
		a.op("VCVTPS2PD", half(2), 4)
		a.op("VCVTPS2PD", half(3), 5)
		a.op("VFMADD231PD", 4, 4, 0)
		a.op("VFMADD231PD", 5, 5, 1)
	})
	a.op("VADDPD", 1, 0, 0)
	if a.wide() {
		a.op("VEXTRACTF64X4", "$1", 0, y(1))
		a.op("VADDPD", y(1), y(0), y(0))
	}
	a.op("VEXTRACTF128", "$1", y(0), x(1))
	a.op("VADDPD", x(1), x(0), x(0))
	a.op("VPERMILPD", "$1", x(0), x(1))
	a.op("VADDSD", x(1), x(0), x(0))
	a.op("VMOVSD", x(0), a.arg("sum"))
	a.end()
}

// adamW takes its coefficients in the order of the names below.
func (a *assembly) adamW() {
	a.begin("adamW", "is one step of engine.Kernels.AdamW with the coefficients that adamWCoefficients makes.",
		append(slices("p", "m", "v", "g"), param{"coefficients", "*[9]float32"}), nil)
	a.base("p", "DI")
	a.base("m", "SI")
	a.base("v", "DX")
	a.base("g", "BX")
	a.length("p", "CX")
	a.op("MOVQ", a.arg("coefficients"), "AX")
	const beta1, rest1, beta2, rest2, gradScale, rate, correct2, eps, decay = 6, 7, 8, 9, 10, 11, 12, 13, 14
	for i := range 9 {
		a.op("VBROADCASTSS", fmt.Sprintf("%d(AX)", 4*i), beta1+i)
	}
	a.each([]string{"DI", "SI", "DX", "BX"}, func(masked bool) {
		a.load("(BX)", 0, masked)
		a.load("(SI)", 1, masked)
		a.load("(DX)", 2, masked)
		a.load("(DI)", 3, masked)
		a.op("VMULPS", gradScale, 0, 0)
		a.op("VMULPS", beta1, 1, 1)
		a.op("VFMADD231PS", rest1, 0, 1)
		a.op("VMULPS", 0, 0, 0)
		a.op("VMULPS", beta2, 2, 2)
		a.op("VFMADD231PS", rest2, 0, 2)
		a.store(1, "(SI)", masked)
		a.store(2, "(DX)", masked)
		a.op("VMULPS", correct2, 2, 2)
		a.op("VSQRTPS", 2, 2)
		a.op("VADDPS", eps, 2, 2)
		a.op("VMULPS", rate, 1, 1)
		a.op("VDIVPS", 2, 1, 1)
		a.op("VFMADD231PS", decay, 3, 1)
		a.op("VSUBPS", 1, 3, 3)
		a.store(3, "(DI)", masked)
	})
	a.end()
}
