//go:build unix

package external

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

// lifeline is the file descriptor that a guard reads: its end is the worker's.
const lifeline = 3

// Guard starts a command, passes signals on to it, and returns its exit code, or 128 and the number of the signal that ended it. When the
// command ends, or file descriptor 3 does because whoever held its other end is gone, everything that the command started is killed. It is the
// whole of a process that the worker starts (Service.Guard); what it starts lives in a process group of its own.
//
// On Linux nothing escapes: what leaves the group, or loses its parent, is found as well. If the guard itself is killed, the kernel kills the
// command, but not what that has started; elsewhere neither.
func Guard(args []string) int {
	runtime.LockOSThread() // the command's parent, for the kernel, is this thread
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "millrace: guard: no command")
		return 126
	}
	syscall.CloseOnExec(lifeline)
	adopt()
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	pid, err := syscall.ForkExec(args[0], args, &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, 1, 2}, Sys: attributes(),
	})
	if err != nil {
		fmt.Fprintf(os.Stderr, "millrace: %s cannot be started: %v\n", args[0], err)
		return 126
	}
	go func() {
		for s := range signals {
			_ = syscall.Kill(-pid, s.(syscall.Signal)) // it may have ended
		}
	}()
	go func() {
		_, _ = io.Copy(io.Discard, os.NewFile(lifeline, "lifeline"))
		sweep(pid)
		os.Exit(128 + int(syscall.SIGKILL))
	}()
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil: // ECHILD: somebody else has reaped it
			sweep(pid)
			return 1
		case ended != pid: // an orphan that was adopted
		default:
			sweep(pid)
			if status.Signaled() {
				return 128 + int(status.Signal())
			}
			return status.ExitStatus()
		}
	}
}
