package meter

import (
	"encoding/binary"
	"math"
	"testing"
	"time"
	"unsafe"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/stretchr/testify/require"
)

// TestLayout compares the structs with nvml.h's: what C puts where.
func TestLayout(t *testing.T) {
	require.Equal(t, uintptr(8), unsafe.Sizeof(nvmlUtilization{}))
	require.Equal(t, uintptr(4), unsafe.Offsetof(nvmlUtilization{}.memory))
	require.Equal(t, uintptr(24), unsafe.Sizeof(nvmlMemory{}))
	require.Equal(t, uintptr(8), unsafe.Offsetof(nvmlMemory{}.free))
	require.Equal(t, uintptr(16), unsafe.Offsetof(nvmlMemory{}.used))

	// An H200 with 10 GiB in use, as the driver writes it.
	raw := make([]byte, 24)
	binary.NativeEndian.PutUint64(raw[0:], 150754820096)
	binary.NativeEndian.PutUint64(raw[8:], 140017401856)
	binary.NativeEndian.PutUint64(raw[16:], 10737418240)
	require.Equal(t, nvmlMemory{total: 150754820096, free: 140017401856, used: 10 << 30}, *(*nvmlMemory)(unsafe.Pointer(&raw[0])))
}

func TestClockReasons(t *testing.T) {
	require.Empty(t, clockReasons(0))
	require.Empty(t, clockReasons(1), "an idle GPU is not throttled")
	require.Equal(t, []string{"power"}, clockReasons(0x4))
	require.Equal(t, []string{"power", "thermal", "hardware_thermal"}, clockReasons(0x4|0x20|0x40|0x1))
	require.Equal(t, []string{"display", "bit_9", "bit_63"}, clockReasons(0x100|0x200|1<<63))
}

func TestReturnCodes(t *testing.T) {
	require.NoError(t, nvmlSuccess.err())
	require.EqualError(t, nvmlReturn(15).err(), "NVML error 15: the GPU is lost: it fell off the bus")
	require.EqualError(t, nvmlReturn(999).err(), "NVML error 999")
}

func TestRates(t *testing.T) {
	at := time.Unix(1000, 0)
	before := counters{at: at, process: 10, busy: 100, total: 1000}
	r := counters{at: at.Add(2 * time.Second), process: 13, busy: 103, total: 1004}.rates(before)
	require.InDelta(t, 150, float64(r.process), 1e-9, "3 s of work in 2 s: one core and a half")
	require.InDelta(t, 75, float64(r.machine), 1e-9)
	// Counters that stand still or go back, as they do when a machine moves.
	r = counters{at: at.Add(time.Second), process: 9, busy: 90, total: 1000}.rates(before)
	require.Zero(t, float64(r.process))
	require.True(t, math.IsNaN(float64(r.machine)))
}

func TestBusy(t *testing.T) {
	times := cpu.TimesStat{User: 10, System: 5, Nice: 1, Irq: 1, Softirq: 1, Steal: 2, Idle: 70, Iowait: 10, Guest: 4, GuestNice: 1}
	work, total := busy(times, "linux")
	require.InDelta(t, 20, work, 1e-9, "User has the guests already")
	require.InDelta(t, 100, total, 1e-9)
	work, _ = busy(times, "freebsd")
	require.InDelta(t, 25, work, 1e-9)
}
