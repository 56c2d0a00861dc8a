package s3embed_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// child starts the server as a process, under the command line before it, if
// any.
func child(t testing.TB, dir string, before ...string) (*client, *exec.Cmd, func()) {
	t.Helper()
	args := append(before, os.Args[0])
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	end := sync.OnceFunc(func() {
		stdin.Close()
		_ = cmd.Wait() // a killed one has no good status
	})
	t.Cleanup(end)
	endpoint, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	return newClient(t, strings.TrimSpace(endpoint)), cmd, end
}

// TestKill: whatever a client was told is stored is there, whole, after the
// server was killed in the middle of writing, and nothing else is.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	content := func(i, n int) []byte { return bytes.Repeat([]byte(fmt.Sprintf("%d/%d ", i, n)), 500+100*n) }
	acked := map[string][]byte{}
	var mu sync.Mutex
	for round := range 3 {
		c, cmd, end := child(t, dir)
		if round == 0 {
			require.Equal(t, 200, c.do(t, "PUT", "bucket", nil, nil, nil).status)
		}
		for key, want := range acked {
			a := c.get(t, "bucket/"+key)
			require.Equal(t, 200, a.status, "%s was acknowledged in an earlier round", key)
			require.Equal(t, string(want), a.body, key)
		}
		const page = 1000 // keys of one listing at most
		listed := strings.Count(c.do(t, "GET", "bucket", nil, nil, nil).body, "<Key>")
		require.GreaterOrEqual(t, listed, min(len(acked), page))
		require.Empty(t, names(t, filepath.Join(dir, "tmp")), "what was half written is gone")

		var wg sync.WaitGroup
		enough := make(chan struct{})
		var once sync.Once
		for w := range 4 {
			wg.Go(func() {
				for n := 0; n < 10_000; n++ {
					key, body := fmt.Sprintf("r%d/w%d/n%d", round, w, n), content(w, n%40)
					resp, err := c.http.Do(c.request(t, "PUT", "bucket/"+key, nil, nil, body))
					if err != nil {
						return // killed
					}
					status := resp.StatusCode
					resp.Body.Close()
					if status != 200 {
						t.Errorf("put %s: %d", key, status)
						return
					}
					mu.Lock()
					acked[key] = body
					if len(acked) >= 60*(round+1) {
						once.Do(func() { close(enough) })
					}
					mu.Unlock()
				}
			})
		}
		<-enough
		require.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
		wg.Wait()
		end()
	}
}

// TestFsync counts, with strace, what the server asks the disk before it
// answers: every PUT fsyncs the file and the directory.
func TestFsync(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("no strace on this machine")
	}
	trace := filepath.Join(t.TempDir(), "trace")
	c, _, end := child(t, t.TempDir(), strace, "-f", "-qq", "-y", "-e", "trace=fsync,rename,renameat,renameat2", "-e", "signal=none", "-o", trace)
	require.Equal(t, 200, c.do(t, "PUT", "bucket", nil, nil, nil).status)
	require.Equal(t, 200, c.put(t, "bucket/dir/first", "makes the directory").status)
	const puts = 20
	for i := range puts {
		require.Equal(t, 200, c.put(t, fmt.Sprintf("bucket/dir/key%02d", i), "x").status)
	}
	end()
	b, err := os.ReadFile(trace)
	require.NoError(t, err)
	files := regexp.MustCompile(`fsync\(\d+<[^>]*/tmp/put-`).FindAll(b, -1)
	dirs := regexp.MustCompile(`fsync\(\d+<[^>]*/keys/dir>`).FindAll(b, -1)
	require.GreaterOrEqual(t, len(files), puts+1, "one fsync of each file; a signal may make the kernel start one again")
	require.GreaterOrEqual(t, len(dirs), puts+1, "one fsync of the directory for each name in it")
	// And in this order: the file, its name, the directory.
	order := regexp.MustCompile(`(?s)fsync\(\d+<[^>]*/tmp/put-.*?rename.*?key19\.object.*?fsync\(\d+<[^>]*/keys/dir>`)
	require.Regexp(t, order, string(b))
}

// A child may meet its limit on the size of files: Linux would end it there.
func init() {
	if os.Getenv(childDir) != "" {
		signal.Ignore(syscall.SIGXFSZ)
	}
}

// TestFullDisk: the size of the server's files is limited as a full disk would; the client is told so with a status that it does not retry, and
// nothing stays. The server is a process of its own: go test itself writes files meanwhile.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	c, cmd, _ := child(t, dir)
	require.Equal(t, 200, c.do(t, "PUT", "bucket", nil, nil, nil).status)
	require.Equal(t, 200, c.put(t, "bucket/key", "before").status)

	var old unix.Rlimit
	require.NoError(t, unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_FSIZE, nil, &old))
	require.NoError(t, unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 100_000, Max: old.Max}, nil))
	a := c.put(t, "bucket/key", strings.Repeat("x", 1<<20))
	edge := c.put(t, "bucket/edge", strings.Repeat("x", 99_990)) // the bytes fit, the trailer does not
	small := c.put(t, "bucket/small", "fits")
	require.NoError(t, unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_FSIZE, &old, nil))

	require.Equal(t, 507, a.status, a.body)
	require.Contains(t, a.body, "XMinioStorageFull")
	require.Equal(t, 507, edge.status, edge.body)
	require.Equal(t, 200, small.status, small.body)
	require.Equal(t, "before", c.get(t, "bucket/key").body, "the object from before is untouched")
	require.Equal(t, 404, c.get(t, "bucket/edge").status)
	require.Empty(t, names(t, filepath.Join(dir, "tmp")))
}
