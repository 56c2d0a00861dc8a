package cost

import (
	"errors"
	"fmt"
	"math"
	"path"
	"strings"
	"time"
)

// Price is one dated line of the book. From that date on a device costs this, until a later line for the same pattern.
type Price struct {
	// Device is a pattern over "kind:name", e.g. "gpu:*H200*", in which '*' stands for anything. Case does not matter.
	Device string
	// PerHour is US dollars per device-hour (a core-hour for processors).
	PerHour float64
	// PerKWh is US dollars per kilowatt-hour, where energy is known and not part of the rent; 0: included.
	PerKWh float64
	// PerGBMonth is US dollars per 10⁹ bytes and 30 days of storage.
	PerGBMonth float64
	From       time.Time
	Source     string
}

// ErrBadPrice is returned for a line that cannot be applied.
var ErrBadPrice = errors.New("bad price")

// Check tells what is wrong with a line.
func (p Price) Check() error {
	for name, v := range map[string]float64{"per hour": p.PerHour, "per kWh": p.PerKWh, "per GB and month": p.PerGBMonth} {
		if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
			return fmt.Errorf("cost: %q: %s is %v, want 0 or more: %w", p.Device, name, v, ErrBadPrice)
		}
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

// Default is the book before anyone edited it: list prices with their source and date, to be replaced by one's own.
func Default() Book {
	may := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	const street = "specialty clouds, middle of the range, 2026-05"
	return Book{
		{Device: "cpu:*", PerHour: 0.05, PerKWh: 0, PerGBMonth: 0.023, From: may, Source: "general-purpose cloud virtual core, on demand; S3 standard storage, 2026-05"},
		{Device: "gpu:*A100*", PerHour: 1.30, From: may, Source: street},
		{Device: "gpu:*H100*", PerHour: 3.00, From: may, Source: street},
		{Device: "gpu:*H200*", PerHour: 4.00, From: may, Source: street},
		{Device: "gpu:*B200*", PerHour: 5.25, From: may, Source: street},
	}
}

// Of finds the line in force for a device at a time: the most exact pattern (most literal characters), then the latest date, then
// the latest line. A line dated later than at is used only if no earlier one fits, because an approximate price beats none.
func (b Book) Of(kind, name string, at time.Time) (Price, bool) {
	device := foldName(kind + ":" + name)
	best, found := Price{}, false
	var bestRank [3]int64
	for _, p := range b {
		if ok, err := path.Match(pattern(p.Device), device); err != nil || !ok {
			continue
		}
		rank := [3]int64{1, int64(len(strings.ReplaceAll(p.Device, "*", ""))), p.From.Unix()}
		if p.From.After(at) {
			rank[0], rank[2] = 0, -rank[2]
		}
		if !found || !less(rank, bestRank) {
			best, bestRank, found = p, rank, true
		}
	}
	return best, found
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
