package main

import (
	"bytes"
	"fmt"
	"math"
	"strings"
)

// isa is one instruction set: its registers' letter, how many there are, and how many float32 each holds.
type isa struct {
	name   string
	reg    string
	width  int
	regs   int
	rows   int  // of the product's tile
	native bool // rounds to bfloat16 by itself
}

var (
	avx512 = isa{name: "avx512", reg: "Z", width: 16, regs: 32, rows: 14}
	avx2   = isa{name: "avx2", reg: "Y", width: 8, regs: 16, rows: 6}
	amx    = isa{name: "amx", reg: "Z", width: 16, regs: 32, native: true} // on top of avx512
)

// assembly collects one file in Go's assembler syntax, and the declarations of its functions.
type assembly struct {
	isa
	text      bytes.Buffer
	stubs     bytes.Buffer
	constants []constant
	labels    int
	frame     int // bytes of stack of the next function
	function  string
	offsets   map[string]int
}

type constant struct {
	name string
	bits uint32
}

func (a *assembly) wide() bool { return a.reg == "Z" }

// v names vector register i, x its low 128 bits, y its low 256.
func (a *assembly) v(i int) string { return fmt.Sprintf("%s%d", a.reg, i) }

func x(i int) string { return fmt.Sprintf("X%d", i) }

func y(i int) string { return fmt.Sprintf("Y%d", i) }

// mask is where the AVX2 code keeps the mask of a partial vector; the AVX-512 code uses K1.
const mask = 15

// op writes one instruction.
func (a *assembly) op(name string, operands ...any) {
	parts := make([]string, len(operands))
	for i, o := range operands {
		switch o := o.(type) {
		case int:
			parts[i] = a.v(o)
		default:
			parts[i] = fmt.Sprint(o)
		}
	}
	fmt.Fprintf(&a.text, "\t%s %s\n", name, strings.Join(parts, ", "))
}

func (a *assembly) label(name string) { fmt.Fprintf(&a.text, "%s:\n", name) }

func (a *assembly) unique(name string) string {
	a.labels++
	return fmt.Sprintf("%s%d", name, a.labels)
}

// constant returns the operand that holds value in every lane.
func (a *assembly) constant(name string, value float32) string {
	return a.constantBits(name, math.Float32bits(value))
}

func (a *assembly) constantBits(name string, bits uint32) string {
	symbol := name + "<>"
	for _, c := range a.constants {
		if c.name == symbol {
			if c.bits != bits {
				panic("two values for the constant " + name)
			}
			return symbol + "+0(SB)"
		}
	}
	a.constants = append(a.constants, constant{symbol, bits})
	return symbol + "+0(SB)"
}

// param is an argument or a result, by its Go type.
type param struct{ name, kind string }

func (p param) size() int {
	switch p.kind {
	case "[]float32", "[]uint16", "[]uint32", "[]int8":
		return 24
	case "float32":
		return 4
	case "bool":
		return 1
	default:
		return 8
	}
}

func (p param) align() int { return min(p.size(), 8) }

// begin opens a function. The names of its parameters are then operands by arg.
func (a *assembly) begin(name, doc string, params, results []param) {
	a.function = name
	a.offsets = map[string]int{}
	at := 0
	place := func(list []param) string {
		var parts []string
		for _, p := range list {
			at = (at + p.align() - 1) / p.align() * p.align()
			a.offsets[p.name] = at
			at += p.size()
			parts = append(parts, p.name+" "+p.kind)
		}
		return strings.Join(parts, ", ")
	}
	in := place(params)
	if len(results) > 0 {
		at = (at + 7) / 8 * 8
	}
	out := place(results)
	goName := name + strings.ToUpper(a.name[:1]) + a.name[1:]
	fmt.Fprintf(&a.stubs, "\n// %s %s\n//\n//go:noescape\nfunc %s(%s)", goName, doc, goName, in)
	if out != "" {
		fmt.Fprintf(&a.stubs, " (%s)", out)
	}
	a.stubs.WriteString("\n")
	fmt.Fprintf(&a.text, "\n// %s %s\nTEXT ·%s(SB), NOSPLIT, $%d-%d\n", goName, doc, goName, a.frame, at)
	a.frame = 0
}

// arg is the operand of a parameter; a slice's name stands for its base pointer, name_len for its length.
func (a *assembly) arg(name string) string {
	if base, found := strings.CutSuffix(name, "_len"); found {
		return fmt.Sprintf("%s+%d(FP)", name, a.offsets[base]+8)
	}
	return fmt.Sprintf("%s+%d(FP)", name, a.offsets[name])
}

func (a *assembly) base(name, reg string) {
	a.op("MOVQ", fmt.Sprintf("%s_base+%d(FP)", name, a.offsets[name]), reg)
}

func (a *assembly) length(name, reg string) { a.op("MOVQ", a.arg(name+"_len"), reg) }

// end returns from the function.
func (a *assembly) end() {
	a.text.WriteString("\tVZEROUPPER\n\tRET\n")
}

// each runs body over CX values, a full vector at a time and then once masked; the pointers advance.
func (a *assembly) each(pointers []string, body func(masked bool)) {
	loop, tail, done := a.unique("loop"), a.unique("tail"), a.unique("done")
	a.op("CMPQ", "CX", fmt.Sprintf("$%d", a.width))
	a.op("JLT", tail)
	a.label(loop)
	body(false)
	for _, p := range pointers {
		a.op("ADDQ", fmt.Sprintf("$%d", 4*a.width), p)
	}
	a.op("SUBQ", fmt.Sprintf("$%d", a.width), "CX")
	a.op("CMPQ", "CX", fmt.Sprintf("$%d", a.width))
	a.op("JGE", loop)
	a.label(tail)
	a.op("TESTQ", "CX", "CX")
	a.op("JEQ", done)
	a.setMask()
	body(true)
	a.label(done)
}

// setMask selects the first CX lanes; R11 and R12 are lost.
func (a *assembly) setMask() {
	if a.wide() {
		a.op("MOVL", "$1", "R11")
		a.op("SHLL", "CX", "R11")
		a.op("DECL", "R11")
		a.op("KMOVW", "R11", "K1")
		return
	}
	a.op("LEAQ", "lanes<>+64(SB)", "R11")
	a.op("MOVQ", "CX", "R12")
	a.op("NEGQ", "R12")
	a.op("VMOVUPS", "(R11)(R12*4)", mask)
}

// load reads a vector; lanes outside the mask become zero and are not touched in memory.
func (a *assembly) load(address string, dst int, masked bool) {
	switch {
	case !masked:
		a.op("VMOVUPS", address, dst)
	case a.wide():
		a.op("VMOVUPS.Z", address, "K1", dst)
	default:
		a.op("VMASKMOVPS", address, mask, dst)
	}
}

// loadOver reads a vector; lanes outside the mask take the value of register fill.
func (a *assembly) loadOver(address string, fill, dst int, masked bool) {
	switch {
	case !masked:
		a.op("VMOVUPS", address, dst)
	case a.wide():
		a.op("VMOVAPS", fill, dst)
		a.op("VMOVUPS", address, "K1", dst)
	default:
		a.op("VMASKMOVPS", address, mask, dst)
		a.op("VBLENDVPS", mask, dst, fill, dst)
	}
}

func (a *assembly) store(src int, address string, masked bool) {
	switch {
	case !masked:
		a.op("VMOVUPS", src, address)
	case a.wide():
		a.op("VMOVUPS", src, "K1", address)
	default:
		a.op("VMASKMOVPS", src, mask, address)
	}
}

// keepLanes zeroes the lanes of r outside the mask.
func (a *assembly) keepLanes(r int, masked bool) {
	switch {
	case !masked:
	case a.wide():
		a.op("VMOVAPS.Z", r, "K1", r)
	default:
		a.op("VANDPS", mask, r, r)
	}
}

func (a *assembly) zero(r int) { a.op("VXORPS", y(r), y(r), y(r)) }

// reduce folds all lanes of r with op (VADDPS or VMAXPS) and puts the result into every lane; t is lost. r and t are below 16.
func (a *assembly) reduce(op string, r, t int) {
	if a.wide() {
		a.op("VEXTRACTF64X4", "$1", r, y(t))
		a.op(op, y(t), y(r), y(r))
	}
	a.op("VEXTRACTF128", "$1", y(r), x(t))
	a.op(op, x(t), x(r), x(r))
	a.op("VPERMILPS", "$0x4E", x(r), x(t))
	a.op(op, x(t), x(r), x(r))
	a.op("VPERMILPS", "$0xB1", x(r), x(t))
	a.op(op, x(t), x(r), x(r))
	a.op("VBROADCASTSS", x(r), r)
}

// file is the finished assembly.
func (a *assembly) file() []byte {
	var out bytes.Buffer
	out.WriteString("// Code generated by asmgen. DO NOT EDIT.\n\n#include \"textflag.h\"\n")
	for _, c := range a.constants {
		for i := range 8 {
			fmt.Fprintf(&out, "DATA %s+%d(SB)/8, $0x%08x%08x\n", c.name, 8*i, c.bits, c.bits)
		}
		fmt.Fprintf(&out, "GLOBL %s(SB), RODATA|NOPTR, $64\n", c.name)
	}
	if !a.wide() { // sixteen lanes that count, then sixteen that do not
		for i := range 16 {
			bits := uint64(math.MaxUint64)
			if i >= 8 {
				bits = 0
			}
			fmt.Fprintf(&out, "DATA lanes<>+%d(SB)/8, $0x%016x\n", 8*i, bits)
		}
		out.WriteString("GLOBL lanes<>(SB), RODATA|NOPTR, $128\n")
	}
	if a.wide() && !a.native {
		for i := range 8 {
			fmt.Fprintf(&out, "DATA countUp<>+%d(SB)/8, $%d\n", 8*i, i)
		}
		out.WriteString("GLOBL countUp<>(SB), RODATA|NOPTR, $64\n")
	}
	if a.native {
		for i := range 8 { // words 0, 16, 1, 17, …: two rows' halves into pairs
			low := uint64(2*i) | uint64(2*i+16)<<16
			fmt.Fprintf(&out, "DATA interleave<>+%d(SB)/8, $0x%016x\n", 8*i, low|(low+0x10001)<<32)
		}
		out.WriteString("GLOBL interleave<>(SB), RODATA|NOPTR, $64\n")
		// Palette 1; eight tiles of 64 bytes a row and 16 rows.
		for i, v := range []uint64{1, 0, 0x0040004000400040, 0x0040004000400040, 0, 0, 0x1010101010101010, 0} {
			fmt.Fprintf(&out, "DATA tiles<>+%d(SB)/8, $0x%016x\n", 8*i, v)
		}
		out.WriteString("GLOBL tiles<>(SB), RODATA|NOPTR, $64\n")
	}
	out.Write(a.text.Bytes())
	return out.Bytes()
}
