package meter

import (
	"errors"
	"fmt"
)

// errNoDriver says that there is nothing to load: the usual case of a machine
// without an NVIDIA GPU.
var errNoDriver = errors.New("no NVIDIA driver")

// nvmlReturn is NVML's nvmlReturn_t. Names and numbers in this file are those of
// NVIDIA's nvml.h (version 13).
type nvmlReturn uint32

const (
	nvmlSuccess            nvmlReturn = 0
	nvmlNotSupported       nvmlReturn = 3
	nvmlNoPermission       nvmlReturn = 4
	nvmlInsufficientSize   nvmlReturn = 7
	nvmlDriverNotLoaded    nvmlReturn = 9
	nvmlFunctionNotFound   nvmlReturn = 13
	nvmlGPUIsLost          nvmlReturn = 15
	nvmlResetRequired      nvmlReturn = 16
	nvmlLibVersionMismatch nvmlReturn = 18
)

// Error says what a return code means.
func (r nvmlReturn) Error() string {
	text := ""
	switch r {
	case nvmlNotSupported:
		text = "not supported by this GPU"
	case nvmlNoPermission:
		text = "no permission"
	case nvmlDriverNotLoaded:
		text = "the driver is not loaded"
	case nvmlFunctionNotFound:
		text = "not in this version of the driver"
	case nvmlGPUIsLost:
		text = "the GPU is lost: it fell off the bus"
	case nvmlResetRequired:
		text = "the GPU must be reset"
	case nvmlLibVersionMismatch:
		text = "library and driver have different versions: the machine needs a restart after a driver update"
	default:
		return fmt.Sprintf("NVML error %d", uint32(r))
	}
	return fmt.Sprintf("NVML error %d: %s", uint32(r), text)
}

// err is nil for success.
func (r nvmlReturn) err() error {
	if r == nvmlSuccess {
		return nil
	}
	return r
}

// nvmlUtilization is nvmlUtilization_t: percent of time over the driver's last
// sample period in which a kernel ran, and in which memory was moved.
type nvmlUtilization struct {
	gpu    uint32
	memory uint32
}

// nvmlMemory is nvmlMemory_t, in bytes.
type nvmlMemory struct {
	total uint64
	free  uint64
	used  uint64
}

// nvmlProcess is nvmlProcessInfo_t of nvmlDeviceGetComputeRunningProcesses_v3.
type nvmlProcess struct {
	pid    uint32
	_      uint32 // the C compiler's
	memory uint64 // bytes; all ones: not available
	_, _   uint32 // the instance of a GPU that is split
}

// nvmlProcesses is how many processes of a GPU are told of at most.
const nvmlProcesses = 64

// nvmlNameSize is NVML_DEVICE_NAME_V2_BUFFER_SIZE.
const nvmlNameSize = 96

// nvmlTemperatureGPU is NVML_TEMPERATURE_GPU, the sensor of the die.
const nvmlTemperatureGPU = 0

// clockReasons are the bits of nvmlDeviceGetCurrentClocksEventReasons that make a GPU
// slower than it could be. Bit 0, an idle GPU, does not.
func clockReasons(bits uint64) (reasons []string) {
	names := []string{
		1: "applications_clocks", // nvmlClocksEventReasonApplicationsClocksSetting
		2: "power",               // nvmlClocksEventReasonSwPowerCap
		3: "hardware",            // nvmlClocksThrottleReasonHwSlowdown
		4: "sync_boost",          // nvmlClocksEventReasonSyncBoost
		5: "thermal",             // nvmlClocksEventReasonSwThermalSlowdown
		6: "hardware_thermal",    // nvmlClocksThrottleReasonHwThermalSlowdown
		7: "power_brake",         // nvmlClocksThrottleReasonHwPowerBrakeSlowdown
		8: "display",             // nvmlClocksEventReasonDisplayClockSetting
	}
	for bit := 1; bit < 64; bit++ {
		switch {
		case bits>>bit&1 == 0:
		case bit < len(names):
			reasons = append(reasons, names[bit])
		default:
			reasons = append(reasons, fmt.Sprintf("bit_%d", bit))
		}
	}
	return reasons
}
