package main

import "fmt"

// coefficients puts the values behind the pointer of that name into registers 6, 7, … .
func (a *assembly) coefficients(n int) {
	a.op("MOVQ", a.arg("coefficients"), "AX")
	for i := range n {
		a.op("VBROADCASTSS", fmt.Sprintf("%d(AX)", 4*i), 6+i)
	}
}

// lion takes its coefficients in the order of the names below.
func (a *assembly) lion() {
	a.begin("lion", "is one step of engine.Kernels.Lion with the coefficients that lionCoefficients makes.",
		append(slices("p", "m", "g"), param{"coefficients", "*[7]float32"}), nil)
	const beta1, rest1, beta2, rest2, gradScale, rate, decay = 6, 7, 8, 9, 10, 11, 12
	a.base("p", "DI")
	a.base("m", "SI")
	a.base("g", "BX")
	a.length("p", "CX")
	a.coefficients(7)
	a.each([]string{"DI", "SI", "BX"}, func(masked bool) {
		a.load("(BX)", 0, masked)
		a.load("(SI)", 1, masked)
		a.load("(DI)", 2, masked)
		a.op("VMULPS", gradScale, 0, 0)
		a.op("VMULPS", beta1, 1, 3)
		a.op("VFMADD231PS", rest1, 0, 3)
		a.signOf(3, 4, 5)
		a.op("VMULPS", beta2, 1, 1)
		a.op("VFMADD231PS", rest2, 0, 1)
		a.store(1, "(SI)", masked)
		a.op("VMULPS", rate, 4, 4)
		a.op("VFMADD231PS", decay, 2, 4)
		a.op("VSUBPS", 4, 2, 2)
		a.store(2, "(DI)", masked)
	})
	a.end()
}

// sgd takes its coefficients in the order of the names below.
func (a *assembly) sgd() {
	a.begin("sgd", "is one step of engine.Kernels.SGD with momentum and the coefficients that sgdCoefficients makes.",
		append(slices("p", "m", "g"), param{"coefficients", "*[6]float32"}), nil)
	const gradScale, decay, momentum, rate, ofGrad, ofMomentum = 6, 7, 8, 9, 10, 11
	a.base("p", "DI")
	a.base("m", "SI")
	a.base("g", "BX")
	a.length("p", "CX")
	a.coefficients(6)
	a.each([]string{"DI", "SI", "BX"}, func(masked bool) {
		a.load("(BX)", 0, masked)
		a.load("(SI)", 1, masked)
		a.load("(DI)", 2, masked)
		a.op("VMULPS", gradScale, 0, 0)
		a.op("VFMADD231PS", decay, 2, 0)
		a.op("VFMADD213PS", 0, momentum, 1)
		a.store(1, "(SI)", masked)
		a.op("VMULPS", ofGrad, 0, 0)
		a.op("VFMADD231PS", ofMomentum, 1, 0)
		a.op("VFNMADD231PS", rate, 0, 2)
		a.store(2, "(DI)", masked)
	})
	a.end()
}
