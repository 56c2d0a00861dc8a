package graph

import (
	"sort"
	"strconv"
	"strings"

	"millrace/event"
	"millrace/graph/internal/view"
	"millrace/storage/readmodel"
)

// usageHistory puts samples together again: the read model keeps each of their numbers as a series named system/…, by worker, with
// the time in µs as its step. Where a number is missing in a sample (a device that did not tell), the one before stands.
func (r *resolver) usageHistory(run *view.Run, points *int) ([]view.Usage, error) {
	n := 500
	if points != nil {
		if *points < 1 {
			return nil, badInput("maxPoints is %d, want 1 or more", *points)
		}
		n = min(*points, maxUsage)
	}
	all, err := r.Model.Series(run.ID, readmodel.SeriesQuery{Keys: []string{"system/*"}, MaxPoints: n})
	if err != nil {
		return nil, err
	}
	byWriter := map[event.WriterID][]readmodel.Series{}
	for _, s := range all {
		if s.Sampled {
			byWriter[s.Writer] = append(byWriter[s.Writer], s)
		}
	}
	out := []view.Usage{}
	for _, columns := range byWriter {
		out = append(out, samples(columns, run.Usage())...)
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Usage.At < out[j].Usage.At })
	return out, nil
}

// samples turns one worker's columns into rows, at the steps of the one number that every sample has.
func samples(columns []readmodel.Series, newest *view.Usage) []view.Usage {
	var rows []view.Usage
	for _, c := range columns {
		if c.Key == "system/cpu_percent" {
			rows = make([]view.Usage, len(c.Steps))
			for i, at := range c.Steps {
				rows[i].Usage.At = at
			}
		}
	}
	for _, c := range columns {
		key := strings.TrimPrefix(c.Key, "system/")
		at := -1
		for i := range rows {
			for at+1 < len(c.Steps) && c.Steps[at+1] <= rows[i].Usage.At {
				at++
			}
			if at >= 0 {
				setUsage(&rows[i].Usage, key, c.Values[at])
			}
		}
	}
	for i := range rows {
		gpus := rows[i].Usage.GPUs
		sort.Slice(gpus, func(a, b int) bool { return gpus[a].Index < gpus[b].Index })
		if newest == nil {
			continue
		}
		for j := range gpus {
			for _, g := range newest.GPUs {
				if g.Index == gpus[j].Index {
					gpus[j].Name = g.Name
				}
			}
		}
	}
	return rows
}

func setUsage(u *event.Usage, key string, v float64) {
	if rest, ok := strings.CutPrefix(key, "gpu."); ok {
		index, key, _ := strings.Cut(rest, ".")
		if i, err := strconv.Atoi(index); err == nil {
			setGPU(gpu(u, i), key, v)
		}
		return
	}
	switch key {
	case "cpu_percent":
		u.CPUPercent = event.Number(v)
	case "machine_percent":
		u.MachinePercent = event.Number(v)
	case "rss":
		u.RSS = int64(v)
	case "memory_used":
		u.MemoryUsed = int64(v)
	case "memory_total":
		u.MemoryTotal = int64(v)
	case "disk_read":
		u.DiskRead = int64(v)
	case "disk_written":
		u.DiskWritten = int64(v)
	case "disk_free":
		u.DiskFree = int64(v)
	case "net_received":
		u.NetReceived = int64(v)
	case "net_sent":
		u.NetSent = int64(v)
	case "joules":
		u.Joules = ptr(event.Number(v))
	}
}

func gpu(u *event.Usage, index int) *event.GPUUsage {
	for i := range u.GPUs {
		if u.GPUs[i].Index == index {
			return &u.GPUs[i]
		}
	}
	u.GPUs = append(u.GPUs, event.GPUUsage{Index: index})
	return &u.GPUs[len(u.GPUs)-1]
}

func setGPU(g *event.GPUUsage, key string, v float64) {
	switch key {
	case "percent":
		g.Percent = event.Number(v)
	case "memory_used":
		g.MemoryUsed = int64(v)
	case "memory_total":
		g.MemoryTotal = int64(v)
	case "watts":
		g.Watts = ptr(event.Number(v))
	case "celsius":
		g.Celsius = ptr(event.Number(v))
	case "joules":
		g.Joules = ptr(event.Number(v))
	case "own_memory":
		g.OwnMemory = int64(v)
	}
}
