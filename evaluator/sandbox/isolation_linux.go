package sandbox

import (
	"os"
	"os/exec"
	"syscall"
)

// nobody is the user that root runs code as.
const nobody = 65534

// isolation is one way to keep a program apart.
type isolation struct {
	says    string
	network bool // it can reach the network
	flags   uintptr
}

// isolations are the ways, the strongest first.
func isolations() []isolation {
	const apart = syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS
	user := "as this node's user, whose files it can reach"
	if os.Getuid() == 0 {
		user = "as nobody"
	}
	all := []isolation{{"no network, no other processes (namespaces); " + user, false, apart | syscall.CLONE_NEWUSER}}
	if os.Getuid() == 0 {
		all = append(all, isolation{"no network, no other processes (namespaces); " + user, false, apart})
	}
	return append(all, isolation{"the network can be reached: this machine gives no namespaces; " + user, true, 0})
}

// give lets the program write into its folder.
func (isolation) give(dir string) error {
	if os.Getuid() != 0 {
		return nil
	}
	return os.Chown(dir, nobody, nobody)
}

func (i isolation) apply(cmd *exec.Cmd) {
	a := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Cloneflags: i.flags}
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		uid, gid = nobody, nobody
		a.Credential = &syscall.Credential{Uid: nobody, Gid: nobody, NoSetGroups: i.flags&syscall.CLONE_NEWUSER != 0}
	}
	if i.flags&syscall.CLONE_NEWUSER != 0 {
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
	}
	cmd.SysProcAttr = a
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
