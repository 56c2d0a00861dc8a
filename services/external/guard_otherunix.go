//go:build unix && !linux

package external

import "syscall"

// attributes put the command into a group of its own.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// adopt does nothing: this system does not give orphans to anybody but init.
func adopt() {}

// sweep kills the command's group. What has left it is not found here.
func sweep(group int) { _ = syscall.Kill(-group, syscall.SIGKILL) }
