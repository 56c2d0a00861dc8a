package cpu

import "golang.org/x/sys/unix"

// systemProcessorName asks the kernel for the brand.
func systemProcessorName() string {
	name, err := unix.Sysctl("machdep.cpu.brand_string")
	if err != nil {
		return ""
	}
	return name
}
