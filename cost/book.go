package cost

import (
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
	"time"
)

// Price is one dated line of the book. From that date on a device costs this, until a later line for the same pattern.
type Price struct {
	// Device is a pattern over "kind:name", e.g. "gpu:*H200*", in which '*' stands for anything. Case does not matter.
	Device string
	// PerHour is US dollars per device-hour (a core-hour for processors).
	PerHour float64
	// PerHourLow and PerHourHigh are what others ask for the same; both 0: PerHour is one's own price, exactly.
	PerHourLow, PerHourHigh float64
	// PerKWh is US dollars per kilowatt-hour, where energy is known and not part of the rent; 0: included.
	PerKWh float64
	// PUE is what a building draws for each joule of the device (power usage effectiveness); 0: 1, the device alone.
	PUE float64
	// PerGBMonth is US dollars per 10⁹ bytes and 30 days of storage; it counts in the line for "storage:objects".
	PerGBMonth float64
	From       time.Time
	Source     string
	// Hardware is what estimates ask of the device. What a line leaves out is taken from the next one that fits (Book.Device).
	Hardware
}

// Hardware is a device as far as estimates ask; a zero is not known.
type Hardware struct {
	// PeakFLOPs a second in 16-bit matrix products without sparsity; of a processor's core in 32 bits.
	PeakFLOPs float64
	// Memory in bytes.
	Memory float64
	// Watts of the device itself (TDP); ServerWatts of its share of a server, at most.
	Watts, ServerWatts float64
	// Purchase is US dollars for the device alone.
	Purchase Range
}

// Rent is the price of an hour as a range.
func (p Price) Rent() Range {
	if p.PerHourLow == 0 && p.PerHourHigh == 0 {
		return Exactly(p.PerHour)
	}
	return Range{p.PerHourLow, p.PerHour, p.PerHourHigh}
}

// ErrBadPrice is returned for a line that cannot be applied.
var ErrBadPrice = errors.New("bad price")

// Check tells what is wrong with a line.
func (p Price) Check() error {
	for _, f := range []struct {
		name string
		v    float64
	}{
		{"per hour", p.PerHour}, {"per kWh", p.PerKWh}, {"per GB and month", p.PerGBMonth}, {"PUE", p.PUE}, {"peak FLOPs", p.PeakFLOPs}, {"memory", p.Memory}, {"watts", p.Watts}, {"server watts", p.ServerWatts},
	} {
		if math.IsNaN(f.v) || math.IsInf(f.v, 0) || f.v < 0 {
			return fmt.Errorf("cost: %q: %s is %v, want 0 or more: %w", p.Device, f.name, f.v, ErrBadPrice)
		}
	}
	if p.PUE > 0 && p.PUE < 1 {
		return fmt.Errorf("cost: %q: PUE is %v, want 1 or more: %w", p.Device, p.PUE, ErrBadPrice)
	}
	if err := p.Rent().check(fmt.Sprintf("%q: per hour", p.Device)); err != nil {
		return err
	}
	if err := p.Purchase.check(fmt.Sprintf("%q: purchase", p.Device)); err != nil {
		return err
	}
	if _, _, ok := strings.Cut(p.Device, ":"); !ok {
		return fmt.Errorf("cost: device %q is not of the form kind:name, e.g. \"gpu:*H200*\" or \"cpu:*\": %w", p.Device, ErrBadPrice)
	}
	if _, err := path.Match(pattern(p.Device), ""); err != nil {
		return fmt.Errorf("cost: device %q: %w: %w", p.Device, ErrBadPrice, err)
	}
	if p.From.IsZero() {
		return fmt.Errorf("cost: %q has no date: %w", p.Device, ErrBadPrice)
	}
	return nil
}

// Book is a price book: lines in the order in which they were written; later lines win over earlier ones of equal date and
// equally exact pattern.
type Book []Price

// Of finds the line in force for a device at a time: the most exact pattern (most literal characters), then the latest date, then
// the latest line. A line dated later than at is used only if no earlier one fits, because an approximate price beats none.
func (b Book) Of(kind, name string, at time.Time) (Price, bool) {
	device := foldName(kind + ":" + name)
	best, found := Price{}, false
	var bestRank [3]int64
	for _, p := range b {
		rank, ok := p.fits(device, at)
		if ok && (!found || !less(rank, bestRank)) {
			best, bestRank, found = p, rank, true
		}
	}
	return best, found
}

// Device is Of, with what its line does not know of the hardware taken from the next lines that fit.
func (b Book) Device(kind, name string, at time.Time) (Price, bool) {
	device := foldName(kind + ":" + name)
	type ranked struct {
		price Price
		rank  [3]int64
	}
	var all []ranked
	for _, p := range b {
		if rank, ok := p.fits(device, at); ok {
			all = append(all, ranked{p, rank})
		}
	}
	if len(all) == 0 {
		return Price{}, false
	}
	slices.Reverse(all) // of equal rank the latest
	slices.SortStableFunc(all, func(x, y ranked) int {
		switch {
		case less(y.rank, x.rank):
			return -1
		case less(x.rank, y.rank):
			return 1
		}
		return 0
	})
	best := all[0].price
	for _, next := range all[1:] {
		h := next.price.Hardware
		best.PeakFLOPs, best.Memory = or(best.PeakFLOPs, h.PeakFLOPs), or(best.Memory, h.Memory)
		best.Watts, best.ServerWatts = or(best.Watts, h.Watts), or(best.ServerWatts, h.ServerWatts)
		best.Purchase = or(best.Purchase, h.Purchase)
	}
	return best, true
}

// Named is Device by what a person calls it: "H100", "cpu", or kind and name as in "gpu:NVIDIA H100". Errors: ErrNoDevice.
func (b Book) Named(name string, at time.Time) (Price, error) {
	kind, rest, ok := strings.Cut(name, ":")
	switch {
	case ok:
	case strings.EqualFold(name, "cpu"):
		kind, rest = "cpu", ""
	default:
		kind, rest = "gpu", name
	}
	p, ok := b.Device(kind, rest, at)
	if !ok {
		var known []string
		for _, line := range b.InForce(at) {
			known = append(known, line.Device)
		}
		return Price{}, fmt.Errorf("cost: device %q fits no line of the price book; it has %s: %w", name, strings.Join(known, ", "), ErrNoDevice)
	}
	return p, nil
}

// ErrNoDevice is returned for a device that no line is for.
var ErrNoDevice = errors.New("no price")

// InForce is the line of each pattern that counts at a time, hardware filled in, in the order of the patterns' first lines.
func (b Book) InForce(at time.Time) []Price {
	var lines []Price
	seen := map[string]bool{}
	for _, p := range b {
		key := foldName(p.Device)
		if seen[key] {
			continue
		}
		seen[key] = true
		kind, name, _ := strings.Cut(p.Device, ":")
		if line, ok := b.Device(kind, name, at); ok {
			lines = append(lines, line)
		}
	}
	return lines
}

// fits tells whether a line is for a device, and how well.
func (p Price) fits(device string, at time.Time) ([3]int64, bool) {
	if ok, err := path.Match(pattern(p.Device), device); err != nil || !ok {
		return [3]int64{}, false
	}
	rank := [3]int64{1, int64(len(p.Device) - strings.Count(p.Device, "*")), p.From.Unix()}
	if p.From.After(at) {
		rank[0], rank[2] = 0, -rank[2]
	}
	return rank, true
}

func less(a, b [3]int64) bool {
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}

// pattern and foldName keep '/' and '[' of device names from meaning anything to path.Match.
func pattern(s string) string {
	s = foldName(s)
	if !strings.ContainsAny(s, `\?[`) {
		return s // as every price is, on every read of a cost
	}
	return strings.NewReplacer(`\`, `\\`, "?", `\?`, "[", `\[`).Replace(s)
}

func foldName(s string) string { return strings.ToLower(strings.ReplaceAll(s, "/", "_")) }
