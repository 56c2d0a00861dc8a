package cpu

// vecmatsOf are the kernels of a level, by its name.
func vecmatsOf(level string) vecmats {
	switch level {
	case "avx512":
		return vecmats{rows: 4, vecmat: vecmatAvx512, stream: streamAvx512, dot: dotAvx512, dotBF16: dotBF16Avx512, dotQ8: dotQ8Avx512}
	case "avx2":
		return vecmats{rows: 2, vecmat: vecmatAvx2, stream: streamAvx2, dot: dotAvx2, dotBF16: dotBF16Avx2, dotQ8: dotQ8Avx2}
	}
	return goVecmats()
}
