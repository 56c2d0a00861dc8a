package external

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzConsole: whatever a command writes, in pieces of whatever length, no line that is told is longer than the bound, and points have names, in
// order, each with a value.
func FuzzConsole(f *testing.F) {
	f.Add([]byte("{\"step\":1,\"loss\":2.5}\n{\"step\":2,\"loss\":\"NaN\"}\nhello\r\x1b[1mred"), 3)
	f.Add([]byte(`{"step":1e400,"loss":1}`+"\n"+`{"step":1,"":2}`+"\n"+`{"step":2,"a":1} {"step":3}`+"\n"), 1)
	f.Add([]byte("\xff\x00\n{\"step\":9223372036854775807,\"a\":-0,\"b\":\"Infinity\"}\n"), 7)
	f.Add([]byte(strings.Repeat("x", maxLine+9)+"\r\nend"), 1000)
	f.Fuzz(func(t *testing.T, raw []byte, cut int) {
		c := &console{
			print: func(line string) {
				if len(line) > 3*maxLine+len("…") || !utf8.ValidString(line) || strings.Contains(line, "\n") {
					t.Fatalf("a line of %d bytes: %.99q", len(line), line)
				}
			},
			points: func(step int64, keys []string, values []float64) error {
				if len(keys) == 0 || len(keys) != len(values) || len(keys) > maxPoints || !slices.IsSorted(keys) || keys[0] == "" {
					t.Fatalf("step %d: %d keys %q, %d values", step, len(keys), keys, len(values))
				}
				return nil
			},
			now: func() time.Time { return time.Unix(1, 0) },
		}
		s := &stream{c: c, metrics: true}
		for cut = max(1, cut); len(raw) > 0; {
			n := min(cut, len(raw))
			if wrote, err := s.Write(raw[:n]); wrote != n || err != nil {
				t.Fatal(wrote, err)
			}
			raw = raw[n:]
		}
		c.close(s)
		if len([]rune(c.lastLine())) > 301 {
			t.Fatal("the last line is long")
		}
	})
}

// FuzzParse: a command that is accepted is accepted again as it was written out.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"args":["torchrun","train.py"],"metrics":"stdout","grace_seconds":600,"checkpoints":{"pattern":"^iter_(\\d+)$","marker":".metadata"}}`))
	f.Add([]byte(`{"args":["a"],"env":{"A":"b"},"checkpoints":{"pattern":"("}} `))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if c, err := Parse(raw); err == nil && c.check() != nil {
			t.Fatalf("%+v", c)
		}
	})
}
