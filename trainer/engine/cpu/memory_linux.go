package cpu

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// preferHugePages advises the kernel before the memory is touched. A kernel without huge pages refuses, which is fine.
func preferHugePages(s []float32) {
	const page = 2 << 20
	start := uintptr(unsafe.Pointer(unsafe.SliceData(s)))
	skip := (page - start%page) % page
	size := (uintptr(len(s))*4 - skip) / page * page
	whole := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*4)
	_ = unix.Madvise(whole[skip:skip+size], unix.MADV_HUGEPAGE)
}
