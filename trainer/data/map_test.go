package data_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"millrace/trainer/data"
)

// What is mapped stays readable without its name, and an empty file is no mistake.
func TestMapOutlivesTheName(t *testing.T) {
	for _, want := range [][]byte{bytes.Repeat([]byte{1, 2, 3, 4, 5}, 10_001), {}} {
		path := filepath.Join(t.TempDir(), "shard")
		if err := os.WriteFile(path, want, 0o600); err != nil {
			t.Fatal(err)
		}
		got, done, err := data.Map(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes are not the %d that were written", len(got), len(want))
		}
		if err := done(); err != nil {
			t.Error(err)
		}
	}
	if _, _, err := data.Map(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there was mapped")
	}
}
