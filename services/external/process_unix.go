//go:build unix

package external

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// process is a command at work behind its guard.
type process struct {
	cmd  *exec.Cmd
	life *os.File // the guard's lifeline
	done chan error
}

// begin starts a command. Its output comes in pieces, from one goroutine each.
func begin(guard, args, env []string, dir string, stdout, stderr io.Writer) (*process, error) {
	if len(guard) == 0 {
		return nil, errors.New("external: this worker has no guard to start commands with")
	}
	end, life, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer end.Close()
	cmd := exec.Command(guard[0], append(guard[1:len(guard):len(guard)], args...)...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = env, dir, stdout, stderr
	cmd.ExtraFiles = []*os.File{end} // its descriptor 3
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 10 * time.Second // should something hold the pipes that could not be killed
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, life.Close())
	}
	p := &process{cmd: cmd, life: life, done: make(chan error, 1)}
	go func() {
		err := cmd.Wait()
		_ = life.Close() // the guard is gone
		p.done <- err
	}()
	return p, nil
}

// pid is the guard's: the command and all that it starts are below it.
func (p *process) pid() int { return p.cmd.Process.Pid }

// ask sends the command a signal by its name.
func (p *process) ask(name string) {
	s := map[string]os.Signal{"SIGTERM": syscall.SIGTERM, "SIGINT": syscall.SIGINT, "SIGUSR1": syscall.SIGUSR1, "SIGUSR2": syscall.SIGUSR2}[name]
	_ = p.cmd.Process.Signal(s) // it may have ended
}

// kill ends the command and all that it started, at once.
func (p *process) kill() { _ = p.life.Close() }
