//go:build unix && !linux

package sandbox

import (
	"os/exec"
	"syscall"
)

// isolation is one way to keep a program apart.
type isolation struct {
	says    string
	network bool // it can reach the network
}

func isolations() []isolation {
	return []isolation{{"the network can be reached, and this user's files: only Linux keeps programs apart", true}}
}

func (isolation) give(string) error { return nil }

func (isolation) apply(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
