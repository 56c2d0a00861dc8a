package main

import "fmt"

func slices(names ...string) []param {
	params := make([]param, len(names))
	for i, n := range names {
		params[i] = param{n, "[]float32"}
	}
	return params
}

// tile multiplies a few rows of A by one panel of B, keeping all sums in registers: two vectors a row.
//
// A is read where it lies, by strides, so neither A nor its transpose is packed. Every sum runs over k in order with one
// rounding a step, whatever the tile's height: that is what makes the result independent of how rows were split.
func (a *assembly) tile() {
	a.begin("tile", "computes rows×cols of C from k columns of A and a panel of B: C = A·B + bias, or C += A·B with add.",
		[]param{
			{"c", "[]float32"},
			{"cRow", "int"},
			{"a", "[]float32"},
			{"aRow", "int"},
			{"aCol", "int"},
			{"b", "[]float32"},
			{"bRow", "int"},
			{"bias", "[]float32"},
			{"rows", "int"},
			{"cols", "int"},
			{"k", "int"},
			{"add", "bool"},
		}, nil)
	a.base("a", "AX")
	a.base("b", "SI")
	a.base("c", "DI")
	for _, stride := range []struct{ name, reg string }{{"aRow", "R8"}, {"aCol", "R10"}, {"bRow", "R11"}, {"cRow", "R13"}} {
		a.op("MOVQ", a.arg(stride.name), stride.reg)
		a.op("SHLQ", "$2", stride.reg)
	}
	a.op("LEAQ", "(R8)(R8*2)", "R9") // three rows on
	a.op("LEAQ", "(AX)(R8*4)", "BX") // rows 4 to 7
	a.op("LEAQ", "(BX)(R8*4)", "CX") // rows 8 to 11
	a.op("LEAQ", "(CX)(R8*4)", "DX") // rows 12 to 15
	a.op("MOVQ", a.arg("k"), "R12")
	a.op("MOVQ", a.arg("rows"), "R15")
	for rows := a.rows; rows > 1; rows-- {
		a.op("CMPQ", "R15", fmt.Sprintf("$%d", rows))
		a.op("JEQ", fmt.Sprintf("rows%d", rows))
	}
	for rows := 1; rows <= a.rows; rows++ {
		a.tileRows(rows)
	}
}

func (a *assembly) tileRows(rows int) {
	low, high := a.regs-4, a.regs-3 // the panel's row
	spread := []int{a.regs - 2, a.regs - 1}
	a.label(fmt.Sprintf("rows%d", rows))
	for r := range 2 * rows {
		if a.wide() {
			a.op("VPXORD", r, r, r)
		} else {
			a.zero(r)
		}
	}
	pointers := []string{"AX", "BX", "CX", "DX"}
	steps := []string{"(%s)", "(%s)(R8*1)", "(%s)(R8*2)", "(%s)(R9*1)"}
	loop, sums := fmt.Sprintf("loop%d", rows), fmt.Sprintf("sums%d", rows)
	a.op("TESTQ", "R12", "R12")
	a.op("JEQ", sums)
	a.label(loop)
	a.op("VMOVUPS", "(SI)", low)
	a.op("VMOVUPS", fmt.Sprintf("%d(SI)", 4*a.width), high)
	a.op("ADDQ", "R11", "SI")
	for r := range rows {
		s := spread[r%2]
		a.op("VBROADCASTSS", fmt.Sprintf(steps[r%4], pointers[r/4]), s)
		a.op("VFMADD231PS", low, s, 2*r)
		a.op("VFMADD231PS", high, s, 2*r+1)
		if r%4 == 3 || r == rows-1 {
			a.op("ADDQ", "R10", pointers[r/4])
		}
	}
	a.op("DECQ", "R12")
	a.op("JNE", loop)
	a.label(sums)

	// The columns that count: K1, K2 or two mask registers.
	lowMask, highMask := any("K1"), any("K2")
	a.op("MOVQ", a.arg("cols"), "CX")
	if a.wide() {
		a.op("MOVQ", "$1", "AX")
		a.op("SHLQ", "CX", "AX")
		a.op("DECQ", "AX")
		a.op("KMOVW", "AX", "K1")
		a.op("SHRQ", "$16", "AX")
		a.op("KMOVW", "AX", "K2")
	} else {
		lowMask, highMask = spread[0], spread[1]
		a.op("LEAQ", "lanes<>+64(SB)", "AX")
		a.op("NEGQ", "CX")
		a.op("VMOVUPS", "(AX)(CX*4)", spread[0])
		a.op("VMOVUPS", "32(AX)(CX*4)", spread[1])
	}
	read := func(address string, mask any, dst int) {
		if a.wide() {
			a.op("VMOVUPS.Z", address, mask, dst)
		} else {
			a.op("VMASKMOVPS", address, mask, dst)
		}
	}
	write := func(src int, mask any, address string) {
		if a.wide() {
			a.op("VMOVUPS", src, mask, address)
		} else {
			a.op("VMASKMOVPS", src, mask, address)
		}
	}
	secondHalf := fmt.Sprintf("%d(%%s)", 4*a.width)

	set := fmt.Sprintf("set%d", rows)
	bare := fmt.Sprintf("bare%d", rows)
	a.op("MOVBLZX", a.arg("add"), "AX")
	a.op("TESTL", "AX", "AX")
	a.op("JEQ", set)
	for r := range rows {
		read("(DI)", lowMask, low)
		read(fmt.Sprintf(secondHalf, "DI"), highMask, high)
		a.op("VADDPS", low, 2*r, 2*r)
		a.op("VADDPS", high, 2*r+1, 2*r+1)
		write(2*r, lowMask, "(DI)")
		write(2*r+1, highMask, fmt.Sprintf(secondHalf, "DI"))
		a.op("ADDQ", "R13", "DI")
	}
	a.end()
	a.label(set)
	a.base("bias", "BX")
	a.op("TESTQ", "BX", "BX")
	a.op("JEQ", bare)
	read("(BX)", lowMask, low)
	read(fmt.Sprintf(secondHalf, "BX"), highMask, high)
	for r := range rows {
		a.op("VADDPS", low, 2*r, 2*r)
		a.op("VADDPS", high, 2*r+1, 2*r+1)
	}
	a.label(bare)
	for r := range rows {
		write(2*r, lowMask, "(DI)")
		write(2*r+1, highMask, fmt.Sprintf(secondHalf, "DI"))
		a.op("ADDQ", "R13", "DI")
	}
	a.end()
}

// packRows copies k rows of a full panel's width side by side.
func (a *assembly) packRows() {
	a.begin("packRows", "copies k rows of one panel's width, ld apart, into a panel.",
		append(slices("dst", "src"), param{"ld", "int"}, param{"k", "int"}), nil)
	a.base("dst", "DI")
	a.base("src", "SI")
	a.op("MOVQ", a.arg("ld"), "R8")
	a.op("SHLQ", "$2", "R8")
	a.op("MOVQ", a.arg("k"), "CX")
	a.op("TESTQ", "CX", "CX")
	a.op("JEQ", "done")
	a.label("loop")
	a.op("VMOVUPS", "(SI)", 0)
	a.op("VMOVUPS", fmt.Sprintf("%d(SI)", 4*a.width), 1)
	a.op("VMOVUPS", 0, "(DI)")
	a.op("VMOVUPS", 1, fmt.Sprintf("%d(DI)", 4*a.width))
	a.op("ADDQ", "R8", "SI")
	a.op("ADDQ", fmt.Sprintf("$%d", 8*a.width), "DI")
	a.op("DECQ", "CX")
	a.op("JNE", "loop")
	a.label("done")
	a.end()
}

// packTransposed turns rows of the source into columns of half a panel, a square of registers at a time.
func (a *assembly) packTransposed() {
	a.begin("packTransposed", "writes blocks squares of the transpose of src, whose rows are ld apart, into half a panel.",
		append(slices("dst", "src"), param{"ld", "int"}, param{"blocks", "int"}), nil)
	a.base("dst", "DI")
	a.base("src", "SI")
	a.op("MOVQ", a.arg("ld"), "R8")
	a.op("SHLQ", "$2", "R8")
	a.op("MOVQ", a.arg("blocks"), "CX")
	a.op("TESTQ", "CX", "CX")
	a.op("JEQ", "done")
	a.label("loop")
	a.op("MOVQ", "SI", "AX")
	w := a.width
	for r := range w {
		a.op("VMOVUPS", "(AX)", r)
		if r < w-1 {
			a.op("ADDQ", "R8", "AX")
		}
	}
	// Pairs of rows, then fours: register w+4g+i, then 4g+i, holds column 4L+i of rows 4g..4g+3 in its 128-bit lane L.
	for r := 0; r < w; r += 2 {
		a.op("VUNPCKLPS", r+1, r, w+r)
		a.op("VUNPCKHPS", r+1, r, w+r+1)
	}
	for g := 0; g < w; g += 4 {
		a.op("VUNPCKLPD", w+g+2, w+g, g)
		a.op("VUNPCKHPD", w+g+2, w+g, g+1)
		a.op("VUNPCKLPD", w+g+3, w+g+1, g+2)
		a.op("VUNPCKHPD", w+g+3, w+g+1, g+3)
	}
	row := func(i int) string { return fmt.Sprintf("%d(DI)", i*8*w) }
	for i := range 4 {
		if a.wide() { // a 4×4 transpose of 128-bit lanes
			a.op("VSHUFF32X4", "$0x88", 4+i, i, 16)
			a.op("VSHUFF32X4", "$0x88", 12+i, 8+i, 17)
			a.op("VSHUFF32X4", "$0xDD", 4+i, i, 18)
			a.op("VSHUFF32X4", "$0xDD", 12+i, 8+i, 19)
			a.op("VSHUFF32X4", "$0x88", 17, 16, 20)
			a.op("VSHUFF32X4", "$0x88", 19, 18, 21)
			a.op("VSHUFF32X4", "$0xDD", 17, 16, 22)
			a.op("VSHUFF32X4", "$0xDD", 19, 18, 23)
			for lane := range 4 {
				a.op("VMOVUPS", 20+lane, row(4*lane+i))
			}
			continue
		}
		a.op("VPERM2F128", "$0x20", 4+i, i, 8)
		a.op("VPERM2F128", "$0x31", 4+i, i, 9)
		a.op("VMOVUPS", 8, row(i))
		a.op("VMOVUPS", 9, row(4+i))
	}
	a.op("ADDQ", fmt.Sprintf("$%d", 4*w), "SI")
	a.op("ADDQ", fmt.Sprintf("$%d", 8*w*w), "DI")
	a.op("DECQ", "CX")
	a.op("JNE", "loop")
	a.label("done")
	a.end()
}
