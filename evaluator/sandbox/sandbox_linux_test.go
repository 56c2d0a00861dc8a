package sandbox_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"millrace/evaluator/sandbox"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func box(t *testing.T, l sandbox.Limits) *sandbox.Box {
	t.Helper()
	b, err := sandbox.Open(context.Background(), sandbox.Config{Limits: l})
	if errors.Is(err, sandbox.ErrOff) {
		t.Skip("this machine cannot run code apart: ", err)
	}
	require.NoError(t, err)
	t.Log(b.Isolation())
	return b
}

func TestProgramsAreBounded(t *testing.T) {
	require.NoError(t, os.Setenv("MILLRACE_TEST_API_KEY", "secret"))
	b := box(t, sandbox.Limits{Time: 20 * time.Second, Memory: 400 << 20, Output: 64 << 10, Files: 20})
	for name, c := range map[string]struct{ program, says string }{
		"memory":      {"x = bytearray(1 << 30)", "MemoryError"},
		"output":      {"print('x' * (1 << 20))", strings.Repeat("x", 1000)},
		"files":       {"import os\nl = [os.open('main.py', 0) for _ in range(100)]", "Too many open files"},
		"file size":   {"f = open('big', 'wb')\nfor i in range(100): f.write(bytes(1 << 16)); f.flush()\n", ""},
		"network":     {"import socket\ns = socket.socket()\ns.settimeout(5)\ns.connect(('192.0.2.1', 80))", "Network is unreachable"},
		"environment": {"import os\nprint(sorted(os.environ))\nassert 'MILLRACE_TEST_API_KEY' in os.environ", "AssertionError"},
		"processes":   {"import os\nprint(len([p for p in os.listdir('/proc') if p.isdigit()]), os.getpid())\nassert os.getpid() > 100", "AssertionError"},
	} {
		out, err := b.Run(context.Background(), "python", c.program)
		require.NoError(t, err, name)
		require.Contains(t, out.Output, c.says, name)
		require.LessOrEqual(t, len(out.Output), 64<<10, name)
		require.Equal(t, name == "output", out.Exit == 0, "%s: %d %s %s", name, out.Exit, out.Why, out.Output)
	}
	out, err := b.Run(context.Background(), "python", "open('x', 'w').write('1')\nimport sys\nsys.exit(3)")
	require.NoError(t, err)
	require.Equal(t, 3, out.Exit, out.Output)
	_, err = b.Run(context.Background(), "perl", "")
	require.ErrorIs(t, err, sandbox.ErrLanguage)
}

// A program that never ends is ended, with its children, and so is one whose caller goes away.
func TestProgramsAreEnded(t *testing.T) {
	b := box(t, sandbox.Limits{Time: 2 * time.Second})
	out, err := b.Run(context.Background(), "python", "import subprocess\nsubprocess.Popen(['sleep', '1000'])\nwhile True: pass")
	require.NoError(t, err)
	require.Equal(t, "time", out.Why)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = b.Run(ctx, "python", "print(1)")
	require.ErrorIs(t, err, context.Canceled)
}
