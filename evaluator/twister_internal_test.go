package evaluator

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What Python 3.11 prints for random.Random(seed).sample(range(n), k).
func TestSampleIsPythons(t *testing.T) {
	for _, c := range []struct {
		seed uint32
		n    int
		want [][]int
	}{
		{1234, 1119, [][]int{{902, 239, 15, 185, 71, 171, 201, 726, 484, 35, 63, 32, 708, 991, 949, 304, 186, 374, 234, 29, 1030, 996, 511, 132, 1108}, {954, 140, 182, 1054, 94, 552, 129, 619, 985, 727, 545, 510, 409, 928, 1085, 39, 1040, 144, 11, 683, 294, 968, 772, 342, 110}}},
		{1234, 39905, [][]int{{28883, 7657, 490, 5940, 38156, 2288, 5500, 6450, 23241, 15519, 1142}, {2019, 1038, 22681, 31735, 30379, 9735, 5982, 11999, 7498, 958, 32970}}},
		{1234, 10, [][]int{{7, 1, 0, 9, 4, 6}, {1, 9, 5, 8, 0, 7}, {0, 5, 7, 4, 3}}},
		{0, 21, [][]int{{12, 13, 1, 8, 16}}},
		{4294967295, 22, [][]int{{20, 19, 6, 16, 9}, {19, 10, 12}}},
	} {
		r := newTwister(c.seed)
		for _, want := range c.want {
			require.Equal(t, want, r.sample(c.n, len(want)))
		}
	}
}
