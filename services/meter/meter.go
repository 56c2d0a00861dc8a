package meter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"sync"
	"time"

	"millrace/event"
)

// minInterval is the shortest time over which a rate is computed: Linux counts
// processor time in steps of 10 ms.
const minInterval = 200 * time.Millisecond

// Config says what to measure. The zero value measures this process, and the
// disk of the working directory.
type Config struct {
	// Dir is where data lies, for the room left on its disk; "" is ".".
	Dir string
	// PID is the process to measure; 0 is this one.
	PID int
	// Tree measures the process and all that it starts. RSS is then the sum, in which memory that they share counts several times.
	Tree bool
	// Log is told once of what cannot be measured; nil: nobody.
	Log *slog.Logger
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	// NVML is the GPU library to load; "" is "libnvidia-ml.so.1".
	NVML string
	// Powercap is where Linux shows energy; "" is "/sys/class/powercap".
	Powercap string
}

// Meter measures one process and its machine.
type Meter struct {
	cfg    Config
	system system

	mu     sync.Mutex
	gpus   *nvml // nil when there is no driver
	rapl   *rapl // nil when the energy is not shown
	since  counters
	rates  rates
	told   map[string]bool // problems that were logged
	closed bool
}

// counters are what rates are computed from.
type counters struct {
	at      time.Time
	process float64 // seconds of processor time of the process
	busy    float64 // seconds of all cores at work
	total   float64 // seconds of all cores
}

type rates struct{ process, machine event.Number }

// New begins to measure. It cannot fail: what is missing is left out of the
// samples, and a process that does not exist is an error of Sample.
func New(cfg Config) *Meter {
	if cfg.Dir == "" {
		cfg.Dir = "."
	}
	if cfg.PID == 0 {
		cfg.PID = os.Getpid()
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.NVML == "" {
		cfg.NVML = "libnvidia-ml.so.1"
	}
	if cfg.Powercap == "" {
		cfg.Powercap = "/sys/class/powercap"
	}
	m := &Meter{cfg: cfg, system: system{pid: int32(cfg.PID), dir: cfg.Dir}, told: map[string]bool{},
		rates: rates{event.Number(math.NaN()), event.Number(math.NaN())}}

	if cfg.Tree {
		m.system.tree = &tree{root: int32(cfg.PID)}
	}
	gpus, err := openNVML(cfg.NVML)
	switch {
	case errors.Is(err, errNoDriver):
		cfg.Log.Info("GPUs are not measured", "reason", err)
	case err != nil:
		cfg.Log.Warn("GPUs are not measured", "reason", err)
	default:
		m.gpus = gpus
	}
	m.rapl, err = openRAPL(cfg.Powercap)
	if err != nil {
		cfg.Log.Info("the processor's energy is not measured", "reason", err)
	}
	// A first reading, so that the first sample has something to compare with.
	// If it fails, the first Sample says why.
	if since, err := m.system.counters(context.Background(), cfg.Now()); err == nil {
		m.since = since
	}
	return m
}

// Sample is what is consumed now. CPUPercent and MachinePercent are over the
// time since an earlier Sample, at least 200 ms, and NaN before there is such a
// time. Fields that the system does not tell are 0, NaN or nil, see the package.
// The error says which part could not be read.
func (m *Meter) Sample(ctx context.Context) (event.Usage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return event.Usage{}, errors.New("meter: sample: the meter is closed")
	}
	now := m.cfg.Now()
	u := event.Usage{At: now.UnixMicro()}
	if err := m.system.sample(ctx, &u); err != nil {
		return event.Usage{}, fmt.Errorf("meter: sample: %w", err)
	}
	counters, err := m.system.counters(ctx, now)
	if err != nil {
		return event.Usage{}, fmt.Errorf("meter: sample: %w", err)
	}
	if m.since.at.IsZero() {
		m.since = counters
	} else if counters.at.Sub(m.since.at) >= minInterval {
		m.rates = counters.rates(m.since)
		m.since = counters
	}
	u.CPUPercent, u.MachinePercent = m.rates.process, m.rates.machine

	if m.rapl != nil {
		joules, err := m.rapl.sample()
		if err != nil {
			m.tell("the processor's energy can no longer be read", err)
			m.rapl = nil
		} else {
			n := event.Number(joules)
			u.Joules = &n
		}
	}
	if m.gpus != nil {
		var problems []error
		u.GPUs, problems = m.gpus.sample(m.system.pids)
		for _, err := range problems {
			m.tell("a GPU does not tell everything", err)
		}
	}
	return u, nil
}

// rates is what was consumed between two readings, in percent.
func (c counters) rates(before counters) rates {
	r := rates{event.Number(100 * max(c.process-before.process, 0) / c.at.Sub(before.at).Seconds()), event.Number(math.NaN())}
	if total := c.total - before.total; total > 0 {
		r.machine = event.Number(100 * min(max((c.busy-before.busy)/total, 0), 1))
	}
	return r
}

// tell logs a problem the first time.
func (m *Meter) tell(what string, err error) {
	key := what + err.Error()
	// What a broken driver can say is bounded; memory for it is as well.
	const enough = 1000
	if m.told[key] || len(m.told) >= enough {
		return
	}
	m.told[key] = true
	m.cfg.Log.Warn(what, "reason", err)
}

// Close lets the GPU library go. A second Close does nothing.
func (m *Meter) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	gpus := m.gpus
	m.gpus = nil
	if gpus == nil {
		return nil
	}
	if err := gpus.close(); err != nil {
		return fmt.Errorf("meter: close: %w", err)
	}
	return nil
}
