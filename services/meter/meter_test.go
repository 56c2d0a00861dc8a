package meter_test

import (
	"bytes"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"millrace/services/meter"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a time that a test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func open(t testing.TB, cfg meter.Config) *meter.Meter {
	t.Helper()
	m := meter.New(cfg)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

func TestSample(t *testing.T) {
	c := &clock{t: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	m := open(t, meter.Config{Dir: t.TempDir(), Now: c.now})

	first, err := m.Sample(t.Context())
	require.NoError(t, err)
	require.True(t, math.IsNaN(float64(first.CPUPercent)), "there is nothing yet to compare with")
	require.Equal(t, c.now().UnixMicro(), first.At)

	block := bytes.Repeat([]byte{1}, 64<<20)
	c.add(time.Second)
	second, err := m.Sample(t.Context())
	require.NoError(t, err)
	require.GreaterOrEqual(t, second.RSS, int64(len(block)), "64 MiB are in use")
	runtime.KeepAlive(block)
	require.Greater(t, second.MemoryTotal, second.MemoryUsed)
	require.Positive(t, second.MemoryUsed)
	require.Positive(t, second.DiskFree)
	require.GreaterOrEqual(t, second.NetReceived, first.NetReceived)
	require.False(t, math.IsNaN(float64(second.CPUPercent)))
	require.False(t, math.IsNaN(float64(second.MachinePercent)))
	require.LessOrEqual(t, float64(second.MachinePercent), 100.0)

	// Two workers that share a meter and ask at nearly the same time.
	c.add(10 * time.Millisecond)
	third, err := m.Sample(t.Context())
	require.NoError(t, err)
	require.Equal(t, second.CPUPercent, third.CPUPercent)
	require.Equal(t, second.MachinePercent, third.MachinePercent)
}

func TestAnotherProcess(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip("no sleep on this machine")
	}
	cmd := exec.Command(sleep, "1000")
	require.NoError(t, cmd.Start())
	m := open(t, meter.Config{PID: cmd.Process.Pid})
	own := open(t, meter.Config{})
	u, err := m.Sample(t.Context())
	require.NoError(t, err)
	mine, err := own.Sample(t.Context())
	require.NoError(t, err)
	require.Positive(t, u.RSS)
	require.Less(t, u.RSS, mine.RSS, "sleep is smaller than this test")

	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	_, err = m.Sample(t.Context())
	require.ErrorContains(t, err, "process")
}

func TestMissingDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "missing")
	_, err := open(t, meter.Config{Dir: dir}).Sample(t.Context())
	require.ErrorContains(t, err, dir)
}

func TestClosed(t *testing.T) {
	m := meter.New(meter.Config{})
	require.NoError(t, m.Close())
	require.NoError(t, m.Close())
	_, err := m.Sample(t.Context())
	require.ErrorContains(t, err, "closed")
}

// TestNoDriver: a machine without GPUs is told of once, and measured otherwise.
func TestNoDriver(t *testing.T) {
	var log bytes.Buffer
	m := open(t, meter.Config{NVML: filepath.Join(t.TempDir(), "libnone.so"), Powercap: t.TempDir(), Log: slog.New(slog.NewTextHandler(&log, nil))})
	for range 3 {
		u, err := m.Sample(t.Context())
		require.NoError(t, err)
		require.Empty(t, u.GPUs)
		require.Nil(t, u.Joules)
	}
	require.Equal(t, 1, strings.Count(log.String(), "GPUs are not measured"), log.String())
	require.Equal(t, 1, strings.Count(log.String(), "energy is not measured"), log.String())
	require.NotContains(t, log.String(), "WARN", "that is no fault")
}

// TestNotALibrary: a file that is something else.
func TestNotALibrary(t *testing.T) {
	path := filepath.Join(t.TempDir(), "libnvidia-ml.so.1")
	require.NoError(t, os.WriteFile(path, []byte("not ELF"), 0o600))
	u, err := open(t, meter.Config{NVML: path}).Sample(t.Context())
	require.NoError(t, err)
	require.Empty(t, u.GPUs)
}

func TestConcurrent(t *testing.T) {
	m := open(t, meter.Config{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				if _, err := m.Sample(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// writeRAPL writes a powercap directory as Linux has it.
func writeRAPL(t testing.TB, dir string, zone, name, energy, top string) {
	t.Helper()
	d := filepath.Join(dir, zone)
	require.NoError(t, os.MkdirAll(d, 0o700))
	for file, text := range map[string]string{"name": name, "energy_uj": energy, "max_energy_range_uj": top} {
		require.NoError(t, os.WriteFile(filepath.Join(d, file), []byte(text+"\n"), 0o600))
	}
}

func TestProcessorEnergy(t *testing.T) {
	dir := t.TempDir()
	set := func(first, second string) {
		writeRAPL(t, dir, "intel-rapl:0", "package-0", first, "999999")
		writeRAPL(t, dir, "intel-rapl:1", "package-1", second, "262143328850")
		writeRAPL(t, dir, "intel-rapl:0:0", "core", "5", "999999")
		writeRAPL(t, dir, "intel-rapl:2", "psys", "7", "999999")
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "intel-rapl"), 0o700))
	}
	set("900000", "1000000")
	m := open(t, meter.Config{Powercap: dir, NVML: "none"})
	joules := func() float64 {
		t.Helper()
		u, err := m.Sample(t.Context())
		require.NoError(t, err)
		require.NotNil(t, u.Joules)
		return float64(*u.Joules)
	}
	require.Zero(t, joules(), "counted since the meter began")
	set("950000", "3000000")
	require.InDelta(t, 0.05+2, joules(), 1e-9)
	set("100000", "3000000") // the first counter went from 999999 to 0
	require.InDelta(t, 0.05+2+0.15, joules(), 1e-9)

	// A counter that breaks: no energy from then on, and the rest goes on.
	set("100000", "broken")
	u, err := m.Sample(t.Context())
	require.NoError(t, err)
	require.Nil(t, u.Joules)
	require.Positive(t, u.RSS)
}

func BenchmarkSample(b *testing.B) {
	m := open(b, meter.Config{})
	for b.Loop() {
		_, err := m.Sample(b.Context())
		require.NoError(b, err)
	}
}
