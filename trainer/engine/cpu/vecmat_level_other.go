//go:build !amd64

package cpu

func vecmatsOf(string) vecmats { return goVecmats() }
