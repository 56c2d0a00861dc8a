package meter

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/process"
)

// member is a process by what no other has: its number is used again.
type member struct {
	pid  int32
	born int64 // ms since 1970
}

// consumed is what a process has consumed since it started.
type consumed struct {
	seconds       float64 // of processor time
	read, written int64   // bytes
}

func (c *consumed) add(d consumed) {
	c.seconds, c.read, c.written = c.seconds+d.seconds, c.read+d.read, c.written+d.written
}

// tree is a process and its descendants. Who was seen once belongs to it, also when its parent has ended; what ended processes had consumed when
// they were last seen stays counted. A process that comes and goes between two looks is not seen.
type tree struct {
	root int32
	seen map[member]consumed
	gone consumed
}

// look finds who is there now, what all of them hold in memory, in bytes, and what they and those before have consumed. An error: nobody is.
func (t *tree) look(ctx context.Context) (pids map[int]bool, rss int64, total consumed, err error) {
	all, err := process.ProcessesWithContext(ctx)
	if err != nil {
		return nil, 0, total, fmt.Errorf("the machine's processes: %w", err)
	}
	children, byPID := map[int32][]*process.Process{}, map[int32]*process.Process{}
	for _, p := range all {
		byPID[p.Pid] = p
		if parent, err := p.PpidWithContext(ctx); err == nil { // else it has ended
			children[parent] = append(children[parent], p)
		}
	}
	now := map[member]consumed{}
	pids = map[int]bool{}
	var visit func(p *process.Process)
	visit = func(p *process.Process) {
		born, err := p.CreateTimeWithContext(ctx)
		if err != nil || pids[int(p.Pid)] {
			return
		}
		c, held, err := consumption(ctx, p)
		if err != nil { // it ended while it was asked
			return
		}
		now[member{p.Pid, born}] = c
		pids[int(p.Pid)] = true
		rss += held
		for _, child := range children[p.Pid] {
			visit(child)
		}
	}
	if p := byPID[t.root]; p != nil {
		visit(p)
	}
	for m := range t.seen {
		if p := byPID[m.pid]; p != nil {
			if born, err := p.CreateTimeWithContext(ctx); err == nil && born == m.born {
				visit(p)
			}
		}
	}
	for m, c := range t.seen {
		if _, is := now[m]; !is {
			t.gone.add(c)
		}
	}
	t.seen = now
	if len(now) == 0 {
		return nil, 0, total, fmt.Errorf("process %d and all that it started have ended", t.root)
	}
	total = t.gone
	for _, c := range now {
		total.add(c)
	}
	return pids, rss, total, nil
}

// consumption is what one process has consumed and what it holds in memory, in bytes.
func consumption(ctx context.Context, p *process.Process) (c consumed, rss int64, err error) {
	memory, merr := p.MemoryInfoWithContext(ctx)
	times, terr := p.TimesWithContext(ctx)
	if err := errors.Join(merr, terr); err != nil {
		return c, 0, err
	}
	c.seconds = times.User + times.System
	switch io, err := p.IOCountersWithContext(ctx); {
	case err == nil:
		c.read, c.written = int64(io.DiskReadBytes), int64(io.DiskWriteBytes)
		if runtime.GOOS == "windows" { // which does not tell the disk from the rest
			c.read, c.written = int64(io.ReadBytes), int64(io.WriteBytes)
		}
	case !untold(err):
		return c, 0, err
	}
	return c, int64(memory.RSS), nil
}

// Processor is what the system calls the machine's processor, "" where it does not say.
func Processor(ctx context.Context) string {
	info, err := cpu.InfoWithContext(ctx)
	if err != nil || len(info) == 0 {
		return ""
	}
	return info[0].ModelName
}
