package curator_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a curation holds does not grow with its input: from 8 to 72 MB it grows by less than half of the difference.
func TestMemoryDoesNotGrowWithTheInput(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED in the race pass: it is about memory, and run in the pass before it")
	}
	sizes := []int{8 << 20, 72 << 20}
	if s := os.Getenv("MILLRACE_TEST_MEMORY_SIZES"); s != "" { // in MB, for figures
		sizes = nil
		for field := range strings.SplitSeq(s, ",") {
			n, err := strconv.Atoi(field)
			require.NoError(t, err)
			sizes = append(sizes, n<<20)
		}
	}
	var peaks []int64
	for _, size := range sizes {
		path := filepath.Join(t.TempDir(), "corpus.jsonl")
		writeJSONL(t, path, size)
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), memoryCorpus+"="+path, "GOGC=50") // less chance in what is garbage
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		peak, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
		require.NoError(t, err, "%s", out)
		t.Logf("%d MB of input: %d MB at most", size>>20, peak>>20)
		peaks = append(peaks, peak)
		require.NoError(t, os.Remove(path))
	}
	require.Less(t, peaks[len(peaks)-1]-peaks[0], int64(sizes[len(sizes)-1]-sizes[0])/2)
}
