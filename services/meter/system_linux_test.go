package meter_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"millrace/services/meter"
)

// processorTime is getrusage(2)'s account of this process.
func processorTime(t testing.TB) time.Duration {
	t.Helper()
	var r syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &r))
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// TestProcessorTime compares with getrusage, over half a second of work. The
// clock is the test's: one second passes, however long the work takes.
func TestProcessorTime(t *testing.T) {
	c := &clock{t: time.Unix(1e9, 0)}
	outer := processorTime(t)
	m := open(t, meter.Config{Now: c.now, NVML: "none"})
	inner := processorTime(t)
	for x := 1.0; processorTime(t)-inner < 500*time.Millisecond; x++ {
		for range 100_000 {
			x = 1 / x
		}
	}
	least := processorTime(t) - inner
	c.add(time.Second)
	u, err := m.Sample(t.Context())
	require.NoError(t, err)
	most := processorTime(t) - outer
	const tick = 2 * 10 * time.Millisecond // /proc counts in hundredths, user and system apart
	require.GreaterOrEqual(t, float64(u.CPUPercent), 100*(least-2*tick).Seconds())
	require.LessOrEqual(t, float64(u.CPUPercent), 100*(most+2*tick).Seconds())
}

func TestDiskTraffic(t *testing.T) {
	dir := t.TempDir()
	var fs syscall.Statfs_t
	require.NoError(t, syscall.Statfs(dir, &fs))
	const tmpfs, overlay = 0x01021994, 0x794c7630
	if fs.Type == tmpfs || fs.Type == overlay {
		t.Skip("the temporary directory is not on a disk of its own")
	}
	m := open(t, meter.Config{Dir: dir, NVML: "none"})
	before, err := m.Sample(t.Context())
	require.NoError(t, err)
	f, err := os.Create(filepath.Join(dir, "file"))
	require.NoError(t, err)
	_, err = f.Write(make([]byte, 4<<20))
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
	after, err := m.Sample(t.Context())
	require.NoError(t, err)
	require.GreaterOrEqual(t, after.DiskWritten-before.DiskWritten, int64(4<<20))
}
