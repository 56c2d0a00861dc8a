package meter

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// rapl sums the energy of the processor packages, as Linux's powercap shows it
// (Documentation/power/powercap): for each package a directory intel-rapl:N, on
// AMD too, with the files
//
//	name                  "package-0"
//	energy_uj             microjoules, counting up and starting again at 0
//	max_energy_range_uj   the largest value before that
type rapl struct {
	packages []raplPackage
	joules   float64 // since openRAPL
}

type raplPackage struct {
	dir  string
	span uint64 // microjoules of one round of the counter
	last uint64 // microjoules
}

// openRAPL finds the packages below dir. The error says why there are none, or
// not all: a part of the energy would be worse than none.
func openRAPL(dir string) (*rapl, error) {
	// One colon: intel-rapl:0:0 and the like are parts of a package.
	zones, err := filepath.Glob(filepath.Join(dir, "intel-rapl:*"))
	if err != nil {
		return nil, err
	}
	r := &rapl{}
	for _, zone := range zones {
		name, err := os.ReadFile(filepath.Join(zone, "name"))
		if err != nil {
			return nil, err
		}
		// "psys" is the whole machine, and contains the packages.
		if strings.Count(filepath.Base(zone), ":") != 1 || !strings.HasPrefix(string(name), "package") {
			continue
		}
		p := raplPackage{dir: zone}
		top, err := readMicrojoules(filepath.Join(zone, "max_energy_range_uj"))
		if err != nil {
			return nil, err
		}
		p.span = top + 1
		if p.last, err = p.read(); err != nil {
			if errors.Is(err, os.ErrPermission) {
				err = fmt.Errorf("%w: only root may, unless the file's mode is changed", err)
			}
			return nil, err
		}
		r.packages = append(r.packages, p)
	}
	if len(r.packages) == 0 {
		return nil, fmt.Errorf("no processor package in %s: not Linux, or a virtual machine", dir)
	}
	return r, nil
}

func (p *raplPackage) read() (uint64, error) {
	return readMicrojoules(filepath.Join(p.dir, "energy_uj"))
}

func readMicrojoules(path string) (uint64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s does not contain a number: %.40q", path, b)
	}
	return n, nil
}

// sample is the energy of all packages since openRAPL, in joules. A counter
// that went back has been through 0 once.
func (r *rapl) sample() (joules float64, err error) {
	for i := range r.packages {
		p := &r.packages[i]
		now, err := p.read()
		if err != nil {
			return 0, err
		}
		used := now - p.last
		if now < p.last {
			used = p.span - p.last + now
		}
		p.last = now
		r.joules += float64(used) / 1e6
	}
	return r.joules, nil
}
