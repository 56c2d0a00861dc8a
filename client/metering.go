package client

import (
	"cmp"
	"context"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"millrace/event"
)

// Meter measures what a process and its machine consume. A meter.Meter of millrace/services/meter is one; this package has none, so that
// who logs only numbers does not link what asks the system.
type Meter interface {
	Sample(ctx context.Context) (event.Usage, error)
}

// Metering says how the use of the machine is logged, and what is charged for.
type Metering struct {
	// Meter is asked; nil: nothing is logged.
	Meter Meter
	// Every is how often. Default 5 s.
	Every time.Duration
	// Device is charged for, wall time × Count, while the measured processes hold memory on no GPU; otherwise the GPUs are on which they do.
	// Default: the cores that this process may use.
	Device event.Device
}

// firstSample is when the first sample is taken: rates need a little time.
const firstSample = 300 * time.Millisecond

// Measure logs samples of usage and what was spent, until stop is called, which logs the last. What the meter cannot tell now is left out.
func (l *Logger) Measure(m Metering) (stop func()) {
	if m.Meter == nil {
		return func() {}
	}
	if m.Every <= 0 {
		m.Every = 5 * time.Second
	}
	if m.Device.Kind == "" {
		m.Device.Kind = "cpu"
	}
	m.Device.Name = cmp.Or(m.Device.Name, runtime.GOARCH)
	m.Device.Count = cmp.Or(m.Device.Count, runtime.GOMAXPROCS(0))
	a := account{l: l, m: m, last: time.Now(), using: []event.Device{m.Device}, spent: map[event.Device]*expense{}, joules: map[int]float64{}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		wait := min(firstSample, m.Every)
		for {
			select {
			case <-ctx.Done():
				a.sample()
				return
			case <-time.After(wait):
				a.sample()
				wait = m.Every
			}
		}
	}()
	return sync.OnceFunc(func() {
		cancel()
		<-ended
	})
}

// meterPatience is how long a meter may take: a driver that hangs must not keep a script from ending.
const meterPatience = 10 * time.Second

// account is what was spent since Measure began.
type account struct {
	l     *Logger
	m     Metering
	last  time.Time
	using []event.Device            // since the last sample
	spent map[event.Device]*expense // by device without its count
	// joules are the counters as they were last told: the processor's as -1, GPUs' by index.
	joules map[int]float64
}

// expense is what was spent on a device.
type expense struct {
	count   int
	seconds float64
	joules  *float64
}

// of is the account of a device.
func (a *account) of(d event.Device) *expense {
	count := d.Count
	d.Count = 0
	e := a.spent[d]
	if e == nil {
		e = &expense{}
		a.spent[d] = e
	}
	e.count = count
	return e
}

// sample logs a sample, if there is one, and what was spent up to now.
func (a *account) sample() {
	ctx, cancel := context.WithTimeout(context.Background(), meterPatience)
	defer cancel()
	u, err := a.m.Meter.Sample(ctx)
	now := time.Now()
	if err == nil {
		a.l.Usage(u)
		a.charge(u)
	}
	for _, d := range a.using {
		a.of(d).seconds += now.Sub(a.last).Seconds() * float64(d.Count)
	}
	a.last = now
	for _, d := range slices.SortedFunc(maps.Keys(a.spent), func(x, y event.Device) int {
		return cmp.Or(cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Name, y.Name))
	}) {
		e := a.spent[d]
		d.Count = e.count
		a.l.spent(d, e.seconds, e.joules)
	}
}

// charge finds the devices that a sample says are in use, and their energy.
func (a *account) charge(u event.Usage) {
	counts := map[string]int{}
	for _, g := range u.GPUs {
		if g.OwnMemory > 0 {
			counts[g.Name]++
		}
	}
	a.using = nil
	for name, n := range counts {
		a.using = append(a.using, event.Device{Kind: "gpu", Name: name, Count: n})
	}
	if a.using == nil {
		a.using = []event.Device{a.m.Device}
	}
	var processor *expense // of the energy, when no GPU is in use: a rented GPU's price has its host in it
	if len(counts) == 0 {
		processor = a.of(a.m.Device)
	}
	a.energy(processor, -1, u.Joules)
	for _, g := range u.GPUs {
		var e *expense
		if n := counts[g.Name]; n > 0 && g.OwnMemory > 0 {
			e = a.of(event.Device{Kind: "gpu", Name: g.Name, Count: n})
		}
		a.energy(e, g.Index, g.Joules)
	}
}

// energy adds to an expense, if there is one, what a counter has grown by since it was last asked, in joules.
func (a *account) energy(e *expense, counter int, joules *event.Number) {
	if joules == nil {
		return
	}
	is := float64(*joules)
	if was, ok := a.joules[counter]; ok && is >= was && e != nil {
		if e.joules == nil {
			e.joules = new(float64)
		}
		*e.joules += is - was
	}
	a.joules[counter] = is
}
