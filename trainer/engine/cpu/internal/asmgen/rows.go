package main

import (
	"fmt"
	"math"
)

// softmax keeps the largest value and the sum of exponentials, from which the caller has the loss.
func (a *assembly) softmax() {
	a.begin("softmax", "sets dst to softmax(scale·src); best is the largest of src and sum is Σe^(scale·(src-best)).",
		append(slices("dst", "src"), param{"scale", "float32"}), []param{{"best", "float32"}, {"sum", "float32"}})
	const best, value, lowest, rate, sum, inverse = 0, 1, 5, 6, 7, 8
	a.base("src", "SI")
	a.length("src", "CX")
	a.op("VMOVUPS", a.constant("lowest", float32(math.Inf(-1))), lowest)
	a.op("VMOVAPS", lowest, best)
	a.each([]string{"SI"}, func(masked bool) {
		a.loadOver("(SI)", lowest, value, masked)
		a.op("VMAXPS", value, best, best)
	})
	a.reduce("VMAXPS", best, value)
	a.op("VBROADCASTSS", a.arg("scale"), rate)
	a.zero(sum)
	a.base("src", "SI")
	a.base("dst", "DI")
	a.length("src", "CX")
	a.each([]string{"SI", "DI"}, func(masked bool) {
		a.load("(SI)", value, masked)
		a.op("VSUBPS", best, value, value)
		a.op("VMULPS", rate, value, value)
		a.exp(value, 2, 3, 4)
		a.keepLanes(value, masked)
		a.store(value, "(DI)", masked)
		a.op("VADDPS", value, sum, sum)
	})
	a.reduce("VADDPS", sum, value)
	a.op("VMOVSS", x(best), a.arg("best"))
	a.op("VMOVSS", x(sum), a.arg("sum"))
	a.op("VMOVUPS", a.constant("one", 1), inverse)
	a.op("VDIVPS", sum, inverse, inverse)
	a.base("dst", "DI")
	a.length("src", "CX")
	a.each([]string{"DI"}, func(masked bool) {
		a.load("(DI)", value, masked)
		a.op("VMULPS", inverse, value, value)
		a.store(value, "(DI)", masked)
	})
	a.end()
}

func (a *assembly) layerNorm() {
	a.begin("layerNorm", "is one row of engine.Kernels.LayerNorm; inverse is 1/len(x).",
		append(slices("y", "x", "gain", "bias"), param{"inverse", "float32"}, param{"eps", "float32"}),
		[]param{{"mean", "float32"}, {"rstd", "float32"}})
	const mean, rstd, value, other, inverse = 0, 1, 2, 3, 4
	a.op("VBROADCASTSS", a.arg("inverse"), inverse)
	a.base("x", "SI")
	a.length("x", "CX")
	a.zero(mean)
	a.each([]string{"SI"}, func(masked bool) {
		a.load("(SI)", value, masked)
		a.op("VADDPS", value, mean, mean)
	})
	a.reduce("VADDPS", mean, value)
	a.op("VMULPS", inverse, mean, mean)
	a.base("x", "SI")
	a.length("x", "CX")
	a.zero(rstd)
	a.each([]string{"SI"}, func(masked bool) {
		a.load("(SI)", value, masked)
		a.op("VSUBPS", mean, value, value)
		a.keepLanes(value, masked)
		a.op("VFMADD231PS", value, value, rstd)
	})
	a.reduce("VADDPS", rstd, value)
	a.op("VBROADCASTSS", a.arg("eps"), value)
	a.op("VFMADD213PS", value, inverse, rstd)
	a.op("VSQRTPS", rstd, rstd)
	a.op("VMOVUPS", a.constant("one", 1), value)
	a.op("VDIVPS", rstd, value, rstd)
	a.op("VMOVSS", x(mean), a.arg("mean"))
	a.op("VMOVSS", x(rstd), a.arg("rstd"))
	a.base("x", "SI")
	a.base("y", "DI")
	a.base("gain", "DX")
	a.base("bias", "BX")
	a.length("x", "CX")
	bare := a.unique("bare")
	a.op("TESTQ", "BX", "BX")
	a.op("JEQ", bare)
	normalise := func(biased bool) func(bool) {
		return func(masked bool) {
			a.load("(SI)", value, masked)
			a.load("(DX)", other, masked)
			a.op("VSUBPS", mean, value, value)
			a.op("VMULPS", rstd, value, value)
			a.op("VMULPS", other, value, value)
			if biased {
				a.load("(BX)", other, masked)
				a.op("VADDPS", other, value, value)
			}
			a.store(value, "(DI)", masked)
		}
	}
	a.each([]string{"SI", "DI", "DX", "BX"}, normalise(true))
	a.end()
	a.label(bare)
	a.each([]string{"SI", "DI", "DX"}, normalise(false))
	a.end()
}

// layerNormBackward is the formula in reference.go; a masked lane has dy = 0 and so adds nothing.
func (a *assembly) layerNormBackward() {
	a.begin("layerNormBackward", "is one row of engine.Kernels.LayerNormBackward; inverse is 1/len(x).",
		append(slices("dx", "dgain", "dbias", "dy", "x", "gain"),
			param{"mean", "float32"}, param{"rstd", "float32"}, param{"inverse", "float32"}), nil)
	const mean, rstd, sumG, sumGN, n, g, d, other = 0, 1, 2, 3, 4, 5, 6, 7
	a.op("VBROADCASTSS", a.arg("mean"), mean)
	a.op("VBROADCASTSS", a.arg("rstd"), rstd)
	a.zero(sumG)
	a.zero(sumGN)
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
		a.op("VSUBPS", mean, n, n)
		a.op("VMULPS", rstd, n, n)
		a.op("VMULPS", d, g, g)
	}
	start()
	a.base("dgain", "R8")
	a.base("dbias", "R9")
	a.each([]string{"SI", "DX", "BX", "R8", "R9"}, func(masked bool) {
		gradient(masked)
		a.op("VADDPS", g, sumG, sumG)
		a.op("VFMADD231PS", g, n, sumGN)
		a.load("(R8)", other, masked)
		a.op("VFMADD231PS", d, n, other)
		a.store(other, "(R8)", masked)
		a.load("(R9)", other, masked)
		a.op("VADDPS", d, other, other)
		a.store(other, "(R9)", masked)
	})
	a.reduce("VADDPS", sumG, n)
	a.reduce("VADDPS", sumGN, n)
	a.op("VBROADCASTSS", a.arg("inverse"), other)
	a.op("VMULPS", other, sumG, sumG)
	a.op("VMULPS", other, sumGN, sumGN)
	start()
	a.base("dx", "DI")
	a.each([]string{"SI", "DX", "BX", "DI"}, func(masked bool) {
		gradient(masked)
		a.op("VSUBPS", sumG, g, g)
		a.op("VFNMADD231PS", sumGN, n, g)
		a.op("VMULPS", rstd, g, g)
		a.store(g, "(DI)", masked)
	})
	a.end()
}

// sumRows runs down four columns of vectors at a time; every column is summed in order of the rows.
func (a *assembly) sumRows() {
	a.begin("sumRows", "adds to dst the sum of rows, ld apart, of src.",
		append(slices("dst", "src"), param{"ld", "int"}, param{"rows", "int"}), nil)
	a.base("dst", "DI")
	a.base("src", "SI")
	a.op("MOVQ", a.arg("ld"), "R8")
	a.op("SHLQ", "$2", "R8")
	a.length("dst", "CX")
	column := func(vectors int, masked bool) {
		loop, sums := a.unique("row"), a.unique("sums")
		a.op("MOVQ", "SI", "AX")
		a.op("MOVQ", a.arg("rows"), "DX")
		for i := range vectors {
			a.zero(i)
		}
		a.op("TESTQ", "DX", "DX")
		a.op("JEQ", sums)
		a.label(loop)
		for i := range vectors {
			at := fmt.Sprintf("%d(AX)", 4*a.width*i)
			a.load(at, 4+i, masked)
			a.op("VADDPS", 4+i, i, i)
		}
		a.op("ADDQ", "R8", "AX")
		a.op("DECQ", "DX")
		a.op("JNE", loop)
		a.label(sums)
		for i := range vectors {
			at := fmt.Sprintf("%d(DI)", 4*a.width*i)
			a.load(at, 4+i, masked)
			a.op("VADDPS", 4+i, i, i)
			a.store(i, at, masked)
		}
	}
	four, rest := a.unique("four"), a.unique("rest")
	a.label(four)
	a.op("CMPQ", "CX", fmt.Sprintf("$%d", 4*a.width))
	a.op("JLT", rest)
	column(4, false)
	a.op("ADDQ", fmt.Sprintf("$%d", 16*a.width), "SI")
	a.op("ADDQ", fmt.Sprintf("$%d", 16*a.width), "DI")
	a.op("SUBQ", fmt.Sprintf("$%d", 4*a.width), "CX")
	a.op("JMP", four)
	a.label(rest)
	a.each([]string{"SI", "DI"}, func(masked bool) { column(1, masked) })
	a.end()
}
