//go:build !unix

package external

import (
	"io"
	"os/exec"
	"time"
)

// Guard is of systems that have process groups and signals.
func Guard([]string) int { return 126 }

// process is a command at work.
type process struct {
	cmd  *exec.Cmd
	done chan error
}

// begin starts a command, without a guard: here nothing ends what it started.
func begin(_, args, env []string, dir string, stdout, stderr io.Writer) (*process, error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = env, dir, stdout, stderr
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, done: make(chan error, 1)}
	go func() { p.done <- cmd.Wait() }()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// ask kills: there are no signals.
func (p *process) ask(string) { p.kill() }

func (p *process) kill() { _ = p.cmd.Process.Kill() }
