package main

func (a *assembly) rmsNorm() {
	a.begin("rmsNorm", "is one row of engine.Kernels.RMSNorm; inverse is 1/len(x).",
		append(slices("y", "x", "gain"), param{"inverse", "float32"}, param{"eps", "float32"}), []param{{"rstd", "float32"}})
	const rstd, value, other, more = 0, 1, 2, 3
	a.base("x", "SI")
	a.length("x", "CX")
	a.zero(rstd)
	a.each([]string{"SI"}, func(masked bool) {
		a.load("(SI)", value, masked)
		a.op("VFMADD231PS", value, value, rstd)
	})
	a.reduce("VADDPS", rstd, value)
	a.op("VBROADCASTSS", a.arg("inverse"), other)
	a.op("VBROADCASTSS", a.arg("eps"), more)
	a.op("VFMADD213PS", more, other, rstd)
	a.op("VSQRTPS", rstd, rstd)
	a.op("VMOVUPS", a.constant("one", 1), value)
	a.op("VDIVPS", rstd, value, rstd)
	a.op("VMOVSS", x(rstd), a.arg("rstd"))
	a.base("x", "SI")
	a.base("y", "DI")
	a.base("gain", "DX")
	a.length("x", "CX")
	a.each([]string{"SI", "DI", "DX"}, func(masked bool) {
		a.load("(SI)", value, masked)
		a.load("(DX)", other, masked)
		a.op("VMULPS", rstd, value, value)
		a.op("VMULPS", other, value, value)
		a.store(value, "(DI)", masked)
	})
	a.end()
}

// rmsNormBackward is the formula in reference_norm.go.
func (a *assembly) rmsNormBackward() {
	a.begin("rmsNormBackward", "is one row of engine.Kernels.RMSNormBackward; inverse is 1/len(x).",
		append(slices("dx", "dgain", "dy", "x", "gain"), param{"rstd", "float32"}, param{"inverse", "float32"}), nil)
	const rstd, inner, n, g, d, other = 0, 1, 2, 3, 4, 5
	a.op("VBROADCASTSS", a.arg("rstd"), rstd)
	a.zero(inner)
	start := func() {
		a.base("dy", "SI")
		a.base("x", "DX")
		a.base("gain", "BX")
		a.length("x", "CX")
	}
	gradient := func(masked bool) {
		a.load("(DX)", n, masked)
		a.load("(SI)", d, masked)
		a.load("(BX)", g, masked)
		a.op("VMULPS", rstd, n, n)
		a.op("VMULPS", d, g, g)
	}
	start()
	a.base("dgain", "R8")
	a.each([]string{"SI", "DX", "BX", "R8"}, func(masked bool) {
		gradient(masked)
		a.op("VFMADD231PS", g, n, inner)
		a.load("(R8)", other, masked)
		a.op("VFMADD231PS", d, n, other)
		a.store(other, "(R8)", masked)
	})
	a.reduce("VADDPS", inner, n)
	a.op("VBROADCASTSS", a.arg("inverse"), other)
	a.op("VMULPS", other, inner, inner)
	start()
	a.base("dx", "DI")
	a.each([]string{"SI", "DX", "BX", "DI"}, func(masked bool) {
		gradient(masked)
		a.op("VFNMADD231PS", inner, n, g)
		a.op("VMULPS", rstd, g, g)
		a.store(g, "(DI)", masked)
	})
	a.end()
}
