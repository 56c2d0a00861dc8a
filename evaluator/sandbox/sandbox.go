package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// Errors of Open and Run.
var (
	// ErrOff: this machine cannot run code as it was asked to.
	ErrOff = errors.New("sandbox: code cannot be run here")
	// ErrLanguage: there is no interpreter for it.
	ErrLanguage = errors.New("sandbox: no interpreter for this language")
)

// Limits bound one program. The zero value of each is its default.
type Limits struct {
	Time      time.Duration // on the clock; 10 s
	Memory    int64         // bytes of address space; 1 GiB
	Output    int64         // bytes that are kept of what it prints, and that it may write into a file; 1 MiB
	Processes int           // 64; the kernel does not count root's
	Files     int           // open ones; 64
}

func (l Limits) filled() Limits {
	set := func(v *int64, d int64) {
		if *v <= 0 {
			*v = d
		}
	}
	if l.Time <= 0 {
		l.Time = 10 * time.Second
	}
	if l.Processes <= 0 {
		l.Processes = 64
	}
	if l.Files <= 0 {
		l.Files = 64
	}
	set(&l.Memory, 1<<30)
	set(&l.Output, 1<<20)
	return l
}

// Box runs programs. It may be used by many goroutines.
type Box struct {
	limits    Limits
	python    string
	isolation isolation
}

// Config says how code is run.
type Config struct {
	Limits Limits
	Python string // the interpreter; "python3" if empty
	// Weak runs code even where it cannot be kept from the network.
	Weak bool
}

// Outcome is what became of a program.
type Outcome struct {
	Exit   int    // its exit code; -1 when it was killed
	Output string // the beginning of what it printed, on both streams
	// Why is why it was killed or failed: "time", "signal: …", or nothing.
	Why string
}

// Open finds out what this machine can do. It returns ErrOff where there is no interpreter, no shell that sets limits, or, unless Weak, no
// namespaces.
func Open(ctx context.Context, c Config) (*Box, error) {
	b := &Box{limits: c.Limits.filled()}
	names := []string{c.Python}
	if c.Python == "" { // one in a home folder is not for nobody
		names = []string{"python3", "/usr/bin/python3", "/usr/local/bin/python3"}
	}
	var failed error
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err == nil {
			path, err = filepath.Abs(path)
		}
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		b.python = path
		if err := b.open(ctx, c.Weak); err == nil || ctx.Err() != nil {
			return b, ctx.Err()
		} else {
			failed = errors.Join(failed, err)
		}
	}
	return nil, fmt.Errorf("%w: %w; run the node in a container, or allow code that can reach the network", ErrOff, failed)
}

// open takes the strongest isolation in which the interpreter answers.
func (b *Box) open(ctx context.Context, weak bool) error {
	failed := errors.New("no isolation")
	for _, kind := range isolations() {
		if kind.network && !weak {
			continue
		}
		b.isolation = kind
		out, err := b.Run(ctx, "python", "print(6*7)")
		if err == nil && out.Exit == 0 && out.Output == "42\n" {
			return nil
		}
		failed = fmt.Errorf("%s: %s: exit %d %s %.300s", b.python, kind.says, out.Exit, out.Why, out.Output)
		if err != nil {
			failed = fmt.Errorf("%s: %w", kind.says, err)
		}
	}
	return failed
}

// Isolation says what programs are kept from here, and what not.
func (b *Box) Isolation() string { return b.isolation.says }

// limited sets the limits and becomes the program. What the shell cannot limit ends it, but for processes, which not every shell can.
const limited = `ulimit -c 0 && ulimit -t "$1" && ulimit -v "$2" && ulimit -f "$3" && ulimit -n "$4" || exit 125
ulimit -u "$5" 2>/dev/null || ulimit -p "$5" 2>/dev/null
shift 5
exec "$@"`

// Run runs a program to its end, or to that of its limits. The error is about the sandbox, and never about the program.
func (b *Box) Run(ctx context.Context, language, program string) (Outcome, error) {
	if language != "python" {
		return Outcome{}, fmt.Errorf("%w: %.40q", ErrLanguage, language)
	}
	dir, err := os.MkdirTemp("", "millrace-code-")
	if err != nil {
		return Outcome{}, fmt.Errorf("sandbox: %w", err)
	}
	defer os.RemoveAll(dir)
	main := filepath.Join(dir, "main.py")
	if err := os.WriteFile(main, []byte(program), 0o644); err != nil {
		return Outcome{}, fmt.Errorf("sandbox: %w", err)
	}
	if err := b.isolation.give(dir); err != nil {
		return Outcome{}, fmt.Errorf("sandbox: %w", err)
	}
	l := b.limits
	timed, cancel := context.WithTimeout(ctx, l.Time)
	defer cancel()
	args := []string{"-c", limited, "sh"}
	for _, n := range []int64{int64(l.Time/time.Second) + 1, l.Memory / 1024, max(1, l.Output/512), int64(l.Files), int64(l.Processes)} {
		args = append(args, strconv.FormatInt(n, 10))
	}
	cmd := exec.CommandContext(timed, "/bin/sh", append(args, b.python, "-I", "-B", main)...)
	out := &head{most: l.Output}
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + dir, "TMPDIR=" + dir, "LANG=C.UTF-8", "OMP_NUM_THREADS=1"}
	cmd.WaitDelay = 2 * time.Second
	b.isolation.apply(cmd)
	err = cmd.Run()
	if ctx.Err() != nil {
		return Outcome{}, ctx.Err()
	}
	o := Outcome{Exit: -1, Output: out.String()}
	var exit *exec.ExitError
	switch {
	case timed.Err() != nil:
		o.Why = "time"
	case err == nil:
		o.Exit = 0
	case errors.As(err, &exit):
		if o.Exit = exit.ExitCode(); o.Exit < 0 {
			o.Why = exit.String()
		}
	default:
		return Outcome{}, fmt.Errorf("sandbox: %w", err)
	}
	return o, nil
}

// head keeps the beginning of what is written, and takes the rest.
type head struct {
	mu   sync.Mutex
	b    bytes.Buffer
	most int64
}

func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if left := h.most - int64(h.b.Len()); left > 0 {
		h.b.Write(p[:min(int64(len(p)), left)])
	}
	return len(p), nil
}

func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.b.String()
}
