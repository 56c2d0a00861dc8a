package main

import "fmt"

// Go's assembler does not know AMX, nor AVX-512's conversion to bfloat16: they are written as bytes.

// number is a general register's place in the encoding.
var number = map[string]int{
	"AX": 0, "CX": 1, "DX": 2, "BX": 3, "SI": 6, "DI": 7, "R8": 8, "R9": 9, "R10": 10, "R11": 11, "R12": 12, "R13": 13, "R15": 15,
}

// prefixes of VEX and EVEX.
const (
	none = 0
	pF3  = 2
	pF2  = 3
)

func (a *assembly) bytes(comment string, code ...int) {
	text := ""
	for i, b := range code {
		if i > 0 {
			text += "; "
		}
		text += fmt.Sprintf("BYTE $0x%02X", b&0xff)
	}
	fmt.Fprintf(&a.text, "\t%s // %s\n", text, comment)
}

func bit(set bool) int {
	if set {
		return 1
	}
	return 0
}

// vex38 is the three-byte VEX prefix of map 0F38, 128 bits, W0; r, x and b are the registers' high bits.
func vex38(prefix, r, x, b, v int) []int {
	return []int{0xC4, (1-r)<<7 | (1-x)<<6 | (1-b)<<5 | 2, (15-v)<<3 | prefix}
}

// tileMemory is TILELOADD or TILESTORED: base + row·index + offset.
func (a *assembly) tileMemory(name string, prefix, tile int, base, index string, offset int) {
	b, x := number[base], number[index]
	code := append(vex38(prefix, 0, x>>3, b>>3, 0), 0x4B, 0x80|tile<<3|4, (x&7)<<3|b&7)
	code = append(code, offset, offset>>8, offset>>16, offset>>24)
	a.bytes(fmt.Sprintf("%s %d(%s)(%s*1), TMM%d", name, offset, base, index, tile), code...)
}

func (a *assembly) tileLoad(tile int, base, index string, offset int) {
	a.tileMemory("TILELOADD", pF2, tile, base, index, offset)
}

func (a *assembly) tileStore(tile int, base, index string, offset int) {
	a.tileMemory("TILESTORED", pF3, tile, base, index, offset)
}

func (a *assembly) tileZero(tile int) {
	a.bytes(fmt.Sprintf("TILEZERO TMM%d", tile), append(vex38(pF2, 0, 0, 0, 0), 0x49, 0xC0|tile<<3)...)
}

// tileProduct adds the product of tiles x (rows of words) and y (words by columns) to tile sum.
func (a *assembly) tileProduct(sum, x, y int) {
	a.bytes(fmt.Sprintf("TDPBF16PS TMM%d, TMM%d, TMM%d", y, x, sum), append(vex38(pF3, 0, 0, 0, y), 0x5C, 0xC0|sum<<3|x)...)
}

// tileConfig reads the tiles' shapes from the address in a register below R8, but not SP or BP.
func (a *assembly) tileConfig(base string) {
	a.bytes("LDTILECFG ("+base+")", append(vex38(none, 0, 0, 0, 0), 0x49, number[base])...)
}

func (a *assembly) tileRelease() {
	a.bytes("TILERELEASE", append(vex38(none, 0, 0, 0, 0), 0x49, 0xC0)...)
}

// cvtne2ps2bf16 rounds register low into the low half of dst and high into the high half.
func (a *assembly) cvtne2ps2bf16(high, low, dst int) {
	a.bytes(fmt.Sprintf("VCVTNE2PS2BF16 Z%d, Z%d, Z%d", low, high, dst),
		0x62,
		bit(dst&8 == 0)<<7|bit(low&16 == 0)<<6|bit(low&8 == 0)<<5|bit(dst&16 == 0)<<4|2,
		(15-high&15)<<3|4|pF2,
		2<<5|bit(high&16 == 0)<<3,
		0x72, 0xC0|(dst&7)<<3|low&7)
}

// amxTiles keeps 32×32 of C in four tiles. The processor's own order is the one that bfTiles spells out. All tile instructions
// lie between LDTILECFG and TILERELEASE of one call, since a goroutine may go on elsewhere after it.
func (a *assembly) amxTiles() {
	a.begin("bfTiles", bfTilesDoc, bfTilesParams(), nil)
	a.base("c", "DI")
	a.base("a", "SI")
	a.argument("cRow", "R8", true)
	a.argument("panels", "R13", false)
	a.op("TESTQ", "R13", "R13")
	a.op("JEQ", "done")
	a.op("MOVQ", "R8", "R9")
	a.op("SHLQ", "$4", "R9") // sixteen rows of C
	a.argument("strip", "R10", false)
	a.op("SHLQ", "$10", "R10")
	a.op("MOVQ", "$64", "R11")
	a.op("MOVQ", "$128", "R12")
	a.op("LEAQ", "tiles<>+0(SB)", "AX")
	a.tileConfig("AX")
	a.label("panel")
	a.op("LEAQ", "(DI)(R9*1)", "R15") // the lower half of C
	a.argument("start", "AX", false)
	a.op("CMPQ", "AX", "$1")
	a.op("JEQ", "load")
	a.op("CMPQ", "AX", "$2")
	a.op("JEQ", "bias")
	for tile := range 4 {
		a.tileZero(tile)
	}
	a.op("JMP", "begun")
	a.label("bias") // one row for all
	a.base("bias", "AX")
	a.op("XORQ", "BX", "BX")
	for tile := range 4 {
		a.tileLoad(tile, "AX", "BX", tile%2*64)
	}
	a.op("JMP", "begun")
	a.label("load")
	for tile := range 4 {
		a.tileLoad(tile, []string{"DI", "R15"}[tile/2], "R8", tile%2*64)
	}
	a.label("begun")
	a.op("MOVQ", "SI", "AX") // a panel of A
	a.op("LEAQ", "(SI)(R10*1)", "BX")
	a.base("b", "DX")
	a.argument("depth", "CX", false)
	a.label("tile")
	a.tileLoad(4, "SI", "R11", 0)
	a.tileLoad(6, "DX", "R12", 0)
	a.tileLoad(7, "DX", "R12", 64)
	a.tileLoad(5, "BX", "R11", 0)
	a.tileProduct(0, 4, 6)
	a.tileProduct(1, 4, 7)
	a.tileProduct(2, 5, 6)
	a.tileProduct(3, 5, 7)
	a.op("ADDQ", "$1024", "SI")
	a.op("ADDQ", "$1024", "BX")
	a.op("ADDQ", "$2048", "DX")
	a.op("DECQ", "CX")
	a.op("JNE", "tile")
	for tile := range 4 {
		a.tileStore(tile, []string{"DI", "R15"}[tile/2], "R8", tile%2*64)
	}
	a.op("LEAQ", "(AX)(R10*2)", "SI")
	a.op("LEAQ", "(R15)(R9*1)", "DI")
	a.op("DECQ", "R13")
	a.op("JNE", "panel")
	a.tileRelease()
	a.label("done")
	a.end()
}
