package auto_test

import (
	"fmt"

	"millrace/trainer/engine/auto"
)

// A linear layer on whatever this machine has.
func ExampleOpen() {
	kernels, err := auto.Open("auto", 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	x, w, bias, y := kernels.Alloc(2), kernels.Alloc(2*3), kernels.Alloc(3), kernels.Alloc(3)
	kernels.Upload(x, []float32{1, 2})
	kernels.Upload(w, []float32{1, 0, 1, 0, 1, 1})
	kernels.Upload(bias, []float32{10, 20, 30})
	kernels.Linear(y, x, w, bias, 1, 2, 3, false)

	host := make([]float32, 3)
	kernels.Download(host, y)
	fmt.Println(host)
	// Output: [11 22 33]
}
