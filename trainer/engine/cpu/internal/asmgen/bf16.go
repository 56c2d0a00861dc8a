package main

import "fmt"

// The packed operands of a bfloat16 product, the same for every level. A word is two bfloat16 of neighbouring k, the even one
// in its low half. A is strips of 16 rows, a strip a row of tiles, a tile 16 rows of 16 words. B is panels of 32 columns, a
// panel one row of 32 words for every pair of k.

// ints names int parameters.
func ints(names ...string) []param {
	params := make([]param, len(names))
	for i, n := range names {
		params[i] = param{n, "int"}
	}
	return params
}

func words(names ...string) []param {
	params := make([]param, len(names))
	for i, n := range names {
		params[i] = param{n, "[]uint32"}
	}
	return params
}

// argument loads an int parameter, times 4 when it counts values.
func (a *assembly) argument(name, reg string, bytes bool) {
	a.op("MOVQ", a.arg(name), reg)
	if bytes {
		a.op("SHLQ", "$2", reg)
	}
}

// round puts the bfloat16 nearest to each value of register v (ties to even) into the high halves of register t; the low halves
// are left over. As VCVTNE2PS2BF16 does, values below the normal numbers become zeros and NaNs quiet ones. u is lost.
func (a *assembly) round(v, t, u int) {
	a.op("VPSRLD", "$16", v, t)
	if a.wide() {
		a.op("VPANDD", a.constantBits("unit", 1), t, t)
		a.op("VPADDD", v, t, t)
		a.op("VPADDD", a.constantBits("underHalf", 0x7fff), t, t)
		a.op("VCMPPS", "$3", v, v, "K2")
		a.op("VPORD", a.constantBits("quiet", 0x400000), v, "K2", t)
		a.op("VMOVUPS", a.constantBits("exponent", 0x7f800000), u)
		a.op("VPTESTNMD", u, v, "K3")
		a.op("VPANDD", a.constantBits("sign", 0x80000000), v, "K3", t)
		return
	}
	a.op("VPAND", a.constantBits("unit", 1), t, t)
	a.op("VPADDD", v, t, t)
	a.op("VPADDD", a.constantBits("underHalf", 0x7fff), t, t)
	a.op("VPOR", a.constantBits("quiet", 0x400000), v, u)
	a.op("VCMPPS", "$3", v, v, mask)
	a.op("VBLENDVPS", mask, u, t, t)
	a.op("VPAND", a.constantBits("exponent", 0x7f800000), v, u)
	a.op("VPXOR", y(mask), y(mask), y(mask))
	a.op("VPCMPEQD", mask, u, mask)
	a.op("VPAND", a.constantBits("sign", 0x80000000), v, u)
	a.op("VBLENDVPS", mask, u, t, t)
}

// bfPairs makes words of what is below each other in memory.
func (a *assembly) bfPairs() {
	a.begin("bfPairs", "rounds pairs of rows of src, ld apart, in panels of 32 columns side by side; each panel's rows of 32 words follow\n"+
		"// each other in dst, panels lie stride apart. A pair's first row is the low half of the words.",
		append(append(words("dst"), slices("src")...), ints("ld", "pairs", "panels", "stride")...), nil)
	a.base("dst", "DI")
	a.base("src", "SI")
	a.argument("ld", "R8", true)
	a.argument("stride", "R9", true)
	a.argument("pairs", "CX", false)
	a.argument("panels", "R10", false)
	if a.native {
		a.op("VMOVUPS", "interleave<>+0(SB)", 31)
	}
	a.op("TESTQ", "CX", "CX")
	a.op("JEQ", "done")
	a.op("TESTQ", "R10", "R10")
	a.op("JEQ", "done")
	a.label("row")
	a.op("MOVQ", "SI", "AX")
	a.op("MOVQ", "DI", "BX")
	a.op("MOVQ", "R10", "DX")
	a.label("panel")
	for at := 0; at < 128; at += 4 * a.width {
		a.op("VMOVUPS", fmt.Sprintf("%d(AX)", at), 0)
		a.op("VMOVUPS", fmt.Sprintf("%d(AX)(R8*1)", at), 1)
		if a.native {
			a.cvtne2ps2bf16(1, 0, 2)
			a.op("VPERMW", 2, 31, 2)
		} else {
			a.round(0, 2, 4)
			a.round(1, 3, 4)
			a.op("VPSRLD", "$16", 2, 2)
			and, or := "VPAND", "VPOR"
			if a.wide() {
				and, or = "VPANDD", "VPORD"
			}
			a.op(and, a.constantBits("high", 0xffff0000), 3, 3)
			a.op(or, 3, 2, 2)
		}
		a.op("VMOVUPS", 2, fmt.Sprintf("%d(BX)", at))
	}
	a.op("ADDQ", "$128", "AX")
	a.op("ADDQ", "R9", "BX")
	a.op("DECQ", "DX")
	a.op("JNE", "panel")
	a.op("LEAQ", "(SI)(R8*2)", "SI")
	a.op("ADDQ", "$128", "DI")
	a.op("DECQ", "CX")
	a.op("JNE", "row")
	a.label("done")
	a.end()
}

// bfRows makes words of what is side by side in memory.
func (a *assembly) bfRows() {
	a.begin("bfRows", "rounds rows of src, ld apart, in blocks of 32 values: 16 words, at dst[row·rowStride+block·blockStride].",
		append(append(words("dst"), slices("src")...), ints("ld", "rows", "blocks", "rowStride", "blockStride")...), nil)
	a.base("dst", "DI")
	a.base("src", "SI")
	a.argument("ld", "R8", true)
	a.argument("rows", "CX", false)
	a.argument("blocks", "R10", false)
	a.argument("rowStride", "R9", true)
	a.argument("blockStride", "R11", true)
	a.op("TESTQ", "CX", "CX")
	a.op("JEQ", "done")
	a.op("TESTQ", "R10", "R10")
	a.op("JEQ", "done")
	a.label("row")
	a.op("MOVQ", "SI", "AX")
	a.op("MOVQ", "DI", "BX")
	a.op("MOVQ", "R10", "DX")
	a.label("block")
	for i := range 32 / a.width {
		a.op("VMOVUPS", fmt.Sprintf("%d(AX)", 4*a.width*i), i)
	}
	switch {
	case a.native:
		a.cvtne2ps2bf16(1, 0, 2)
		a.op("VMOVUPS", 2, "(BX)")
	case a.wide():
		for i := range 2 {
			a.round(i, 2+i, 4)
			a.op("VPSRLD", "$16", 2+i, 2+i)
			a.op("VPMOVDW", 2+i, y(2+i))
			a.op("VMOVDQU", y(2+i), fmt.Sprintf("%d(BX)", 32*i))
		}
	default:
		for i := range 4 {
			a.round(i, 4+i, 8)
			a.op("VPSRLD", "$16", 4+i, 4+i)
		}
		for i := range 2 {
			a.op("VPACKUSDW", 5+2*i, 4+2*i, 8)
			a.op("VPERMQ", "$0xD8", 8, 8)
			a.op("VMOVDQU", 8, fmt.Sprintf("%d(BX)", 32*i))
		}
	}
	a.op("ADDQ", "$128", "AX")
	a.op("ADDQ", "R11", "BX")
	a.op("DECQ", "DX")
	a.op("JNE", "block")
	a.op("ADDQ", "R8", "SI")
	a.op("ADDQ", "R9", "DI")
	a.op("DECQ", "CX")
	a.op("JNE", "row")
	a.label("done")
	a.end()
}

// bfTurn is the transpose that packing needs where k runs the other way in memory.
func (a *assembly) bfTurn() {
	a.begin("bfTurn", "transposes blocks squares of 16×16 words; rows lie dstRow and srcRow apart, squares dstBlock and srcBlock.",
		append(words("dst", "src"), ints("dstRow", "srcRow", "blocks", "dstBlock", "srcBlock")...), nil)
	a.base("dst", "DI")
	a.base("src", "SI")
	for _, s := range []struct{ name, reg string }{{"dstRow", "R8"}, {"srcRow", "R9"}, {"dstBlock", "R10"}, {"srcBlock", "R11"}} {
		a.argument(s.name, s.reg, true)
	}
	a.argument("blocks", "CX", false)
	a.op("TESTQ", "CX", "CX")
	a.op("JEQ", "done")
	a.label("loop")
	for top := 0; top < 16; top += a.width {
		for left := 0; left < 16; left += a.width {
			a.op("MOVQ", "SI", "AX")
			a.op("MOVQ", "DI", "BX")
			for range top {
				a.op("ADDQ", "R9", "AX")
			}
			for range left {
				a.op("ADDQ", "R8", "BX")
			}
			for r := range a.width {
				a.op("VMOVUPS", fmt.Sprintf("%d(AX)", 4*left), r)
				a.op("ADDQ", "R9", "AX")
			}
			for _, r := range a.square() {
				a.op("VMOVUPS", r, fmt.Sprintf("%d(BX)", 4*top))
				a.op("ADDQ", "R8", "BX")
			}
		}
	}
	a.op("ADDQ", "R11", "SI")
	a.op("ADDQ", "R10", "DI")
	a.op("DECQ", "CX")
	a.op("JNE", "loop")
	a.label("done")
	a.end()
}

// square transposes registers 0 to width-1 and returns the registers that then hold the columns in order.
func (a *assembly) square() []int {
	w := a.width
	// Pairs of rows, then fours: register 4g+i holds column 4L+i of rows 4g..4g+3 in its 128-bit lane L.
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
	columns := make([]int, w)
	for i := range 4 {
		if !a.wide() {
			a.op("VPERM2F128", "$0x20", 4+i, i, 8+i)
			a.op("VPERM2F128", "$0x31", 4+i, i, 12+i)
			columns[i], columns[4+i] = 8+i, 12+i
			continue
		}
		a.op("VSHUFF32X4", "$0x88", 4+i, i, 16) // a 4×4 transpose of 128-bit lanes
		a.op("VSHUFF32X4", "$0x88", 12+i, 8+i, 17)
		a.op("VSHUFF32X4", "$0xDD", 4+i, i, 18)
		a.op("VSHUFF32X4", "$0xDD", 12+i, 8+i, 19)
		a.op("VSHUFF32X4", "$0x88", 17, 16, i)
		a.op("VSHUFF32X4", "$0x88", 19, 18, 4+i)
		a.op("VSHUFF32X4", "$0xDD", 17, 16, 8+i)
		a.op("VSHUFF32X4", "$0xDD", 19, 18, 12+i)
		for lane := range 4 {
			columns[4*lane+i] = 4*lane + i
		}
	}
	return columns
}

// bfSpread makes of A's words what bfTiles multiplies by, so that it is made once and not for every panel of B.
func (a *assembly) bfSpread() {
	a.begin("bfSpread", "writes, for every sixteen words, their even halves and then their odd ones, as float32 each.", words("dst", "src"), nil)
	a.base("dst", "DI")
	a.base("src", "SI")
	a.length("src", "CX")
	a.op("SHRQ", "$4", "CX")
	a.op("JEQ", "done")
	const high = 4
	a.op("VMOVUPS", a.constantBits("high", 0xffff0000), high)
	a.label("loop")
	for at := 0; at < 64; at += 4 * a.width {
		a.op("VMOVUPS", fmt.Sprintf("%d(SI)", at), 0)
		a.op("VPSLLD", "$16", 0, 1)
		if a.wide() {
			a.op("VPANDD", high, 0, 0)
		} else {
			a.op("VPAND", high, 0, 0)
		}
		a.op("VMOVUPS", 1, fmt.Sprintf("%d(DI)", at))
		a.op("VMOVUPS", 0, fmt.Sprintf("%d(DI)", 64+at))
	}
	a.op("ADDQ", "$64", "SI")
	a.op("ADDQ", "$128", "DI")
	a.op("DECQ", "CX")
	a.op("JNE", "loop")
	a.label("done")
	a.end()
}

// bfTilesDoc is said of AMX and of what stands in for it.
const bfTilesDoc = "computes panels of 32×32 of C, one below the other, from packed A and one packed panel of B, depth tiles deep.\n" +
	"// A's strips lie strip tiles apart. start says what the sums begin from: 0 nothing, 1 what C holds, 2 the bias."

func bfTilesParams() []param {
	return append(append(append(slices("c"), ints("cRow")...), words("a", "b")...), append(slices("bias"), ints("panels", "depth", "strip", "start")...)...)
}

// bfTiles stands in for AMX where there is none: for every tile of 16 words, sums of the even and of the odd halves by fused
// multiply-adds in order of k, then even + odd, then that to C, with numbers below the normal ones taken and left as zero. Its A is spread.
func (a *assembly) bfTiles() {
	a.frame = 8
	a.begin("bfTiles", bfTilesDoc+" A is spread.", bfTilesParams(), nil)
	rows := 8
	if !a.wide() {
		rows = 4
	}
	sum, even, odd := 0, rows, 2*rows
	bEven, bOdd, t, high := 3*rows, 3*rows+1, 3*rows+2, 3*rows+3
	and := "VPAND"
	if a.wide() {
		and = "VPANDD"
	}
	// DI C, R8 its rows' distance, SI a strip of A, DX the panel of B, BX the bias, CX the depth; R13 counts panels, R12 half panels, R11
	// vectors of columns, R10 groups of rows, R9 tiles. All that is lost in the inner loops lies in them or on the stack of the names.
	a.op("STMXCSR", "saved-8(SP)")
	a.op("MOVL", "saved-8(SP)", "AX")
	a.op("ORL", "$0x8040", "AX") // denormals are zero, results flush to zero
	a.op("MOVL", "AX", "flushing-4(SP)")
	a.op("LDMXCSR", "flushing-4(SP)")
	a.base("c", "DI")
	a.base("a", "SI")
	a.argument("cRow", "R8", true)
	a.argument("panels", "R13", false)
	a.op("SHLQ", "$1", "R13") // strips
	a.op("TESTQ", "R13", "R13")
	a.op("JEQ", "done")
	if a.wide() {
		a.op("VMOVUPS", a.constantBits("high", 0xffff0000), high)
	}
	a.label("strip")
	a.op("MOVQ", "$0", "R12") // first row of the group, in bytes of the tile: 128 a row
	a.label("group")
	a.op("MOVQ", "$0", "R11") // bytes of columns done
	a.label("column")
	// C's address and what the sums begin from.
	a.op("MOVQ", "DI", "R15")
	a.op("ADDQ", "R11", "R15")
	a.op("MOVQ", a.arg("start"), "AX")
	a.op("CMPQ", "AX", "$1")
	a.op("JEQ", "load")
	a.op("CMPQ", "AX", "$2")
	a.op("JEQ", "bias")
	for r := range rows {
		a.op("VXORPS", y(sum+r), y(sum+r), y(sum+r))
	}
	a.op("JMP", "begun")
	a.label("bias")
	a.base("bias", "BX")
	for r := range rows {
		a.op("VMOVUPS", "(BX)(R11*1)", sum+r)
	}
	a.op("JMP", "begun")
	a.label("load")
	a.op("MOVQ", "R15", "BX")
	for r := range rows {
		a.op("VMOVUPS", "(BX)", sum+r)
		if r < rows-1 {
			a.op("ADDQ", "R8", "BX")
		}
	}
	a.label("begun")
	a.base("b", "DX")
	a.op("ADDQ", "R11", "DX")
	a.op("LEAQ", "(SI)(R12*1)", "AX")
	a.argument("depth", "R9", false)
	a.label("tile")
	for r := range rows {
		if a.wide() {
			a.op("VPXORD", even+r, even+r, even+r)
			a.op("VPXORD", odd+r, odd+r, odd+r)
		} else {
			a.zero(even + r)
			a.zero(odd + r)
		}
	}
	a.op("MOVQ", "$16", "CX")
	a.label("pair")
	a.op("VMOVUPS", "(DX)", bOdd)
	a.op("VPSLLD", "$16", bOdd, bEven)
	if a.wide() {
		a.op(and, high, bOdd, bOdd)
	} else {
		a.op(and, a.constantBits("high", 0xffff0000), bOdd, bOdd)
	}
	for r := range rows {
		if a.wide() {
			a.op("VFMADD231PS.BCST", fmt.Sprintf("%d(AX)", 128*r), bEven, even+r)
			a.op("VFMADD231PS.BCST", fmt.Sprintf("%d(AX)", 128*r+64), bOdd, odd+r)
			continue
		}
		a.op("VBROADCASTSS", fmt.Sprintf("%d(AX)", 128*r), t)
		a.op("VFMADD231PS", bEven, t, even+r)
		a.op("VBROADCASTSS", fmt.Sprintf("%d(AX)", 128*r+64), t)
		a.op("VFMADD231PS", bOdd, t, odd+r)
	}
	a.op("ADDQ", "$4", "AX")
	a.op("ADDQ", "$128", "DX")
	a.op("DECQ", "CX")
	a.op("JNE", "pair")
	for r := range rows {
		a.op("VADDPS", odd+r, even+r, even+r)
		a.op("VADDPS", even+r, sum+r, sum+r)
	}
	a.op("ADDQ", "$(2048-64)", "AX")
	a.op("DECQ", "R9")
	a.op("JNE", "tile")
	for r := range rows {
		a.op("VMOVUPS", sum+r, "(R15)")
		if r < rows-1 {
			a.op("ADDQ", "R8", "R15")
		}
	}
	a.op("ADDQ", fmt.Sprintf("$%d", 4*a.width), "R11")
	a.op("CMPQ", "R11", "$128")
	a.op("JLT", "column")
	for range rows {
		a.op("ADDQ", "R8", "DI")
	}
	a.op("ADDQ", fmt.Sprintf("$%d", 128*rows), "R12")
	a.op("CMPQ", "R12", "$2048")
	a.op("JLT", "group")
	a.argument("strip", "AX", false)
	a.op("SHLQ", "$11", "AX")
	a.op("ADDQ", "AX", "SI")
	a.op("DECQ", "R13")
	a.op("JNE", "strip")
	a.label("done")
	a.op("LDMXCSR", "saved-8(SP)")
	a.end()
}
