package readmodel

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"millrace/cost"
	"millrace/event"
)

// priced remembers which lines of the price book are for a device, so that a cost does not look at all of them.
type priced struct {
	mu    sync.Mutex
	books map[[2]string]cost.Book // by kind and name of a device
}

// maxPriced bounds the devices that are remembered.
const maxPriced = 4096

// bookFor is those lines of the book that are for a device.
func (m *Model) bookFor(kind, name string) cost.Book {
	m.priced.mu.Lock()
	defer m.priced.mu.Unlock()
	device := [2]string{kind, name}
	b, known := m.priced.books[device]
	if known {
		return b
	}
	for _, line := range m.book {
		if _, ok := (cost.Book{line}).Of(kind, name, line.From); ok {
			b = append(b, line)
		}
	}
	if m.priced.books == nil || len(m.priced.books) >= maxPriced {
		m.priced.books = map[[2]string]cost.Book{}
	}
	m.priced.books[device] = b
	return b
}

// storage is the kind and the name under which the price book knows it.
const storageKind, storageName = "storage", "objects"

// bill prices what was spent, adding up in the order given, and what is kept in storage.
func (m *Model) bill(spent []spending, kept cost.Stored, at time.Time) (sum cost.Bill) {
	for _, s := range spent {
		one := m.bookFor(s.Kind, s.Name).Price([]cost.Spent{s.Spent})
		sum.Devices += one.Devices
		sum.Energy += one.Energy
		sum.Paid += one.Paid
		sum.DeviceSeconds += one.DeviceSeconds
		sum.Joules += one.Joules
		sum.JoulesKnown = sum.JoulesKnown || one.JoulesKnown
		sum.FLOPs += one.FLOPs
		sum.Tokens += one.Tokens
		for _, device := range one.Unpriced {
			if !slices.Contains(sum.Unpriced, device) {
				sum.Unpriced = append(sum.Unpriced, device)
			}
		}
	}
	if kept != (cost.Stored{}) {
		price, _ := m.bookFor(storageKind, storageName).Of(storageKind, storageName, at)
		sum.Keep(kept, price)
	}
	sum.Dollars = sum.Devices + sum.Energy + sum.Paid + sum.Storage
	return sum
}

// dollars is what a run has cost up to a time by the book as it is now.
func (m *Model) dollars(st *runState, at time.Time) value {
	if len(st.spent) == 0 && st.kept == (Kept{}) {
		return value{}
	}
	return aNumber(m.bill(st.spent, st.kept.stored(at), at).Dollars)
}

// Book returns the price book: the default lines, then those that were set, in the order of the log.
func (m *Model) Book() cost.Book {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Clone(m.book)
}

// ErrBadDate is returned for a price's date that is none.
var ErrBadDate = errors.New("not a date of the form 2026-11-21")

// PriceLine is a fact about a price as a line of the book. Errors: ErrBadDate, cost.ErrBadPrice.
func PriceLine(p event.PriceSet) (cost.Price, error) {
	from, err := time.Parse(time.DateOnly, p.From)
	if err != nil {
		return cost.Price{}, fmt.Errorf("%q: %w", p.From, ErrBadDate)
	}
	line := cost.Price{
		Device: p.Device, PerHour: float64(p.PerHour), PerHourLow: float64(p.PerHourLow), PerHourHigh: float64(p.PerHourHigh),
		PerKWh: float64(p.PerKWh), PUE: float64(p.PUE), PerGBMonth: float64(p.PerGBMonth), From: from, Source: p.Source,
		Hardware: cost.Hardware{
			PeakFLOPs: float64(p.PeakFLOPs), Memory: float64(p.Memory), Watts: float64(p.Watts), ServerWatts: float64(p.ServerWatts),
			Purchase: cost.Range{Low: float64(p.PurchaseLow), Typical: float64(p.Purchase), High: float64(p.PurchaseHigh)},
		},
	}
	if p.PurchaseLow == 0 && p.PurchaseHigh == 0 {
		line.Purchase = cost.Exactly(float64(p.Purchase))
	}
	return line, line.Check()
}

// RunCost prices what a run has spent so far, over all attempts, workers and devices, at the prices that were in force when it
// was last told, and what it has kept in storage up to a time, at the price that is in force then. Errors: ErrNotFound.
func (m *Model) RunCost(id event.RunID, at time.Time) (cost.Bill, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	st, err := m.known(id)
	if err != nil {
		return cost.Bill{}, err
	}
	return m.bill(st.spent, st.kept.stored(at), at), nil
}

// ExperimentCost prices what all runs of an experiment have spent and kept up to a time, archived ones too. Errors: ErrNotFound.
func (m *Model) ExperimentCost(id event.ExperimentID, at time.Time) (cost.Bill, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	all, kept, err := m.spentIn(id, at)
	return m.bill(all, kept, at), err
}

// spentIn is what all runs of an experiment have spent, in the order of their creation, and kept up to a time. The lock must be held.
func (m *Model) spentIn(id event.ExperimentID, at time.Time) (all []spending, kept cost.Stored, err error) {
	if _, ok := m.experiments[id]; !ok {
		return nil, kept, fmt.Errorf("experiment %q: %w", id, ErrNotFound)
	}
	for _, st := range m.order {
		if st.experiment == id {
			of := st.kept.stored(at)
			all, kept.Bytes, kept.ByteSeconds = append(all, st.spent...), kept.Bytes+of.Bytes, kept.ByteSeconds+of.ByteSeconds
		}
	}
	return all, kept, nil
}

// DeviceSpending is what was spent on one kind of device. Joules is negative where it does not tell.
type DeviceSpending struct {
	Device          event.Device
	Seconds, Joules float64 // device-seconds
}

// ExperimentDevices adds up by device what all runs of an experiment have spent, in the order of the first of each. Errors: ErrNotFound.
func (m *Model) ExperimentDevices(id event.ExperimentID) ([]DeviceSpending, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	all, _, err := m.spentIn(id, time.Time{})
	if err != nil {
		return nil, err
	}
	return byDevice(all), nil
}

// ByDevice adds up by device what one run has spent.
func ByDevice(spent []Spending) []DeviceSpending { return byDevice(spendings(spent)) }

func byDevice(all []spending) []DeviceSpending {
	at := map[event.Device]int{}
	var out []DeviceSpending
	for _, s := range all {
		device := event.Device{Kind: s.Kind, Name: s.Name, Count: s.count}
		i, known := at[device]
		if !known {
			i = len(out)
			at[device] = i
			out = append(out, DeviceSpending{Device: device, Joules: -1})
		}
		out[i].Seconds += s.Seconds
		if s.Joules >= 0 {
			out[i].Joules = max(out[i].Joules, 0) + s.Joules
		}
	}
	return out
}
