package cpu

import (
	"sync"

	"golang.org/x/sys/cpu"
	"golang.org/x/sys/unix"
)

// hasAMX reports whether the processor multiplies tiles of bfloat16 and the system lets this process use them: Linux wants to
// be asked once, for tiles make every thread's saved state eight kilobytes larger.
var hasAMX = sync.OnceValue(func() bool {
	const (
		requestPermission = 0x1023 // ARCH_REQ_XCOMP_PERM
		tileData          = 18     // XFEATURE_XTILE_DATA
	)
	if !hasAVX512() || !cpu.X86.HasAVX512BF16 || !cpu.X86.HasAMXTile || !cpu.X86.HasAMXBF16 {
		return false
	}
	_, _, refused := unix.RawSyscall(unix.SYS_ARCH_PRCTL, requestPermission, tileData, 0)
	return refused == 0
})
