//go:build (amd64 || arm64) && !static

package meter

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"github.com/ebitengine/purego"

	"millrace/event"
)

// nvml is the loaded library with the functions that are used, declared as in
// nvml.h: nvmlDevice_t is a pointer that only the library looks behind, unsigned
// int is uint32, unsigned long long is uint64. Functions that older drivers lack
// are nil.
type nvml struct {
	library uintptr
	devices []nvmlDevice

	init         func() nvmlReturn
	shutdown     func() nvmlReturn
	count        func(n *uint32) nvmlReturn
	handle       func(index uint32, device *uintptr) nvmlReturn
	name         func(device uintptr, name *byte, length uint32) nvmlReturn
	utilization  func(device uintptr, u *nvmlUtilization) nvmlReturn
	memory       func(device uintptr, m *nvmlMemory) nvmlReturn
	power        func(device uintptr, milliwatts *uint32) nvmlReturn
	energy       func(device uintptr, millijoules *uint64) nvmlReturn
	temperature  func(device uintptr, sensor uint32, celsius *uint32) nvmlReturn
	clockReasons func(device uintptr, bits *uint64) nvmlReturn
	processes    func(device uintptr, n *uint32, first *nvmlProcess) nvmlReturn
}

type nvmlDevice struct {
	index  int
	handle uintptr
	name   string
}

// openNVML loads the library and finds the GPUs. A machine without the library,
// or without the driver behind it, is errNoDriver.
func openNVML(path string) (_ *nvml, err error) {
	library, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoDriver, err)
	}
	n := &nvml{library: library}
	initialized := false
	defer func() {
		if err == nil {
			return
		}
		if initialized {
			n.shutdown()
		}
		// What matters is why it could not be used.
		_ = purego.Dlclose(library)
	}()
	if err := n.bind(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	switch ret := n.init(); ret {
	case nvmlSuccess:
		initialized = true
	case nvmlDriverNotLoaded:
		return nil, fmt.Errorf("%w: %s: %w", errNoDriver, path, ret)
	default:
		return nil, fmt.Errorf("%s: %w", path, ret)
	}
	if err := n.find(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return n, nil
}

// bind looks up the functions by their names.
func (n *nvml) bind() error {
	needed := map[string]any{
		"nvmlInit_v2":                   &n.init,
		"nvmlShutdown":                  &n.shutdown,
		"nvmlDeviceGetCount_v2":         &n.count,
		"nvmlDeviceGetHandleByIndex_v2": &n.handle,
		"nvmlDeviceGetName":             &n.name,
		"nvmlDeviceGetUtilizationRates": &n.utilization,
		"nvmlDeviceGetMemoryInfo":       &n.memory,
	}
	for name, fn := range needed {
		symbol, err := purego.Dlsym(n.library, name)
		if err != nil {
			return fmt.Errorf("it has no function %s: %w", name, err)
		}
		purego.RegisterFunc(fn, symbol)
	}
	optional := []struct {
		name string
		fn   any
	}{
		{"nvmlDeviceGetPowerUsage", &n.power},
		{"nvmlDeviceGetTotalEnergyConsumption", &n.energy},
		{"nvmlDeviceGetTemperature", &n.temperature},
		// The same function had this name before version 12.
		{"nvmlDeviceGetCurrentClocksThrottleReasons", &n.clockReasons},
		{"nvmlDeviceGetCurrentClocksEventReasons", &n.clockReasons},
		{"nvmlDeviceGetComputeRunningProcesses_v3", &n.processes},
	}
	for _, o := range optional {
		if symbol, err := purego.Dlsym(n.library, o.name); err == nil {
			purego.RegisterFunc(o.fn, symbol)
		}
	}
	return nil
}

// find lists the GPUs that this process may see.
func (n *nvml) find() error {
	var count uint32
	if err := n.count(&count).err(); err != nil {
		return fmt.Errorf("count the GPUs: %w", err)
	}
	const most = 1024 // far more than a machine holds; a broken answer must not loop
	for i := range min(count, most) {
		d := nvmlDevice{index: int(i)}
		switch ret := n.handle(i, &d.handle); ret {
		case nvmlSuccess:
		case nvmlNoPermission:
			continue // another container's
		default:
			return fmt.Errorf("GPU %d: %w", i, ret)
		}
		name := make([]byte, nvmlNameSize)
		if err := n.name(d.handle, &name[0], nvmlNameSize).err(); err != nil {
			return fmt.Errorf("name of GPU %d: %w", i, err)
		}
		before, _, _ := bytes.Cut(name, []byte{0})
		d.name = string(before)
		n.devices = append(n.devices, d)
	}
	return nil
}

// sample asks every GPU. own are the processes whose memory is told apart. What one does not tell is NaN or nil; why, unless it
// just cannot, is among the problems.
func (n *nvml) sample(own map[int]bool) (out []event.GPUUsage, problems []error) {
	for _, d := range n.devices {
		u := event.GPUUsage{Index: d.index, Name: d.name, Percent: event.Number(math.NaN())}
		told := func(what string, ret nvmlReturn) bool {
			switch {
			case ret == nvmlSuccess:
				return true
			case ret == nvmlNotSupported, ret == nvmlNoPermission, ret == nvmlFunctionNotFound:
			default:
				problems = append(problems, fmt.Errorf("%s of GPU %d (%s): %w", what, d.index, d.name, ret))
			}
			return false
		}
		var load nvmlUtilization
		if told("load", n.utilization(d.handle, &load)) {
			u.Percent = event.Number(load.gpu)
		}
		var memory nvmlMemory
		if told("memory", n.memory(d.handle, &memory)) {
			u.MemoryUsed, u.MemoryTotal = int64(memory.used), int64(memory.total)
		}
		var milliwatts, celsius uint32
		if n.power != nil && told("power", n.power(d.handle, &milliwatts)) {
			u.Watts = number(float64(milliwatts) / 1e3)
		}
		if n.temperature != nil && told("temperature", n.temperature(d.handle, nvmlTemperatureGPU, &celsius)) {
			u.Celsius = number(float64(celsius))
		}
		var millijoules, bits uint64
		if n.energy != nil && told("energy", n.energy(d.handle, &millijoules)) {
			u.Joules = number(float64(millijoules) / 1e3)
		}
		if n.clockReasons != nil && told("clocks", n.clockReasons(d.handle, &bits)) {
			u.Throttled = clockReasons(bits)
		}
		var running [nvmlProcesses]nvmlProcess
		count := uint32(len(running))
		if n.processes != nil {
			// More than fit are as good as not told.
			if ret := n.processes(d.handle, &count, &running[0]); ret != nvmlInsufficientSize && told("processes", ret) {
				u.Processes, u.OwnMemory = processes(running[:min(count, nvmlProcesses)], own)
			}
		}
		out = append(out, u)
	}
	return out, problems
}

// processes turns what the driver tells of processes, and sums up what our own hold.
func processes(running []nvmlProcess, ours map[int]bool) (all []event.GPUProcess, own int64) {
	for _, p := range running {
		used := int64(0)
		if p.memory <= math.MaxInt64 {
			used = int64(p.memory)
		}
		if ours[int(p.pid)] {
			own += used
		}
		all = append(all, event.GPUProcess{PID: int(p.pid), MemoryUsed: used})
	}
	return all, own
}

func number(f float64) *event.Number {
	n := event.Number(f)
	return &n
}

// close ends the use of the library.
func (n *nvml) close() error {
	err := n.shutdown().err()
	return errors.Join(err, purego.Dlclose(n.library))
}
