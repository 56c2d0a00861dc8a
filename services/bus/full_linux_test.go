package bus_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"millrace/event"
	"millrace/services/bus"
)

const fullDiskEnv = "MILLRACE_BUS_FULL_DISK"

// TestAFullDiskIsNamed fills a real file system of eight megabytes, in a name space of its own so that it needs no rights and leaves
// nothing behind.
func TestAFullDiskIsNamed(t *testing.T) {
	if dir := os.Getenv(fullDiskEnv); dir != "" {
		fillDisk(t, dir)
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(exe, "-test.run=^TestAFullDiskIsNamed$", "-test.v")
	child.Env = append(os.Environ(), fullDiskEnv+"="+t.TempDir())
	child.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := child.CombinedOutput()
	switch {
	case errors.Is(err, syscall.EPERM), strings.Contains(string(out), "cannot mount"):
		t.Skipf("this system lets nobody mount in a name space: %v %s", err, out)
	case err != nil:
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "the disk was full") {
		t.Fatalf("the child did not come to it:\n%s", out)
	}
}

func fillDisk(t *testing.T, dir string) {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skip("cannot mount: ", err)
	}
	b, err := bus.Open(soon(t), bus.Config{Dir: dir, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	text := event.TextLogged{Run: "r", Writer: "w", Key: "k", Text: strings.Repeat("x", 100<<10)}
	// What is not ours fills the rest, as it does in life.
	if err := os.WriteFile(dir+"/ballast", make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	acked := 0
	began := time.Now()
	for err == nil {
		if _, err = b.Publish(soon(t), text); err == nil {
			acked++
		}
	}
	if !errors.Is(err, bus.ErrFull) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "free space") {
		t.Fatalf("after %d facts: %v", acked, err)
	}
	t.Logf("the disk was full after %d facts, said after %v: %v", acked, time.Since(began), err)
	if _, err := b.Publish(soon(t), beat("small")); err != nil && !errors.Is(err, bus.ErrFull) {
		t.Errorf("the next publish: %v", err)
	}
	if err := b.Close(context.Background()); err != nil {
		t.Error(err)
	}
	// With space again, a restart goes on where it stopped, and nothing that was acknowledged is missing.
	if err := os.Remove(dir + "/ballast"); err != nil {
		t.Fatal(err)
	}
	b = open(t, bus.Config{Dir: dir})
	publish(t, b, text)
	n := 0
	for _, env := range follow(t, b, 1).until(t, acked+1) {
		if env.Event.Type() == text.Type() {
			n++
		}
	}
	if n < acked+1 {
		t.Errorf("%d facts are there, %d were acknowledged", n, acked+1)
	}
}
