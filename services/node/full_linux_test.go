package node_test

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"millrace/client"
	"millrace/services/node"
)

const fullDiskEnv = "MILLRACE_NODE_FULL_DISK"

// inNamespace runs a test again in a child with a name space of its own, where it may mount small file systems without any rights and
// leaves nothing behind. It tells whether this is that child, and the folder it was given.
func inNamespace(t *testing.T) (dir string, child bool) {
	t.Helper()
	if dir := os.Getenv(fullDiskEnv); dir != "" {
		return dir, true
	}
	if testing.Short() {
		t.Skip("SKIPPED in the race pass: a child process fills a disk, run in the pass before it")
	}
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), fullDiskEnv+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, syscall.EPERM), strings.Contains(string(out), "cannot mount"):
		t.Skipf("SKIPPED: this system lets nobody mount in a name space: %v %s", err, out)
	case err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()):
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	return "", false
}

// mount puts a small file system at a path.
func mount(t *testing.T, path, size string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", path, "tmpfs", 0, "size="+size); err != nil {
		t.Skip("cannot mount: ", err)
	}
}

func TestAFullObjectStoreFailsTheRunWithTheReason(t *testing.T) {
	dir, child := inNamespace(t)
	if !child {
		return
	}
	objects := filepath.Join(dir, "objects")
	mount(t, objects, "6m")
	c, _ := lab(t, node.Config{Data: dir, Addr: "127.0.0.1:0"})
	finish(t, c, begin(t, c, curation(t, corpus(t, 40), 300)).ID)
	ballast := filepath.Join(objects, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	run := begin(t, c, training(300, 10))
	full := until(t, c, run.ID, "failed", func(r client.Run) bool { return r.Status == "FAILED" })
	if f := full.Failure; f == nil || f.Code != "storage_full" || !strings.Contains(f.Hint, "free space") {
		t.Errorf("%+v", f)
	}
	ks, err := c.Checkpoints(t.Context(), run.ID)
	if err != nil || len(ks) == 0 {
		t.Errorf("%d checkpoints before: %v", len(ks), err)
	}
	t.Logf("after %d checkpoints: %+v", len(ks), full.Failure)
	// The node is up, and with space again it works.
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	finish(t, c, begin(t, c, training(10, 10)).ID)
}

func TestACurationWithoutRoomForItsTemporaryFilesFailsAndPublishesNothing(t *testing.T) {
	dir, child := inNamespace(t)
	if !child {
		return
	}
	mount(t, filepath.Join(dir, "tmp"), "1m")
	c, _ := lab(t, node.Config{Data: dir, Addr: "127.0.0.1:0"})
	run := begin(t, c, curation(t, noise(t, 1500), 300))
	failed := until(t, c, run.ID, "failed", func(r client.Run) bool { return r.Status == "FAILED" })
	if f := failed.Failure; f == nil || f.Code != "disk_full" || !strings.Contains(f.Hint, "free space") {
		t.Errorf("%+v", f)
	}
	t.Logf("%+v", failed.Failure)
	if _, err := c.Dataset(t.Context(), "mill"); !errors.Is(err, client.ErrNotFound) || failed.Output("dataset") != "" {
		t.Errorf("a dataset was published: %v", err)
	}
	finish(t, c, begin(t, c, curation(t, corpus(t, 40), 300)).ID) // what is small goes on
}

func TestAFullLogIsSaidAndTheRunGoesOnAfterARestart(t *testing.T) {
	dir, child := inNamespace(t)
	if !child {
		return
	}
	log := filepath.Join(dir, "log")
	mount(t, log, "8m")
	config := node.Config{Data: dir, Addr: "127.0.0.1:0"}
	c, stop := lab(t, config)
	finish(t, c, begin(t, c, curation(t, corpus(t, 40), 300)).ID)
	run := begin(t, c, training(4000, 500))
	checkpointed(t, c, run.ID, 1)
	// What is not ours fills the disk, as it does in life.
	ballast := filepath.Join(log, "ballast")
	fill(t, ballast)
	says := ""
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		code, body := get(t, c.URL()+"/readyz")
		if says = body; code != http.StatusOK && strings.Contains(body, "free space") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the node does not say that its log is full: %d %s", code, body)
		}
	}
	t.Log(says)
	if code, _ := get(t, c.URL()+"/healthz"); code != http.StatusOK {
		t.Errorf("/healthz: %d", code)
	}
	now, err := c.Run(t.Context(), run.ID) // reads go on
	if err != nil || now.Status != "RUNNING" {
		t.Errorf("%s %v", now.Status, err)
	}
	_, err = c.Start(t.Context(), training(10, 10))
	if err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("a wish that cannot be stored: %v", err)
	}
	t.Log(err)
	stop()
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	c, _ = lab(t, config)
	done := finish(t, c, run.ID)
	points(t, c, done.ID, "train/loss", 4000)
}

// fill writes a file until nothing more goes in.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 64<<10)
	for len(block) > 0 {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
}
