package meter

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"runtime"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/mem"
	psnet "github.com/shirou/gopsutil/v4/net"
	"github.com/shirou/gopsutil/v4/process"

	"millrace/event"
)

// system reads what the operating system tells of a process and the machine.
type system struct {
	pid  int32
	dir  string
	tree *tree // nil: the process alone
	// pids are those that were measured last.
	pids map[int]bool
}

// own is what is measured of the process, or of its tree: bytes of memory, and what it has consumed.
func (s *system) own(ctx context.Context) (rss int64, c consumed, err error) {
	if s.tree != nil {
		s.pids, rss, c, err = s.tree.look(ctx)
		return rss, c, err
	}
	s.pids = map[int]bool{int(s.pid): true}
	p, err := process.NewProcessWithContext(ctx, s.pid)
	if err == nil {
		c, rss, err = consumption(ctx, p)
	}
	if err != nil {
		return 0, c, fmt.Errorf("process %d: %w", s.pid, err)
	}
	return rss, c, nil
}

// untold says that the operating system does not tell something, or not to us:
// no reason to do without the rest.
func untold(err error) bool {
	// gopsutil's own error for this is in an internal package.
	return errors.Is(err, fs.ErrPermission) || err != nil && strings.Contains(err.Error(), "not implemented")
}

// sample fills in everything but rates, energy and GPUs.
func (s *system) sample(ctx context.Context, u *event.Usage) error {
	rss, own, err := s.own(ctx)
	if err != nil {
		return err
	}
	u.RSS, u.DiskRead, u.DiskWritten = rss, own.read, own.written

	machine, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return fmt.Errorf("memory of the machine: %w", err)
	}
	u.MemoryUsed, u.MemoryTotal = int64(machine.Used), int64(machine.Total)

	left, err := disk.UsageWithContext(ctx, s.dir)
	if err != nil {
		return fmt.Errorf("room left in %s: %w", s.dir, err)
	}
	u.DiskFree = int64(left.Free)

	u.NetReceived, u.NetSent, err = traffic(ctx)
	return err
}

// traffic is what the machine received and sent, in bytes, since it started;
// what it sent itself over loopback does not count.
func traffic(ctx context.Context) (received, sent int64, err error) {
	counters, err := psnet.IOCountersWithContext(ctx, true)
	if untold(err) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("network traffic: %w", err)
	}
	loopback := map[string]bool{"lo": true}
	if interfaces, err := net.Interfaces(); err == nil { // else the name must do
		for _, i := range interfaces {
			loopback[i.Name] = i.Flags&net.FlagLoopback != 0
		}
	}
	for _, c := range counters {
		if !loopback[c.Name] {
			received += int64(c.BytesRecv)
			sent += int64(c.BytesSent)
		}
	}
	return received, sent, nil
}

// counters reads how long the processor has worked.
func (s *system) counters(ctx context.Context, now time.Time) (counters, error) {
	c := counters{at: now}
	_, own, err := s.own(ctx)
	if err != nil {
		return counters{}, err
	}
	c.process = own.seconds

	all, err := cpu.TimesWithContext(ctx, false)
	if untold(err) || err == nil && len(all) == 0 {
		return c, nil
	}
	if err != nil {
		return counters{}, fmt.Errorf("processor time of the machine: %w", err)
	}
	c.busy, c.total = busy(all[0], runtime.GOOS)
	return c, nil
}

// busy splits the time of all cores. Linux counts the time of guests a second
// time, within User and Nice (proc(5)).
func busy(t cpu.TimesStat, goos string) (busy, total float64) {
	work := t.User + t.System + t.Nice + t.Irq + t.Softirq + t.Steal
	if goos != "linux" {
		work += t.Guest + t.GuestNice
	}
	return work, work + t.Idle + t.Iowait
}
