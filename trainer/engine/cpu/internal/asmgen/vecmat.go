package main

import "fmt"

// Kernels for making text, where a few rows meet weights that are read once: what counts is that memory is read without a pause.

// fewRows is how many rows of x a kernel takes at once.
func (a *assembly) fewRows() int {
	if a.wide() {
		return 4
	}
	return 2
}

// vecmats emits the kernels of vecmat_go.go.
func (a *assembly) vecmats() {
	a.vecmat()
	a.stream()
	a.dots("dot", "sets y to x·wᵀ, a multiple of four rows of w at a time.", "float32", a.dotFloat32)
	a.dots("dotBF16", "is dot for weights that packBF16 wrote.", "uint16", a.dotBF16)
	a.dots("dotQ8", "is dot for weights that packQ8 wrote.", "int8", a.dotQ8)
}

// strides puts x and its strides into AX, R8 and R9.
func (a *assembly) strides() {
	a.base("x", "AX")
	a.op("MOVQ", a.arg("xRow"), "R8")
	a.op("SHLQ", "$2", "R8")
	a.op("LEAQ", "(R8)(R8*2)", "R9")
}

// vecmat sums over rows of w: every lane is a result, and adds in the order of k.
func (a *assembly) vecmat() {
	a.begin("vecmat", "sets y to x·w for a few rows of x; w's rows are wRow apart.", []param{
		{"y", "[]float32"}, {"yRow", "int"}, {"x", "[]float32"}, {"xRow", "int"}, {"w", "[]float32"}, {"wRow", "int"},
		{"rows", "int"}, {"cols", "int"}, {"k", "int"},
	}, nil)
	a.base("y", "DI")
	a.op("MOVQ", a.arg("yRow"), "R13")
	a.op("SHLQ", "$2", "R13")
	a.base("w", "SI")
	a.op("MOVQ", a.arg("wRow"), "R11")
	a.op("SHLQ", "$2", "R11")
	a.op("MOVQ", a.arg("cols"), "CX")
	a.op("MOVQ", a.arg("rows"), "AX")
	for rows := 1; rows <= a.fewRows(); rows++ {
		a.op("CMPQ", "AX", fmt.Sprintf("$%d", rows))
		a.op("JEQ", fmt.Sprintf("rows%d", rows))
	}
	a.op("RET")
	for rows := 1; rows <= a.fewRows(); rows++ {
		a.label(fmt.Sprintf("rows%d", rows))
		widest := 4
		if rows == 1 {
			widest = 8
		}
		for vectors := widest; vectors >= 1; vectors /= 2 {
			next := a.unique("narrower")
			a.op("CMPQ", "CX", fmt.Sprintf("$%d", vectors*a.width))
			a.op("JLT", next)
			again := a.unique("block")
			a.label(again)
			a.vecmatBlock(rows, vectors, false)
			a.op("ADDQ", fmt.Sprintf("$%d", 4*vectors*a.width), "SI")
			a.op("ADDQ", fmt.Sprintf("$%d", 4*vectors*a.width), "DI")
			a.op("SUBQ", fmt.Sprintf("$%d", vectors*a.width), "CX")
			a.op("CMPQ", "CX", fmt.Sprintf("$%d", vectors*a.width))
			a.op("JGE", again)
			a.label(next)
		}
		done := a.unique("done")
		a.op("TESTQ", "CX", "CX")
		a.op("JEQ", done)
		a.setMask()
		a.op("MOVQ", a.arg("wRow"), "R11") // setMask took it
		a.op("SHLQ", "$2", "R11")
		a.vecmatBlock(rows, 1, true)
		a.label(done)
		a.end()
	}
}

// streamed is how many rows of w a stream reads beside each other.
const streamed = 4

// stream sums over rows of w into memory, so that w is read along its rows: down its columns, as vecmat reads it, memory gives half as much. The
// sums are those of vecmat to the bit.
func (a *assembly) stream() {
	a.begin("stream", "adds x·w to y, one row each; cols is a multiple of 16.", []param{
		{"y", "[]float32"}, {"x", "[]float32"}, {"w", "[]float32"}, {"wRow", "int"}, {"cols", "int"}, {"k", "int"},
	}, nil)
	a.base("y", "DI")
	a.base("x", "AX")
	a.base("w", "SI")
	a.op("MOVQ", a.arg("wRow"), "R11")
	a.op("SHLQ", "$2", "R11")
	a.op("MOVQ", a.arg("cols"), "CX")
	a.op("SHLQ", "$2", "CX")
	a.op("MOVQ", a.arg("k"), "R13")
	a.streamRows(streamed)
	a.streamRows(1)
	a.end()
}

func (a *assembly) streamRows(rows int) {
	pointers := []string{"DX", "R8", "R9", "R10"}[:rows]
	again, along, done := a.unique("rows"), a.unique("along"), a.unique("done")
	next := fmt.Sprintf("(R11*%d)", rows)
	a.label(again)
	a.op("CMPQ", "R13", fmt.Sprintf("$%d", rows))
	a.op("JLT", done)
	a.op("MOVQ", "SI", pointers[0])
	a.op("LEAQ", "(SI)"+next, "SI")
	for r := range rows {
		a.op("VBROADCASTSS", fmt.Sprintf("%d(AX)", 4*r), r)
		if r > 0 {
			a.op("LEAQ", fmt.Sprintf("(%s)(R11*1)", pointers[r-1]), pointers[r])
		}
	}
	a.op("MOVQ", "DI", "R12")
	a.op("LEAQ", "(DI)(CX*1)", "BX") // the end of y
	a.label(along)
	a.load("(R12)", rows, false)
	for r, p := range pointers {
		a.op("VFMADD231PS", "("+p+")", r, rows)
		a.op("PREFETCHT1", "("+p+")"+next)
	}
	a.store(rows, "(R12)", false)
	for _, p := range append(pointers, "R12") {
		a.op("ADDQ", fmt.Sprintf("$%d", 4*a.width), p)
	}
	a.op("CMPQ", "R12", "BX")
	a.op("JLT", along)
	a.op("ADDQ", fmt.Sprintf("$%d", 4*rows), "AX")
	a.op("SUBQ", fmt.Sprintf("$%d", rows), "R13")
	a.op("JMP", again)
	a.label(done)
}

func (a *assembly) vecmatBlock(rows, vectors int, masked bool) {
	// sums r·vectors+v, then a broadcast for each row, then a vector of w
	spread := rows * vectors
	weights := spread + rows
	for i := range spread {
		a.clearRegister(i)
	}
	a.strides()
	a.op("MOVQ", "SI", "DX")
	a.op("MOVQ", a.arg("k"), "R12")
	a.op("LEAQ", "(SI)(R11*8)", "R10") // rows to come
	loop := a.unique("loop")
	a.label(loop)
	for r := range rows {
		a.op("VBROADCASTSS", strided("AX", "R8", "R9", r, 0), spread+r)
	}
	for v := range vectors {
		at := fmt.Sprintf("%d(DX)", 4*v*a.width)
		if 4*v*a.width%64 == 0 && vectors > 1 {
			a.op("PREFETCHT0", fmt.Sprintf("%d(R10)", 4*v*a.width))
		}
		if rows == 1 && !masked {
			a.op("VFMADD231PS", at, spread, v)
			continue
		}
		a.load(at, weights, masked)
		for r := range rows {
			a.op("VFMADD231PS", weights, spread+r, r*vectors+v)
		}
	}
	a.op("ADDQ", "$4", "AX")
	a.op("ADDQ", "R11", "DX")
	a.op("ADDQ", "R11", "R10")
	a.op("DECQ", "R12")
	a.op("JNE", loop)
	a.op("MOVQ", "DI", "DX")
	for r := range rows {
		for v := range vectors {
			a.store(r*vectors+v, fmt.Sprintf("%d(DX)", 4*v*a.width), masked)
		}
		if r < rows-1 {
			a.op("ADDQ", "R13", "DX")
		}
	}
}

// clearRegister zeroes any register; VEX reaches only the first sixteen.
func (a *assembly) clearRegister(i int) {
	if a.wide() {
		a.op("VPXORD", i, i, i)
		return
	}
	a.zero(i)
}

// dots emits a kernel that sums along rows of w, four of them and up to fewRows rows of x at a time. Every sum has one vector,
// whose lanes are added up at the end; so a result depends on nothing but its row of x and its row of w.
//
// step is the loop over k for one group; it leaves the sums in registers 4r+c.
func (a *assembly) dots(name, doc, kind string, step func(rows int)) {
	a.begin(name, doc, []param{
		{"y", "[]float32"}, {"yRow", "int"}, {"x", "[]float32"}, {"xRow", "int"}, {"w", "[]" + kind}, {"wRow", "int"},
		{"rows", "int"}, {"cols", "int"}, {"k", "int"},
	}, nil)
	a.base("y", "DI")
	a.op("MOVQ", a.arg("yRow"), "R13")
	a.op("SHLQ", "$2", "R13")
	a.base("w", "SI")
	a.op("MOVQ", a.arg("wRow"), "R11")
	a.op("SHLQ", "$2", "R11")
	a.op("LEAQ", "(R11)(R11*2)", "R15")
	a.op("MOVQ", a.arg("cols"), "CX")
	a.op("SHRQ", "$2", "CX")
	a.op("JEQ", "none")
	a.op("MOVQ", a.arg("rows"), "AX")
	for rows := 1; rows <= a.fewRows(); rows++ {
		a.op("CMPQ", "AX", fmt.Sprintf("$%d", rows))
		a.op("JEQ", fmt.Sprintf("rows%d", rows))
	}
	a.label("none")
	a.end()
	for rows := 1; rows <= a.fewRows(); rows++ {
		a.label(fmt.Sprintf("rows%d", rows))
		for i := range 4 * rows {
			a.clearRegister(i)
		}
		a.strides()
		a.op("MOVQ", a.arg("k"), "R12")
		step(rows)
		a.op("MOVQ", "DI", "DX")
		for r := range rows {
			a.foldFour(4 * r)
			a.op("VMOVUPS", x(4*r), "(DX)")
			if r < rows-1 {
				a.op("ADDQ", "R13", "DX")
			}
		}
		a.op("ADDQ", "$16", "DI")
		a.op("DECQ", "CX")
		a.op("JNE", fmt.Sprintf("rows%d", rows))
		a.end()
	}
}

// foldFour puts the sums of the lanes of registers r to r+3 side by side into the low lanes of r.
func (a *assembly) foldFour(r int) {
	spare := 8 // a register whose content is not needed
	if a.wide() {
		spare = 16
	}
	for i := r; i < r+4; i++ {
		if a.wide() {
			a.op("VEXTRACTF64X4", "$1", i, y(spare))
			a.op("VADDPS", y(spare), y(i), y(i))
			a.op("VEXTRACTF32X4", "$1", y(i), x(spare))
		} else {
			a.op("VEXTRACTF128", "$1", y(i), x(spare))
		}
		a.op("VADDPS", x(spare), x(i), x(i))
	}
	a.op("VHADDPS", x(r+1), x(r), x(r))
	a.op("VHADDPS", x(r+3), x(r+2), x(r+2))
	a.op("VHADDPS", x(r+2), x(r), x(r))
}

// dotFloat32 reads four rows of w where they lie, and asks for the next four in time.
func (a *assembly) dotFloat32(rows int) {
	xs, weights := 4*rows, 5*rows
	a.op("MOVQ", "SI", "DX")
	a.op("LEAQ", "(SI)(R11*4)", "R10")
	step := func(masked bool) {
		for r := range rows {
			a.load(strided("AX", "R8", "R9", r, 0), xs+r, masked)
		}
		for c := range 4 {
			at := strided("DX", "R11", "R15", c, 0)
			if !masked {
				a.op("PREFETCHT1", strided("R10", "R11", "R15", c, 0))
			}
			if rows == 1 && !masked {
				a.op("VFMADD231PS", at, xs, c)
				continue
			}
			a.load(at, weights, masked)
			for r := range rows {
				a.op("VFMADD231PS", weights, xs+r, 4*r+c)
			}
		}
	}
	loop, tail, done := a.unique("loop"), a.unique("tail"), a.unique("done")
	a.op("SUBQ", fmt.Sprintf("$%d", a.width), "R12")
	a.op("JLT", tail)
	a.label(loop)
	step(false)
	for _, p := range []string{"AX", "DX", "R10"} {
		a.op("ADDQ", fmt.Sprintf("$%d", 4*a.width), p)
	}
	a.op("SUBQ", fmt.Sprintf("$%d", a.width), "R12")
	a.op("JGE", loop)
	a.label(tail)
	a.op("ADDQ", fmt.Sprintf("$%d", a.width), "R12")
	a.op("JEQ", done)
	a.op("MOVQ", "CX", "BX") // setMask counts in CX and takes R11 and R12
	a.op("MOVQ", "R12", "CX")
	a.setMask()
	a.op("MOVQ", "BX", "CX")
	a.op("MOVQ", a.arg("wRow"), "R11")
	a.op("SHLQ", "$2", "R11")
	step(true)
	a.label(done)
	a.op("LEAQ", "(SI)(R11*4)", "SI")
}

// ahead is how far before its use what is packed is asked for, in bytes: the processor's own guess ends at every page.
const ahead = 2048

// dotBF16 reads what packBF16 wrote, from its beginning to its end: sixteen values of each of four rows.
func (a *assembly) dotBF16(rows int) {
	xs, weights := 4*rows, 5*rows
	loop := a.unique("loop")
	a.label(loop)
	a.op("PREFETCHT0", fmt.Sprintf("%d(SI)", ahead))
	a.op("PREFETCHT0", fmt.Sprintf("%d(SI)", ahead+64))
	for part := 0; part < 16; part += a.width {
		for r := range rows {
			a.op("VMOVUPS", strided("AX", "R8", "R9", r, 4*part), xs+r)
		}
		for c := range 4 {
			a.op("VPMOVZXWD", fmt.Sprintf("%d(SI)", 32*c+2*part), weights)
			a.op("VPSLLD", "$16", weights, weights)
			for r := range rows {
				a.op("VFMADD231PS", weights, xs+r, 4*r+c)
			}
		}
	}
	a.op("ADDQ", "$64", "AX")
	a.op("ADDQ", "$128", "SI")
	a.op("SUBQ", "$16", "R12")
	a.op("JNE", loop)
}

// dotQ8 reads what packQ8 wrote: four scales, then 32 values of each of four rows. A block is summed before it is scaled.
func (a *assembly) dotQ8(rows int) {
	block, weights := 4*rows, 5*rows // block+r: the sum of row r in this block
	loop := a.unique("loop")
	a.label(loop)
	for _, line := range []int{0, 64, 128} {
		a.op("PREFETCHT0", fmt.Sprintf("%d(SI)", ahead+line))
	}
	for c := range 4 {
		for part := 0; part < 32; part += a.width {
			a.op("VPMOVSXBD", fmt.Sprintf("%d(SI)", 16+32*c+part), weights)
			a.op("VCVTDQ2PS", weights, weights)
			for r := range rows {
				op := "VFMADD231PS"
				if part == 0 {
					op = "VMULPS"
				}
				a.op(op, strided("AX", "R8", "R9", r, 4*part), weights, block+r)
			}
		}
		a.op("VBROADCASTSS", fmt.Sprintf("%d(SI)", 4*c), weights)
		for r := range rows {
			a.op("VFMADD231PS", weights, block+r, 4*r+c)
		}
	}
	a.op("ADDQ", "$128", "AX")
	a.op("ADDQ", "$144", "SI")
	a.op("SUBQ", "$32", "R12")
	a.op("JNE", loop)
}
