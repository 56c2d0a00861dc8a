package node

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"sync"

	"millrace/event"
	"millrace/trainer/engine"
	"millrace/trainer/engine/auto"
)

// code identifies this program from what the linker left in it.
func code(version string) event.Code {
	c := event.Code{Version: version}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return c
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			c.Revision = s.Value
		case "vcs.modified":
			c.Modified = s.Value == "true"
		}
	}
	return c
}

// device says what a role's arithmetic runs on.
func device(i engine.Info) event.Environment {
	return event.Environment{Engine: i.Kind, CPU: i.Name, Kernels: i.Kernels, Threads: i.Threads}
}

// environment completes it with the machine and the program.
func environment(e event.Environment) event.Environment {
	e.Host, _ = os.Hostname()
	e.OS, e.Arch, e.Go, e.Cores = runtime.GOOS, runtime.GOARCH, runtime.Version(), runtime.NumCPU()
	e.Binary = binary()
	return e
}

// binary is the digest of the running executable, computed once.
var binary = sync.OnceValue(func() event.Digest {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return ""
	}
	return event.Digest("sha256:" + hex.EncodeToString(h.Sum(nil)))
})

// Describe tells what this machine would train on.
func Describe() event.Environment {
	k, err := auto.Open("auto", 1)
	if err != nil {
		return event.Environment{CPU: err.Error(), Kernels: "go"}
	}
	if c, ok := k.(interface{ Close() }); ok {
		defer c.Close()
	}
	return device(k.Info())
}
