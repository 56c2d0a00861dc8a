package readmodel

import (
	"cmp"
	"fmt"
	"slices"

	"millrace/event"
)

// usageSampled keeps the newest sample with the run, and each number of every sample as a point of a series named system/…, by
// worker, whose steps are the sample's time in µs. What is no number (names, reasons of throttling) is kept of the newest only.
func (f *fold) usageSampled(e event.UsageSampled) error {
	if f.run(e.Run) == nil {
		return nil
	}
	if err := f.editLive(e.Run, func(r *Run) {
		if r.Usage == nil || e.Usage.At >= r.Usage.Usage.At {
			r.Usage = &e
		}
	}); err != nil {
		return err
	}
	u, frame := e.Usage, event.Frame{Run: e.Run, Writer: event.WriterID(e.Worker)}
	add := func(key string, value float64) {
		frame.Series = append(frame.Series, event.Series{Key: "system/" + key, Steps: []int64{u.At}, Times: []int64{u.At}, Values: []float64{value}})
	}
	add("cpu_percent", float64(u.CPUPercent))
	add("machine_percent", float64(u.MachinePercent))
	add("rss", float64(u.RSS))
	add("memory_used", float64(u.MemoryUsed))
	add("memory_total", float64(u.MemoryTotal))
	add("disk_read", float64(u.DiskRead))
	add("disk_written", float64(u.DiskWritten))
	add("disk_free", float64(u.DiskFree))
	add("net_received", float64(u.NetReceived))
	add("net_sent", float64(u.NetSent))
	if u.Joules != nil {
		add("joules", float64(*u.Joules))
	}
	for _, g := range u.GPUs {
		gpu := fmt.Sprintf("gpu.%d.", g.Index)
		add(gpu+"percent", float64(g.Percent))
		add(gpu+"memory_used", float64(g.MemoryUsed))
		add(gpu+"memory_total", float64(g.MemoryTotal))
		for _, o := range []struct {
			key   string
			value *event.Number
		}{{"watts", g.Watts}, {"celsius", g.Celsius}, {"joules", g.Joules}} {
			if o.value != nil {
				add(gpu+o.key, float64(*o.value))
			}
		}
		add(gpu+"throttled", float64(len(g.Throttled)))
		if g.OwnMemory > 0 {
			add(gpu+"own_memory", float64(g.OwnMemory))
		}
	}
	return f.frame(frame, sampled)
}

// resourcesSpent replaces what the same attempt has spent on the same device of the same worker.
func (f *fold) resourcesSpent(e event.ResourcesSpent) error {
	if st := f.run(e.Run); st != nil {
		f.columns.paid(st, f.at)
	}
	return f.editLive(e.Run, func(r *Run) {
		i, found := slices.BinarySearchFunc(r.Spent, e, func(s Spending, e event.ResourcesSpent) int {
			return cmp.Or(cmp.Compare(s.Attempt, e.Attempt), cmp.Compare(s.Worker, e.Worker),
				cmp.Compare(s.Device.Kind, e.Device.Kind), cmp.Compare(s.Device.Name, e.Device.Name))
		})
		r.Spent = slices.Clone(r.Spent)
		if found {
			r.Spent[i] = Spending{e, f.at}
			return
		}
		r.Spent = slices.Insert(r.Spent, i, Spending{e, f.at})
	})
}

func (f *fold) priceSet(e event.PriceSet) error {
	p := storedPrice{f.env.Seq, e}
	if err := f.put(tablePrice, "", parts(f.env.Seq), p); err != nil {
		return err
	}
	f.addPrice(p)
	f.columns.repriced()
	return nil
}
