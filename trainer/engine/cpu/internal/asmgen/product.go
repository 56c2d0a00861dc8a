package main

import "fmt"

func slices(names ...string) []param {
	params := make([]param, len(names))
	for i, n := range names {
		params[i] = param{n, "[]float32"}
	}
	return params
}

// unroll is how many steps of k the tile's loop takes at once: the pointers' additions go through the same ports as the
// multiply-adds, and one set of them for every step costs an eighth of the speed.
const unroll = 4

// tile multiplies a few rows of A by one panel of B, keeping all sums in registers: two vectors a row.
//
// A is read where it lies: by rows (aCol is 1) or by columns (aRow is 1, the transpose of a matrix in memory). Every sum runs
// over k in order with one rounding a step, whatever the tile's height and A's layout: that is what makes the result
// independent of how rows were split.
//
// While it sums it asks for what is needed next, a line at a time: the rows of C that it is about to write, into the first-level cache, and
// then what lies at ahead, aheadRow apart, into the second. Asked for at once, lines from memory would hold up those of B.
//
// The first tile on a panel whose rows are far apart copies it, after it has used it, to where the tiles that follow read it: to bring it
// together before would take time of its own.
func (a *assembly) tile() {
	a.frame = 16
	a.begin("tile", "computes rows×cols of C from k columns of A and a panel of B: C = A·B + bias, or C += A·B with add.\n"+
		"// aRow or aCol is 1. For every four of k it asks for a line of what will be read next, at ahead and from there aheadRow apart.\n"+
		"// With keep, the panel's rows are copied there, one behind the other.",
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
			{"ahead", "[]float32"},
			{"aheadRow", "int"},
			{"keep", "[]float32"},
		}, nil)
	a.op("MOVQ", a.arg("aheadRow"), "R14")
	a.op("SHLQ", "$2", "R14")
	a.op("MOVQ", "R14", "aheadStep-16(SP)")
	a.base("a", "AX")
	a.base("b", "SI")
	a.base("c", "DI")
	for _, stride := range []struct{ name, reg string }{{"aRow", "R8"}, {"aCol", "R10"}, {"bRow", "R11"}, {"cRow", "R13"}} {
		a.op("MOVQ", a.arg(stride.name), stride.reg)
		a.op("SHLQ", "$2", stride.reg)
	}
	a.op("LEAQ", "(R11)(R11*2)", "R15") // three rows of B on
	a.op("MOVQ", a.arg("k"), "R12")
	a.op("MOVQ", a.arg("rows"), "CX")
	a.op("CMPQ", "R10", "$4")
	a.op("JNE", "columns")
	for rows := a.rows; rows >= 1; rows-- {
		a.op("CMPQ", "CX", fmt.Sprintf("$%d", rows))
		a.op("JEQ", fmt.Sprintf("rows%d", rows))
	}
	a.op("RET")
	a.label("columns")
	for rows := a.rows; rows >= 1; rows-- {
		a.op("CMPQ", "CX", fmt.Sprintf("$%d", rows))
		a.op("JEQ", fmt.Sprintf("columns%d", rows))
	}
	a.op("RET")
	for rows := 1; rows <= a.rows; rows++ {
		a.sumsByColumn(rows)
		a.sumsByRow(rows)
		a.writeTile(rows)
	}
}

// strided addresses step 0 to 3 of a pointer, given the registers of its stride and of three strides.
func strided(pointer, stride, three string, step, offset int) string {
	at := ""
	if offset != 0 {
		at = fmt.Sprint(offset)
	}
	return at + fmt.Sprintf([]string{"(%[1]s)", "(%[1]s)(%[2]s*1)", "(%[1]s)(%[2]s*2)", "(%[1]s)(%[3]s*1)"}[step], pointer, stride, three)
}

// sumLoop emits the loop over k. prepare makes A's pointers, element says where one step's element of row r is, and advance
// moves the pointers on. keep is a free register.
func (a *assembly) sumLoop(name string, rows int, keep string, prepare func(), element func(r, step int) string, advance func(steps int)) {
	low, high := a.regs-4, a.regs-3 // the panel's row
	spread := []int{a.regs - 2, a.regs - 1}
	for r := range 2 * rows {
		if a.wide() {
			a.op("VPXORD", r, r, r)
		} else {
			a.zero(r)
		}
	}
	prepare()
	a.base("keep", keep)
	copied := func(steps int) {
		for u := range steps {
			a.op("VMOVUPS", strided("SI", "R11", "R15", u, 0), spread[0])
			a.op("VMOVUPS", strided("SI", "R11", "R15", u, 4*a.width), spread[1])
			a.op("VMOVUPS", spread[0], fmt.Sprintf("%d(%s)", 8*a.width*u, keep))
			a.op("VMOVUPS", spread[1], fmt.Sprintf("%d(%s)", 8*a.width*u+4*a.width, keep))
		}
		a.op("ADDQ", fmt.Sprintf("$%d", 8*a.width*steps), keep)
	}
	step := func(u int) {
		a.op("VMOVUPS", strided("SI", "R11", "R15", u, 0), low)
		a.op("VMOVUPS", strided("SI", "R11", "R15", u, 4*a.width), high)
		for r := range rows {
			s := spread[r%2]
			a.op("VBROADCASTSS", element(r, u), s)
			a.op("VFMADD231PS", low, s, 2*r)
			a.op("VFMADD231PS", high, s, 2*r+1)
		}
	}
	a.op("SUBQ", fmt.Sprintf("$%d", unroll), "R12")
	a.op("JLT", name+"rest")
	a.op("MOVQ", "DI", "R14") // what is asked for
	a.op("MOVQ", fmt.Sprintf("$%d", rows+1), "left-8(SP)")
	a.op("JMP", name+"loop")
	a.label(name + "c")
	a.text.WriteString("\tBYTE $0x41; BYTE $0x0F; BYTE $0x0D; BYTE $0x0E // PREFETCHW (R14)\n")
	if a.wide() {
		a.text.WriteString("\tBYTE $0x41; BYTE $0x0F; BYTE $0x0D; BYTE $0x4E; BYTE $0x40 // PREFETCHW 64(R14)\n")
	}
	a.op("ADDQ", "R13", "R14")
	a.op("JMP", name+"sum")
	a.label(name + "next")
	a.base("ahead", "R14")
	a.op("TESTQ", "R14", "R14")
	a.op("CMOVQEQ", "DI", "R14")
	a.op("JMP", name+"ahead")
	a.label(name + "copy")
	copied(unroll)
	a.op("JMP", name+"copied")
	a.label(name + "loop")
	a.op("DECQ", "left-8(SP)")
	a.op("JGT", name+"c")
	a.op("JEQ", name+"next")
	a.label(name + "ahead")
	a.op("PREFETCHT1", "(R14)")
	a.op("ADDQ", "aheadStep-16(SP)", "R14")
	a.label(name + "sum")
	for u := range unroll {
		step(u)
	}
	a.op("TESTQ", keep, keep)
	a.op("JNE", name+"copy")
	a.label(name + "copied")
	a.op("LEAQ", "(SI)(R11*4)", "SI")
	advance(unroll)
	a.op("SUBQ", fmt.Sprintf("$%d", unroll), "R12")
	a.op("JGE", name+"loop")
	a.label(name + "rest")
	a.op("ADDQ", fmt.Sprintf("$%d", unroll), "R12")
	a.op("JEQ", fmt.Sprintf("write%d", rows))
	a.label(name + "one")
	step(0)
	a.op("TESTQ", keep, keep)
	a.op("JEQ", name+"kept")
	copied(1)
	a.label(name + "kept")
	a.op("ADDQ", "R11", "SI")
	advance(1)
	a.op("DECQ", "R12")
	a.op("JNE", name+"one")
}

// sumsByColumn reads A with its rows side by side: one pointer serves them all.
func (a *assembly) sumsByColumn(rows int) {
	name := fmt.Sprintf("columns%d", rows)
	a.label(name)
	a.sumLoop(name, rows, "BX",
		func() { a.op("LEAQ", "(R10)(R10*2)", "R9") }, // three columns on
		func(r, step int) string { return strided("AX", "R10", "R9", step, 4*r) },
		func(steps int) {
			if steps == unroll {
				a.op("LEAQ", "(AX)(R10*4)", "AX")
			} else {
				a.op("ADDQ", "R10", "AX")
			}
		})
	a.op("JMP", fmt.Sprintf("write%d", rows))
}

// sumsByRow reads A along its rows, with a pointer to every fourth.
func (a *assembly) sumsByRow(rows int) {
	name := fmt.Sprintf("rows%d", rows)
	pointers := []string{"AX", "BX", "CX", "DX"}[:(rows+3)/4]
	a.label(name)
	a.sumLoop(name, rows, "R10",
		func() {
			a.op("LEAQ", "(R8)(R8*2)", "R9") // three rows on
			for i := 1; i < len(pointers); i++ {
				a.op("LEAQ", fmt.Sprintf("(%s)(R8*4)", pointers[i-1]), pointers[i])
			}
		},
		func(r, step int) string { return strided(pointers[r/4], "R8", "R9", r%4, 4*step) },
		func(steps int) {
			for _, p := range pointers {
				a.op("ADDQ", fmt.Sprintf("$%d", 4*steps), p)
			}
		})
}

// writeTile adds the sums to C, or sets C to them plus the bias.
func (a *assembly) writeTile(rows int) {
	low, high := a.regs-4, a.regs-3
	spread := []int{a.regs - 2, a.regs - 1}
	a.label(fmt.Sprintf("write%d", rows))

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

// packColumns cuts rows of the source, which are columns of A, into what each tile reads, a vector a row.
func (a *assembly) packColumns() {
	a.begin("packColumns", "copies k rows of width values, ld apart, into panels of height columns, one panel after the other.\n"+
		"// A panel's rows are a vector apart, and one vector lies between panels; what is in them beyond height is unspecified.",
		append(slices("dst", "src"), param{"ld", "int"}, param{"width", "int"}, param{"height", "int"}, param{"k", "int"}), nil)
	a.base("dst", "DI")
	a.base("src", "SI")
	a.op("MOVQ", a.arg("ld"), "R8")
	a.op("SHLQ", "$2", "R8")
	a.op("MOVQ", a.arg("height"), "R9")
	a.op("SHLQ", "$2", "R9") // bytes from panel to panel in the source
	a.op("MOVQ", a.arg("k"), "R10")
	a.op("LEAQ", "1(R10)", "R13") // from panel to panel in dst
	a.op("IMULQ", fmt.Sprintf("$%d", 4*a.width), "R13")
	a.op("TESTQ", "R10", "R10")
	a.op("JEQ", "done")
	a.label("row")
	a.op("MOVQ", "SI", "AX")
	a.op("MOVQ", "DI", "DX")
	a.op("MOVQ", a.arg("width"), "CX")
	a.op("CMPQ", "CX", fmt.Sprintf("$%d", a.width))
	a.op("JLT", "last")
	a.label("panel")
	a.op("VMOVUPS", "(AX)", 0)
	a.op("VMOVUPS", 0, "(DX)")
	a.op("ADDQ", "R9", "AX")
	a.op("ADDQ", "R13", "DX")
	a.op("SUBQ", a.arg("height"), "CX")
	a.op("CMPQ", "CX", fmt.Sprintf("$%d", a.width))
	a.op("JGE", "panel")
	a.label("last") // a vector would read beyond the source
	a.op("TESTQ", "CX", "CX")
	a.op("JLE", "next")
	a.setMask()
	a.load("(AX)", 0, true)
	a.op("VMOVUPS", 0, "(DX)")
	a.op("ADDQ", "R9", "AX")
	a.op("ADDQ", "R13", "DX")
	a.op("SUBQ", a.arg("height"), "CX")
	a.op("JMP", "last")
	a.label("next")
	a.op("ADDQ", "R8", "SI")
	a.op("ADDQ", fmt.Sprintf("$%d", 4*a.width), "DI")
	a.op("DECQ", "R10")
	a.op("JNE", "row")
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
