package meter_test

import (
	"bufio"
	"io"
	"math"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"millrace/services/meter"
)

// TestTree measures a shell that starts two others, one of which writes and works. What ended ones have consumed stays counted, and when all
// are gone there is nothing to measure.
func TestTree(t *testing.T) {
	// Each line that is read lets it go on, and each that it writes says how far it is.
	cmd := exec.Command("sh", "-c", `
		sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo worked; read go; exit 0'
		echo between; read go
		sh -c 'echo second; read go; exit 0'`)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	said := bufio.NewScanner(out)
	expect := func(what string) {
		t.Helper()
		require.True(t, said.Scan())
		require.Equal(t, what, said.Text())
	}
	proceed := func() {
		t.Helper()
		_, err := io.WriteString(in, "go\n")
		require.NoError(t, err)
	}
	clock := &clock{t: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	tree := open(t, meter.Config{PID: cmd.Process.Pid, Tree: true, Dir: t.TempDir(), Now: clock.now})
	alone := open(t, meter.Config{PID: cmd.Process.Pid, Dir: t.TempDir(), Now: clock.now})
	expect("worked")
	clock.add(time.Minute)
	both, err := tree.Sample(t.Context())
	require.NoError(t, err)
	one, err := alone.Sample(t.Context())
	require.NoError(t, err)
	require.Greater(t, both.RSS, one.RSS)
	require.Greater(t, float64(both.CPUPercent), float64(one.CPUPercent), "the child works, its parent waits")

	proceed()
	expect("between") // the child has ended
	clock.add(time.Minute)
	after, err := tree.Sample(t.Context())
	require.NoError(t, err)
	require.Less(t, after.RSS, both.RSS)
	require.GreaterOrEqual(t, float64(after.CPUPercent), 0.)
	require.False(t, math.IsNaN(float64(after.CPUPercent)))
	require.GreaterOrEqual(t, after.DiskRead, both.DiskRead, "what it had read stays counted")
	proceed()
	expect("second")
	later, err := tree.Sample(t.Context())
	require.NoError(t, err)
	require.Greater(t, later.RSS, after.RSS)
	proceed()
	require.NoError(t, cmd.Wait())
	_, err = tree.Sample(t.Context())
	require.ErrorContains(t, err, "have ended")
}
