package main

import (
	"fmt"
	"math"
)

// Columns of attention's scores: two vectors side by side, a panel of queries, whose rows are keys. A column's sum runs down its rows, and no
// two lanes ever meet.

// seeing compares the row's number with how many rows each lane of a vector sees; count holds the number in every lane.
func (a *assembly) seeing(count, seen, mask int) {
	if a.wide() {
		a.op("VCMPPS", "$1", seen, count, "K2")
		return
	}
	a.op("VCMPPS", "$1", seen, count, mask)
}

// keepSeen zeroes the lanes of r that do not see the row.
func (a *assembly) keepSeen(r, mask int) {
	if a.wide() {
		a.op("VMOVAPS.Z", r, "K2", r)
		return
	}
	a.op("VANDPS", mask, r, r)
}

// down runs body over the rows of both vectors: at says where a vector of the row in pointer is.
func (a *assembly) down(pointers []string, body func(at func(pointer string, vector int) string)) {
	loop := a.unique("row")
	a.op("MOVQ", a.arg("rows"), "CX")
	a.label(loop)
	body(func(pointer string, vector int) string { return fmt.Sprintf("%d(%s)", 4*a.width*vector, pointer) })
	for _, p := range pointers {
		a.op("ADDQ", "R8", p)
	}
	a.op("DECQ", "CX")
	a.op("JNE", loop)
}

func (a *assembly) softmaxColumns() {
	a.begin("softmaxColumns", "replaces the first seen rows of every column of a panel of scores, rows of which lie row apart, by softmax(scale·column),\n"+
		"// and the others by zeros; best gets the largest of each and sum Σe^(scale·(column-best)). rows is at least 1, and so is what a column sees.",
		append(append(slices("s"), ints("row", "rows")...), append([]param{{"scale", "float32"}}, slices("seen", "best", "sum")...)...), nil)
	const best, sum, rate, value, mask, count, seen = 0, 2, 4, 5, 9, 10, 11
	a.base("s", "DI")
	a.base("seen", "AX")
	a.argument("row", "R8", true)
	for v := range 2 {
		a.op("VMOVUPS", fmt.Sprintf("%d(AX)", 4*a.width*v), seen+v)
		a.op("VMOVUPS", a.constant("lowest", float32(math.Inf(-1))), best+v)
		a.zero(sum + v)
	}
	a.zero(count)
	a.op("MOVQ", "DI", "SI")
	a.down([]string{"SI"}, func(at func(string, int) string) {
		for v := range 2 {
			a.seeing(count, seen+v, mask)
			if a.wide() {
				a.op("VMAXPS", at("SI", v), best+v, "K2", best+v)
				continue
			}
			a.op("VMAXPS", at("SI", v), best+v, value)
			a.op("VBLENDVPS", mask, value, best+v, best+v)
		}
		a.op("VADDPS", a.constant("one", 1), count, count)
	})
	a.op("VBROADCASTSS", a.arg("scale"), rate)
	a.zero(count)
	a.op("MOVQ", "DI", "SI")
	a.down([]string{"SI"}, func(at func(string, int) string) {
		for v := range 2 {
			a.op("VMOVUPS", at("SI", v), value)
			a.op("VSUBPS", best+v, value, value)
			a.op("VMULPS", rate, value, value)
			a.exp(value, value+1, value+2, value+3)
			a.seeing(count, seen+v, mask)
			a.keepSeen(value, mask)
			a.op("VMOVUPS", value, at("SI", v))
			a.op("VADDPS", value, sum+v, sum+v)
		}
		a.op("VADDPS", a.constant("one", 1), count, count)
	})
	a.base("best", "AX")
	a.base("sum", "BX")
	for v := range 2 {
		a.op("VMOVUPS", best+v, fmt.Sprintf("%d(AX)", 4*a.width*v))
		a.op("VMOVUPS", sum+v, fmt.Sprintf("%d(BX)", 4*a.width*v))
		a.op("VMOVUPS", a.constant("one", 1), value)
		a.op("VDIVPS", sum+v, value, sum+v)
	}
	a.down([]string{"DI"}, func(at func(string, int) string) {
		for v := range 2 {
			a.op("VMULPS", at("DI", v), sum+v, value+v)
			a.op("VMOVUPS", value+v, at("DI", v))
		}
	})
	a.end()
}

func (a *assembly) softmaxColumnsBackward() {
	a.begin("softmaxColumnsBackward", "replaces the first seen rows of every column of a panel of scores s by p = e^(rate·s - lse), its probabilities, and those of\n"+
		"// their gradients d by that of what the scores were before scale: p·(d - Σp·d)·scale; the others by zeros. rows is at least 1.",
		append(append(slices("s", "d"), ints("row", "rows")...), append([]param{{"rate", "float32"}, {"scale", "float32"}}, slices("seen", "lse")...)...), nil)
	const lse, inner, rate, value, mask, count, seen = 0, 2, 4, 5, 9, 10, 11
	a.base("s", "DI")
	a.base("d", "DX")
	a.base("lse", "AX")
	a.base("seen", "BX")
	a.argument("row", "R8", true)
	a.op("VBROADCASTSS", a.arg("rate"), rate)
	for v := range 2 {
		a.op("VMOVUPS", fmt.Sprintf("%d(AX)", 4*a.width*v), lse+v)
		a.op("VMOVUPS", fmt.Sprintf("%d(BX)", 4*a.width*v), seen+v)
		a.zero(inner + v)
	}
	a.zero(count)
	a.op("MOVQ", "DI", "SI")
	a.op("MOVQ", "DX", "BX")
	a.down([]string{"SI", "BX"}, func(at func(string, int) string) {
		for v := range 2 {
			a.op("VMOVUPS", at("SI", v), value)
			a.op("VFMSUB213PS", lse+v, rate, value)
			a.exp(value, value+1, value+2, value+3)
			a.seeing(count, seen+v, mask)
			a.keepSeen(value, mask)
			a.op("VMOVUPS", value, at("SI", v))
			a.op("VMOVUPS", at("BX", v), value+1)
			a.keepSeen(value+1, mask)
			a.op("VFMADD231PS", value+1, value, inner+v)
		}
		a.op("VADDPS", a.constant("one", 1), count, count)
	})
	a.op("VBROADCASTSS", a.arg("scale"), rate)
	a.zero(count)
	a.down([]string{"DI", "DX"}, func(at func(string, int) string) {
		for v := range 2 {
			a.op("VMOVUPS", at("DX", v), value+v)
			a.op("VSUBPS", inner+v, value+v, value+v)
			a.op("VMULPS", rate, value+v, value+v)
			a.op("VMULPS", at("DI", v), value+v, value+v)
			a.seeing(count, seen+v, mask)
			a.keepSeen(value+v, mask)
			a.op("VMOVUPS", value+v, at("DX", v))
		}
		a.op("VADDPS", a.constant("one", 1), count, count)
	})
	a.end()
}
