//go:build (amd64 || arm64) && !static

package meter_test

import (
	"bytes"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"millrace/event"
	"millrace/services/meter"
)

// fakeNVML is a library that answers as a machine with three GPUs: one that
// tells everything, one that belongs to somebody else, and one that is split
// (MIG), whose power cannot be read and whose sensor says it is lost. Its
// declarations are those of NVIDIA's nvml.h.
const fakeNVML = `
typedef unsigned int nvmlReturn_t;
typedef struct nvmlDevice_st { int index; } *nvmlDevice_t;
typedef struct { unsigned int gpu, memory; } nvmlUtilization_t;
typedef struct { unsigned long long total, free, used; } nvmlMemory_t;

static struct nvmlDevice_st devices[3] = {{0}, {1}, {2}};
static int users = 0;

#ifndef INIT
#define INIT 0
#endif
nvmlReturn_t nvmlInit_v2(void) { if (INIT == 0) users++; return INIT; }
nvmlReturn_t nvmlShutdown(void) { return users-- > 0 ? 0 : 1; }
nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *n) { if (!users) return 1; *n = 3; return 0; }
nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int i, nvmlDevice_t *d) {
	if (i > 2) return 2;
	if (i == 1) return 4;
	*d = &devices[i];
	return 0;
}
nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t d, char *name, unsigned int length) {
	const char *s = d->index == 0 ? "NVIDIA H200" : "NVIDIA A100-SXM4-80GB";
	if (length < 96) return 7;
	unsigned int i = 0;
	for (; s[i]; i++) name[i] = s[i];
	name[i] = 0;
	name[i+1] = 'x';
	return 0;
}
nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t d, nvmlUtilization_t *u) {
	if (d->index == 2) return 3;
	u->gpu = 97; u->memory = 41;
	return 0;
}
#ifndef NO_MEMORY
nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t d, nvmlMemory_t *m) {
	m->total = 150754820096ULL + d->index; m->free = 140017401856ULL; m->used = 10737418240ULL;
	return 0;
}
#endif
#ifndef OLD
nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t d, unsigned int *mw) {
	if (d->index == 2) return 3;
	*mw = 698250;
	return 0;
}
nvmlReturn_t nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t d, unsigned long long *mj) {
	*mj = 98765432101234ULL;
	return 0;
}
nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t d, unsigned int sensor, unsigned int *c) {
	if (d->index == 2) return 15;
	if (sensor != 0) return 2;
	*c = 63;
	return 0;
}
typedef struct { unsigned int pid; unsigned long long usedGpuMemory; unsigned int gpuInstanceId, computeInstanceId; } nvmlProcessInfo_t;
int getpid(void);
nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t d, unsigned int *n, nvmlProcessInfo_t *infos) {
	if (d->index == 2) return 7;
	if (*n < 2) return 7;
	infos[0].pid = getpid(); infos[0].usedGpuMemory = 3ULL << 30; infos[0].gpuInstanceId = infos[0].computeInstanceId = 0xffffffff;
	infos[1].pid = 7; infos[1].usedGpuMemory = ~0ULL; infos[1].gpuInstanceId = infos[1].computeInstanceId = 0xffffffff;
	*n = 2;
	return 0;
}
#ifdef BEFORE_12
nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t d, unsigned long long *bits) { *bits = 0x40; return 0; }
#else
nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t d, unsigned long long *bits) { return 26; }
nvmlReturn_t nvmlDeviceGetCurrentClocksEventReasons(nvmlDevice_t d, unsigned long long *bits) { *bits = d->index == 0 ? 0x4 | 0x20 : 1; return 0; }
#endif
#endif
`

// build compiles the library with the given definitions.
func build(t *testing.T, defines ...string) string {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler on this machine")
	}
	dir := t.TempDir()
	source, library := filepath.Join(dir, "nvml.c"), filepath.Join(dir, "libnvidia-ml.so.1")
	require.NoError(t, os.WriteFile(source, []byte(fakeNVML), 0o600))
	args := []string{"-shared", "-fPIC", "-Wall", "-Werror", "-o", library}
	for _, d := range defines {
		args = append(args, "-D"+d)
	}
	out, err := exec.Command(cc, append(args, source)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return library
}

func num(f float64) *event.Number {
	n := event.Number(f)
	return &n
}

func TestGPUs(t *testing.T) {
	var log bytes.Buffer
	library := build(t)
	m := meter.New(meter.Config{NVML: library, Log: slog.New(slog.NewTextHandler(&log, nil))})
	for range 3 {
		u, err := m.Sample(t.Context())
		require.NoError(t, err)
		require.Len(t, u.GPUs, 2, "the one in the middle belongs to somebody else")
		require.Equal(t, event.GPUUsage{
			Index: 0, Name: "NVIDIA H200", Percent: 97, MemoryUsed: 10 << 30, MemoryTotal: 150754820096,
			Watts: num(698.25), Celsius: num(63), Joules: num(98765432101.234), Throttled: []string{"power", "thermal"},
			OwnMemory: 3 << 30, Processes: []event.GPUProcess{{PID: os.Getpid(), MemoryUsed: 3 << 30}, {PID: 7}},
		}, u.GPUs[0])
		split := u.GPUs[1]
		require.True(t, math.IsNaN(float64(split.Percent)), "not told is not 0")
		split.Percent = 0
		require.Equal(t, event.GPUUsage{
			Index: 2, Name: "NVIDIA A100-SXM4-80GB", MemoryUsed: 10 << 30, MemoryTotal: 150754820098, Joules: num(98765432101.234),
		}, split)
	}
	require.Equal(t, 1, strings.Count(log.String(), "temperature of GPU 2"), "once: %s", log.String())
	require.NotContains(t, log.String(), "load of GPU", "what a GPU just cannot tell is no problem")
	require.NoError(t, m.Close())

	// The library is balanced and can be had again.
	m = open(t, meter.Config{NVML: library})
	u, err := m.Sample(t.Context())
	require.NoError(t, err)
	require.Len(t, u.GPUs, 2)
}

func TestOldDrivers(t *testing.T) {
	u, err := open(t, meter.Config{NVML: build(t, "BEFORE_12")}).Sample(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"hardware_thermal"}, u.GPUs[0].Throttled)

	u, err = open(t, meter.Config{NVML: build(t, "OLD")}).Sample(t.Context())
	require.NoError(t, err)
	require.Equal(t, event.GPUUsage{Index: 0, Name: "NVIDIA H200", Percent: 97, MemoryUsed: 10 << 30, MemoryTotal: 150754820096}, u.GPUs[0])
}

// TestDriverFaults: a library without a driver is as none; anything else that
// keeps GPUs from being measured is a warning that says what.
func TestDriverFaults(t *testing.T) {
	for define, want := range map[string]string{
		"INIT=9":    "level=INFO",
		"INIT=18":   "restart after a driver update",
		"INIT=999":  "NVML error 999",
		"NO_MEMORY": "nvmlDeviceGetMemoryInfo",
	} {
		var log bytes.Buffer
		m := open(t, meter.Config{NVML: build(t, define), Powercap: t.TempDir(), Log: slog.New(slog.NewTextHandler(&log, nil))})
		u, err := m.Sample(t.Context())
		require.NoError(t, err, define)
		require.Empty(t, u.GPUs, define)
		require.Contains(t, log.String(), want, define)
	}
}
